"""Requests as somebody: the faces under test without the sign-in of the accounts slice."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from app.core.actor import Actor, Role
from app.core.clock import utc_now
from app.core.flask_app import optional_actor
from app.core.permissions import Permission, can
from tests.tickets.world import World


def client_of(app: Flask, world: World, role: Role = Role.OPERATOR) -> FlaskClient:
    """A client whose every request comes from a person of that role."""
    actor = world.actor(role)
    app.authenticator = lambda: actor  # type: ignore[attr-defined]
    app.config["WTF_CSRF_ENABLED"] = False
    if "tickets_faces" not in app.extensions:
        app.extensions["tickets_faces"] = True
        app.context_processor(_page_context)
        # Pages of slices that are not under test may not be wired.
        app.url_build_error_handlers.append(lambda _error, endpoint, _values: f"/to/{endpoint}")
    return app.test_client()


def _page_context() -> dict[str, Any]:
    from flask import current_app

    actor: Actor | None = optional_actor()
    return {
        "current_actor": actor,
        "can": lambda word: actor is not None and can(actor, Permission(word)),
        "nav_items": [],
        "settings_public": {"product": "Millwright", "version": "1", "tenant_name": "", "environment_label": ""},
        "request_id": "r",
        "known_endpoints": set(current_app.view_functions),
        "now": utc_now(),
    }
