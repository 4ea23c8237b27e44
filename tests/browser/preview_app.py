"""Renders every template with sample data, without database and slices: for screenshots and browser tests.

Run ``python -m tests.browser.preview_app`` from the repository's root and open http://127.0.0.1:5055/.
Unknown endpoints get made-up addresses, so a template can be looked at before its slice exists.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from flask import Flask, Response, abort, render_template, request
from flask import url_for as flask_url_for
from jinja2 import ChoiceLoader, FileSystemLoader
from markupsafe import escape
from werkzeug.routing import BuildError

from app.tickets.linked_text import linked_text
from tests.browser import (  # all fill the last
    sample_accounts,
    sample_audit,
    sample_content,
    sample_groups,
    sample_infrastructure,
    sample_jobs,
    sample_saved,
    sample_servers,
    sample_terraform,
    sample_terraform_elsewhere,
    sample_terraform_providers,
    sample_terraform_resources,
    sample_terraform_servers,
    sample_terraform_sets,
    sample_tickets,
    sample_workers,
    samples,
)

ROOT = Path(__file__).resolve().parents[2] / "app"
assert (
    sample_groups
    and sample_servers
    and sample_terraform
    and sample_terraform_elsewhere
    and sample_terraform_resources
    and sample_terraform_providers
    and sample_terraform_servers
    and sample_terraform_sets
    and sample_infrastructure
    and sample_tickets
    and sample_workers
    and sample_accounts
    and sample_audit
    and sample_content
    and sample_jobs
    and sample_saved
)
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
NAV = [
    ("dashboard.index", "Dashboard", "dashboard"),
    ("inventory.servers", "Servers", "server"),
    ("playbooks.index", "Playbooks", "playbook"),
    ("terraform.index", "Terraform", "stack"),
    ("jobs.launches", "Launches", "launch"),
    ("jobs.jobs", "Jobs", "jobs"),
    ("tickets.index", "Tickets", "ticket"),
    ("audit.index", "Audit", "audit"),
    ("accounts.users", "Users", "user"),
    ("accounts.tenants", "Tenants", "admin"),
]


class EveryEndpoint:
    """Stands for the set of endpoints: says yes to all."""

    def __contains__(self, _name: object) -> bool:
        return True


def tolerant_url_for(endpoint: str, **values: Any) -> str:
    """Build a real URL where there is one, else a made-up one under /to/."""
    try:
        return flask_url_for(endpoint, **values)
    except BuildError:
        words = "/".join(re.sub(r"[^\w.-]", "_", str(value)) for value in values.values())
        return f"/to/{endpoint}/{words}".rstrip("/")


def create_preview(role: str = "admin") -> Flask:
    """Return the preview application. ``?role=viewer`` on any page shows it with a viewer's rights."""
    app = Flask("preview", static_folder=str(ROOT / "static"), static_url_path="/static")
    app.secret_key = "preview only"
    app.jinja_env.loader = ChoiceLoader(
        [
            FileSystemLoader(ROOT / "templates"),
            *(FileSystemLoader(p) for p in sorted(ROOT.glob("*/templates"))),
        ]
    )
    app.jinja_env.filters["linked_text"] = linked_text
    app.jinja_env.globals.update(url_for=tolerant_url_for, csrf_token=lambda: "preview-token")

    @app.context_processor
    def contract() -> dict[str, Any]:
        shown_role = request.args.get("role", role)
        granted = samples.GRANTS[shown_role]
        page = (request.view_args or {}).get("name", "")
        return {
            "current_actor": SimpleNamespace(label="amelie.koch", role=shown_role),
            "can": granted.__contains__,
            "nav_items": [
                {
                    "label": label,
                    "url": tolerant_url_for(endpoint),
                    "icon": icon,
                    "active": page.startswith(endpoint.split(".")[0]),
                    "group": "People" if endpoint.startswith("accounts.") else "",
                }
                for endpoint, label, icon in NAV
            ],
            "known_endpoints": EveryEndpoint(),
            "settings_public": {
                "product": "Millwright",
                "version": "0.1.0",
                "tenant_name": "Default",
                "environment_label": "",
            },
            "request_id": "01hq8z6v3m",
            "now": samples.NOW,
        }

    @app.after_request
    def headers(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = CSP
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    @app.get("/")
    def index() -> str:
        return "<!doctype html><title>Preview</title>" + "".join(
            f'<p><a href="/page/{escape(name)}">{escape(name)}</a></p>' for name in samples.PAGES
        )

    @app.get("/page/<path:name>")
    def page(name: str) -> str:
        if name not in samples.PAGES:
            abort(404)
        template, context = samples.PAGES[name]
        return render_template(template, **context())

    @app.get("/to/dashboard.palette")
    def palette() -> dict[str, Any]:
        q = request.args.get("q", "")
        return {
            "items": [
                {
                    "title": f"web-{n} {q}",
                    "subtitle": "production",
                    "url": f"/to/server/{n}",
                    "kind": "server",
                }
                for n in range(3)
            ]
        }

    return app


if __name__ == "__main__":
    create_preview().run(port=5055, debug=False, threaded=True)
