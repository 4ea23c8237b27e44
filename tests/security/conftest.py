"""Everybody who knocks, and an application that counts no general requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from app.accounts.models import User
from config import Settings
from tests import factories
from tests.permissions.cast import Cast, make_cast

SignIn = Callable[..., TestResponse]


@pytest.fixture
def cast(make_settings: Callable[..., Settings]) -> Iterator[Cast]:
    """The callers of the permission matrix, and ``chief``: a platform administrator with a key for tenants."""
    app = create_app(make_settings(rate_limit_per_minute=1_000_000))
    factories.use(app)
    found = make_cast(app)
    chief = factories.make_person(found.people["admin"].tenant_id)
    factories.set_columns(User, chief.id, is_platform_admin=True)
    found.people["chief"] = chief
    found.browsers["chief"] = factories.sign_in(app.test_client(), chief)
    found.keys["chief"] = factories.make_key(chief, scopes=["platform:admin"])
    yield found
    factories.use(None)


def sign_in(client: FlaskClient, username: str, password: str, **more: str) -> TestResponse:
    """Send the sign-in form with its token."""
    token = factories.csrf_token(client, "/sign-in")
    return client.post("/sign-in", data={"csrf_token": token, "username": username, "password": password, **more})


def caller_for(rule: str) -> str:
    """Return who may use a route at all: tenants are for the platform's administrator."""
    return "chief" if "/tenants" in rule else "admin"


def plain_app(app: Flask) -> Flask:
    """Return the application with CSRF switched off; for floods, whose senders hold a token anyway."""
    app.config["WTF_CSRF_ENABLED"] = False
    return app
