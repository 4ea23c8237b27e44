"""Who knocks at the doors: eight callers, of whom one has nothing, one an expired key, one is deactivated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.core.actor import Role
from tests import factories
from tests.factories import PersonMade

CALLERS = ("anonymous", "viewer", "operator", "admin", "other_admin", "expired_key", "narrowed_key", "deactivated")
NARROW = ["profile:own"]  # all that the narrowed key of an administrator may do


@dataclass
class Cast:
    """Clients and keys of the eight callers, made once for all routes."""

    app: Flask
    browsers: dict[str, FlaskClient]
    keys: dict[str, str]
    people: dict[str, PersonMade]

    def ask(self, caller: str, method: str, path: str, body: dict[str, Any] | None = None) -> TestResponse:
        """Send one request as ``caller``: with a key under /api/, with a session elsewhere."""
        client = self.browsers.get(caller) or self.app.test_client()
        headers, options = {}, {}
        if caller in self.keys and (path.startswith("/api/") or caller.endswith("_key")):
            headers = factories.bearer(self.keys[caller])
        if path.startswith("/api/"):
            if method not in ("GET", "HEAD", "DELETE"):
                options = {"json": body or {}}
        elif body:
            options = {"data": body}
        return client.open(path, method=method, headers=headers, buffered=False, **options)


def make_cast(app: Flask) -> Cast:
    """Store two tenants with their people. CSRF is switched off: tests/accounts/test_csrf.py is about it."""
    app.config["WTF_CSRF_ENABLED"] = False
    home, other = factories.make_tenant("Default"), factories.make_tenant("Other")
    people = {role.value: factories.make_person(home.id, role) for role in Role}
    people["other_admin"] = factories.make_person(other.id, Role.ADMIN)
    people["deactivated"] = factories.make_person(home.id, Role.ADMIN)
    browsers = {name: factories.sign_in(app.test_client(), person) for name, person in people.items()}
    keys = {name: factories.make_key(person) for name, person in people.items()}
    keys["expired_key"] = factories.make_key(people["admin"], days=-1)
    keys["narrowed_key"] = factories.make_key(people["admin"], scopes=NARROW)
    factories.set_active(people["deactivated"], False)
    return Cast(app, browsers, keys, people)


def renew(cast: Cast) -> None:
    """Give everybody a new session; after routes that end them."""
    for name, person in cast.people.items():
        factories.sign_in(cast.browsers[name], person)


def word_for(answer: TestResponse) -> str:
    """Return what an answer means in the table: 401, 403, in (to the sign-in page) or + (let in, whatever follows)."""
    try:
        if answer.status_code in (401, 403):
            return str(answer.status_code)
        if answer.status_code == 302 and answer.headers["Location"].startswith("/sign-in"):
            return "in"
        return "+" if answer.status_code < 500 else f"!{answer.status_code}"
    finally:
        answer.close()
