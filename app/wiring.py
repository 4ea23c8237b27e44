"""THE list: slices with their blueprints, job kinds, signal subscribers and task modules, in start-up order."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app.accounts.events import tenant_created
from app.core import runtime
from app.core.actor import Actor
from app.core.db import db, engine_options, unit_of_work
from app.core.error_pages import init_error_pages
from app.core.extensions import api, csrf, init_migrate, limiter, login_manager
from app.core.flask_app import PlatformFlask
from app.core.headers import init_headers, trusted_hosts
from app.core.queue import configure_celery
from app.core.request_figures import init_request_figures
from config import Settings, load_settings

if TYPE_CHECKING:
    from app.accounts.first_start import FirstAdmin

# Lowest first: a slice may import those before it, never those after it.
SLICES = ("audit", "accounts", "inventory", "jobs", "playbooks", "terraform", "tickets", "dashboard")
MODEL_MODULES = (
    "app.audit.models",
    "app.accounts.models",
    "app.accounts.models_teams",
    "app.inventory.models",
    "app.inventory.models_kept",
    "app.inventory.models_groups",
    "app.sources.models",
    "app.jobs.models",
    "app.jobs.log_models",
    "app.jobs.models_operations",
    "app.jobs.segment_models",
    "app.playbooks.models",
    "app.playbooks.models_saved",
    "app.terraform.models",
    "app.terraform.models_files",
    "app.terraform.models_git",
    "app.terraform.models_executions",
    "app.terraform.models_modules",
    "app.terraform.models_variables",
    "app.terraform.models_variable_sets",
    "app.terraform.models_environment",
    "app.terraform.models_provider_settings",
    "app.terraform.models_configuration",
    "app.terraform.models_state",
    "app.terraform.models_servers",
    "app.terraform.models_infrastructure",
    "app.tickets.models",
    "app.tickets.models_rules",
)
# Faces of a slice beside its web.py and api.py, after them: each exposes blueprint, blueprints or both; protocol is one
# that speaks another's protocol below /api/, with keys only, and is not part of the API's own document.
FURTHER_FACES: tuple[str, ...] = (
    "app.inventory.api_groups",
    "app.inventory.api_import",
    "app.inventory.web_groups",
    "app.inventory.web_import",
    "app.jobs.api_log_store",
    "app.jobs.api_workers",
    "app.playbooks.api_sources",
    "app.playbooks.web_sources",
    "app.terraform.api_backend",
    "app.terraform.api_configuration",
    "app.terraform.api_elsewhere",
    "app.terraform.api_environment",
    "app.terraform.api_executions",
    "app.terraform.api_files",
    "app.terraform.api_git",
    "app.terraform.api_infrastructure",
    "app.terraform.api_metadata",
    "app.terraform.api_prices",
    "app.terraform.api_provider_settings",
    "app.terraform.api_servers",
    "app.terraform.api_variable_sets",
    "app.terraform.web_configuration",
    "app.terraform.web_elsewhere",
    "app.terraform.web_environment",
    "app.terraform.web_executions",
    "app.terraform.web_files",
    "app.terraform.web_git",
    "app.terraform.web_infrastructure",
    "app.terraform.web_prices",
    "app.terraform.web_provider_settings",
    "app.terraform.web_servers",
    "app.terraform.web_states",
    "app.terraform.web_variable_sets",
)
# Connected at start: they register job kinds and listen to signals.
SUBSCRIBERS = (
    "app.jobs.subscribers",
    "app.playbooks.job_kind",
    "app.playbooks.job_kind_adhoc",
    "app.playbooks.job_kind_syntax",
    "app.playbooks.subscribers",
    "app.terraform.job_kind",
    "app.terraform.subscribers",
    "app.tickets.subscribers",
)
TASK_MODULES = ("app.jobs.tasks", "app.inventory.tasks", "app.playbooks.tasks", "app.terraform.tasks")
# What each slice sees to at every start, "module:function"; the function takes the tenant's system actor, makes what
# is missing and leaves the rest alone.
FIRST_START: tuple[str, ...] = (
    "app.inventory.service:ensure_controller",
    "app.playbooks.projects:ensure_sample_project",
)
# What a tenant that is made later gets of these. The controller is this machine, and tenant 1's alone.
NEW_TENANT: tuple[str, ...] = ("app.playbooks.projects:ensure_sample_project",)
API_PREFIX = "/api/v1"
# Views whose answer outlives the request: they open their own short units of work.
# Asked with GET, and yet they write: reading a state is an audit entry.
WRITING = frozenset(
    {
        "terraform_backend.state",
        "terraform_api.read_version",
        "terraform_api.list_outputs",
        "terraform_states.download",
        "terraform_executions_api.get_salvaged_state",
        "terraform_executions.salvaged_state",
    }
)
STREAMS = frozenset({"jobs.stream", "api_jobs.stream_job", "audit.export", "audit_api.export_audit_logs"})


# What the leading keeper does for the slices: name, every seconds (None: the anchor's setting), whether it wants a
# unit of work around it, "module:function" (no arguments needed).
CHORES: tuple[tuple[str, float | None, bool, str], ...] = (
    ("due tickets", 5.0, True, "app.tickets.keeping:open_due_tickets"),
    ("clocks of tickets", 15.0, True, "app.tickets.keeping:watch_clocks"),
    ("closing of resolved tickets", 300.0, True, "app.tickets.keeping:close_resolved"),
    ("overdue connection tests", 10.0, False, "app.inventory.connection_test:ring_overdue_tests"),
    ("overdue project syncs", 10.0, False, "app.playbooks.sync_work:ring_overdue_syncs"),
    ("servers whose resource is gone", 30.0, False, "app.terraform.server_sync:retry_leaving"),
    ("first launches on new servers", 2.0, False, "app.terraform.server_bootstrap:advance"),
    ("overdue follow-ups of terraform", 5.0, False, "app.terraform.follow_up:ring_overdue"),
    ("overdue versions of states", 10.0, False, "app.terraform.infrastructure_sync:ring_overdue"),
    ("readings of states that live elsewhere", 15.0, False, "app.terraform.elsewhere_reading:read_due"),
    ("overdue readings of configurations", 10.0, False, "app.terraform.configuration_work:ring_overdue"),
    ("clearing away of sessions, tries and idempotency keys", 600.0, False, "app.accounts.pruning:prune_accounts"),
    ("steps of audit verifications", 1.0, False, "app.audit.walks:step_walks"),
    ("audit verifications that are due", 300.0, False, "app.audit.walks:begin_due_walks"),
    ("sealing of log lines", 5.0, False, "app.jobs.sealing:seal_old_lines"),
    ("leftovers of sealing", 600.0, False, "app.jobs.segment_care:clear_leftovers"),
    ("reading of sealed segments", 10.0, False, "app.jobs.segment_care:check_segments"),
    ("figures of ended runs", 2.0, False, "app.jobs.figures:fold"),
    ("removal of old log lines", 10.0, False, "app.jobs.retention:remove_old_lines"),
    ("audit anchor", None, False, "app.audit.anchor:anchor_heads"),
)


def keeper_chores() -> list[tuple[str, float, Callable[[], object]]]:
    """Return the chores of every slice for the keeper."""
    found = []
    for name, seconds, in_unit, entry in CHORES:
        module, _, function = entry.partition(":")
        if _present(module):
            work = getattr(importlib.import_module(module), function)
            every = runtime.settings().audit_anchor_seconds if seconds is None else seconds
            found.append((name, every, _in_unit(work) if in_unit else work))
    return found


def _in_unit(work: Callable[[], object]) -> Callable[[], object]:
    def within() -> object:
        with unit_of_work():
            return work()

    return within


def load_models() -> None:
    """Import every module with tables, so that the metadata is whole."""
    for name in MODEL_MODULES:
        importlib.import_module(name)


def _present(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def flask_config(settings: Settings) -> dict[str, Any]:
    """Return Flask's own configuration from the settings."""
    secure = settings.public_url.startswith("https://")
    return {
        "SECRET_KEY": settings.secret_key.get_secret_value(),
        "SQLALCHEMY_DATABASE_URI": settings.database_url,
        "SQLALCHEMY_ENGINE_OPTIONS": engine_options(settings),
        "MAX_CONTENT_LENGTH": settings.max_request_bytes,
        "MAX_FORM_MEMORY_SIZE": settings.max_request_bytes,
        "MAX_FORM_PARTS": 2000,
        "TRUSTED_HOSTS": trusted_hosts(settings),
        "SESSION_COOKIE_NAME": "__Host-millwright" if secure else "millwright",
        "SESSION_COOKIE_SECURE": secure,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "WTF_CSRF_TIME_LIMIT": None,  # the session ends it
        "WTF_CSRF_SSL_STRICT": True,
        "API_TITLE": "Millwright",
        "API_VERSION": "v1",
        "OPENAPI_VERSION": "3.1.0",
        "OPENAPI_URL_PREFIX": API_PREFIX,
        "OPENAPI_JSON_PATH": "openapi.json",
        "RATELIMIT_STORAGE_URI": "memory://",
        "RATELIMIT_IN_MEMORY_FALLBACK_ENABLED": True,
        "MILLWRIGHT_SETTINGS": settings,
    }


def _register_faces(app: Flask) -> None:
    names = [f"app.{slice_name}.{face}" for slice_name in SLICES for face in ("web", "api")]
    for name in (*names, *FURTHER_FACES):
        if not _present(name):
            continue
        module = importlib.import_module(name)
        if hasattr(module, "blueprint") and not hasattr(module, "blueprints"):
            app.register_blueprint(module.blueprint)
        if hasattr(module, "protocol"):
            app.register_blueprint(module.protocol, url_prefix=API_PREFIX)
            csrf.exempt(module.protocol)
        for blueprint in getattr(module, "blueprints", ()):
            api.register_blueprint(blueprint, url_prefix=API_PREFIX)
            csrf.exempt(blueprint)  # keys only: the API's authenticator never reads the cookie
    if _present("app.dashboard.api"):
        health = importlib.import_module("app.dashboard.api")
        app.register_blueprint(health.pages)
        for faces in (health.pages, health.api):
            limiter.exempt(faces)  # whoever watches the platform is not counted


def connect_subscribers() -> None:
    """Import what registers job kinds and listens to signals (web, worker and keeper alike)."""
    for name in SUBSCRIBERS:
        if _present(name):
            importlib.import_module(name)
    tenant_created.connect(_furnish)


def _furnish(platform: Actor) -> None:
    """Give a new tenant what NEW_TENANT says."""
    for entry in NEW_TENANT:
        module, _, function = entry.partition(":")
        getattr(importlib.import_module(module), function)(platform)


def first_start() -> FirstAdmin | None:
    """Make the first administrator where there is none, then run FIRST_START; needs an application context.

    Opens units of work of its own. Returns name and one-time password exactly once.
    """
    from app.accounts.first_start import run_first_start

    hooks = []
    for entry in FIRST_START:
        module, _, function = entry.partition(":")
        if _present(module):
            hooks.append(getattr(importlib.import_module(module), function))
    return run_first_start(hooks)


def build(settings: Settings | None = None, *, faces: bool = True) -> Flask:
    """Build the application: settings, database, queue, extensions, subscribers, faces, errors, commands.

    Without ``faces`` it answers no request: workers, keepers and commands start in a third of the time, 22 MB smaller.
    """
    settings = settings or load_settings()
    runtime.configure(settings)
    app = PlatformFlask("app", template_folder="templates", static_folder="static")
    app.config.update(flask_config(settings))
    if settings.proxy_hops:
        hops = settings.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    init_request_figures(app)
    init_headers(app, settings)  # first: refusals of the others carry the headers and a request id too
    load_models()
    db.init_app(app)
    init_migrate(app)
    configure_celery(settings)
    login_manager.init_app(app)
    csrf.init_app(app)
    limiter.init_app(app)
    if faces:
        api.init_app(app)  # its document is this process's last application's
    init_error_pages(app)
    app.unitless_endpoints = STREAMS
    app.writing_endpoints = WRITING
    connect_subscribers()
    if _present("app.accounts.authentication"):
        importlib.import_module("app.accounts.authentication").init_authentication(app)
    if faces:
        _register_faces(app)
    if _present("app.cli"):
        importlib.import_module("app.cli").register_commands(app)
    return app
