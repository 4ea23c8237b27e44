"""Requests as somebody: the faces under test without the sign-in of the accounts slice."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from app.core.actor import Role
from tests.tickets.world import World


def client_of(app: Flask, world: World, role: Role = Role.OPERATOR) -> FlaskClient:
    """A client whose every request comes from a person of that role."""
    actor = world.actor(role)
    app.authenticator = lambda: actor  # type: ignore[attr-defined]
    app.config["WTF_CSRF_ENABLED"] = False
    return app.test_client()
