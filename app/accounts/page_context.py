"""What every template may read; the list stands in the head of templates/base.html. Asks no database."""

from __future__ import annotations

from typing import Any

from flask import Flask, current_app, g, request, url_for

from app.core.clock import utc_now
from app.core.flask_app import optional_actor
from app.core.permissions import Permission, can
from app.core.version import VERSION

PRODUCT = "Millwright"
# Endpoint, label, icon, permission. An endpoint that no slice provides is left out.
NAVIGATION = (
    ("dashboard.index", "Dashboard", "dashboard", Permission.DASHBOARD_VIEW),
    ("inventory.servers", "Servers", "server", Permission.SERVER_VIEW),
    ("playbooks.index", "Playbooks", "playbook", Permission.PLAYBOOK_VIEW),
    ("terraform.index", "Terraform", "stack", Permission.TERRAFORM_VIEW),
    ("playbooks.saved_launches", "Saved launches", "pin", Permission.SAVED_LAUNCH_VIEW),
    ("jobs.launches", "Launches", "launch", Permission.JOB_VIEW),
    ("jobs.jobs", "Jobs", "jobs", Permission.JOB_VIEW),
    ("tickets.index", "Tickets", "ticket", Permission.TICKET_VIEW),
    ("jobs.workers", "Workers", "worker", Permission.WORKER_VIEW),
    ("audit.index", "Audit", "audit", Permission.AUDIT_VIEW),
)
# The same under a heading of its own.
ADMINISTRATION = (
    ("accounts.users", "Users", "user", Permission.USER_VIEW),
    ("accounts.teams", "Teams", "team", Permission.TEAM_VIEW),
    ("accounts.keys", "API keys", "key", Permission.USER_VIEW),
    ("accounts.tenants", "Tenants", "admin", Permission.PLATFORM_ADMIN),
)

# Pages that stand below another page in the navigation than their address says.
BELOW = {"/server-groups": "inventory.servers", "/adhoc": "jobs.launches", "/infrastructure": "terraform.index"}


def may(permission: str) -> bool:
    """Say whether this request's actor has a permission, by its word; False for nobody and for unknown words."""
    actor = optional_actor()
    if actor is None or permission not in list(Permission):
        return False
    return can(actor, Permission(permission))


def navigation() -> list[dict[str, Any]]:
    """Return what this person may open and what exists: {label, url, icon, active, group}; group "" or "People"."""
    items = []
    grouped = [("", entry) for entry in NAVIGATION] + [("People", entry) for entry in ADMINISTRATION]
    for group, (endpoint, label, icon, permission) in grouped:
        if endpoint in current_app.view_functions and may(permission.value):
            url = url_for(endpoint)
            above = {url, *(path for path, parent in BELOW.items() if parent == endpoint)} - {"/"}
            here = request.path == url or f"{request.path}/".startswith(tuple(f"{path}/" for path in above))
            items.append({"label": label, "url": url, "icon": icon, "active": here, "group": group})
    return items


def _context() -> dict[str, Any]:
    found = g.get("identity")
    return {
        "current_actor": optional_actor(),
        "can": may,
        "nav_items": navigation(),
        "known_endpoints": current_app.view_functions.keys(),
        "settings_public": {
            "product": PRODUCT,
            "version": VERSION,
            "tenant_name": found.tenant_name if found else "",
            "environment_label": "",
        },
        "request_id": g.get("request_id", ""),
        "now": utc_now(),
    }


def init_page_context(app: Flask) -> None:
    """Give every template its context."""
    app.context_processor(_context)
