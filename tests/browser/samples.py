"""Sample contexts for every template, hostile text included; the shapes stand in each template's head."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

NOW = datetime(2026, 11, 21, 3, 4, 5, tzinfo=UTC)
XSS = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>"
VIEWER = {
    "dashboard:view",
    "server:view",
    "playbook:view",
    "job:view",
    "job:cancel_own",
    "saved_launch:view",
    "saved_launch:launch",
    "ticket:view",
    "team:view",
    "terraform:view",
    "worker:view",
    "api_key:own",
    "profile:own",
}
OPERATOR = VIEWER | {"server:edit", "server:test", "job:launch", "job:cancel", "saved_launch:edit", "ticket:edit"}
OPERATOR |= {"terraform:plan", "terraform:apply"}
ADMIN = OPERATOR | {
    "job:adhoc",
    "ticket:admin",
    "server:admin",
    "playbook:edit",
    "playbook:approve",
    "audit:view",
    "user:view",
    "user:edit",
    "team:edit",
    "platform:admin",
    "terraform:edit",
    "terraform_variable_set:edit",
    "terraform_state:read",
    "terraform_state:lock",
    "terraform_state:write",
    "terraform_state:unlock",
}
GRANTS = {"viewer": VIEWER, "operator": OPERATOR, "admin": ADMIN}

Context = Callable[[], dict[str, Any]]
PAGES: dict[str, tuple[str, Context]] = {}


def page(name: str, template: str) -> Callable[[Context], Context]:
    """Register a sample under ``name``; the part before the first slash is the slice."""

    def keep(make: Context) -> Context:
        PAGES[name] = (template, make)
        return make

    return keep


@page("errors/404", "errors/error.html")
def error_404() -> dict[str, Any]:
    return {"code": 404, "message": None}


@page("errors/422", "errors/error.html")
def error_422() -> dict[str, Any]:
    return {"code": 422, "message": "Some values cannot be used.", "errors": {"page": ["Not a number."], XSS: ["x"]}}


@page("errors/429-signed-out", "errors/error.html")
def error_429() -> dict[str, Any]:
    return {"code": 429, "message": XSS, "retry_after_seconds": 30, "current_actor": None}


@page("confirm", "confirm.html")
def confirm() -> dict[str, Any]:
    return {
        "title": "Deactivate db-1.example.org?",
        "message": f"No new job will reach it. 3 saved launches name it. {XSS}",
        "expected_name": "db-1.example.org",
        "action": "/to/x",
        "hidden": {"version": 3},
        "action_label": "Deactivate",
        "back_url": "/",
    }
