"""T-SESS: a session is the platform's to give, and ends when it should."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.accounts.models import UserSession
from app.core.actor import Role
from app.core.clock import utc_now
from config import Settings
from tests import factories
from tests.factories import PASSWORD, PersonMade, bearer
from tests.security.conftest import sign_in

NEW = "another-otter-swims-away"


@pytest.fixture
def person(app: Flask) -> PersonMade:
    return factories.make_person(factories.make_tenant("Default").id, Role.OPERATOR, username="ada")


def token_of(client: FlaskClient) -> str:
    with client.session_transaction() as cookie:
        return str(cookie.get("_user_id", ""))


def thief_with(app: Flask, token: str) -> FlaskClient:
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"], cookie["_fresh"] = token, True
    return client


def test_t_sess_a_cookie_fixed_before_signing_in_is_replaced(app: Flask, person: PersonMade) -> None:
    client = thief_with(app, "chosen-by-somebody-else")
    assert client.get("/me").status_code == 302
    assert sign_in(client, "ada", PASSWORD).status_code == 303
    first = token_of(client)
    assert first != "chosen-by-somebody-else"
    assert thief_with(app, "chosen-by-somebody-else").get("/me").status_code == 302
    again = app.test_client()
    sign_in(again, "ada", PASSWORD)
    assert token_of(again) != first


def end_by_sign_out(app: Flask, browser: FlaskClient, person: PersonMade) -> None:
    factories.post(browser, "/sign-out")


def end_by_new_password(app: Flask, browser: FlaskClient, person: PersonMade) -> None:
    fields = {"current_password": PASSWORD, "new_password": NEW, "repeated_password": NEW}
    assert factories.post(browser, "/me/password", **fields).status_code == 303


def _by_admin(app: Flask, person: PersonMade, method: str, path: str, body: dict[str, object] | None = None) -> None:
    headers = bearer(factories.make_key(factories.make_person(person.tenant_id)))
    answer = app.test_client().open(f"/api/v1/users/{person.id}{path}", method=method, json=body, headers=headers)
    assert answer.status_code < 300, answer.json


def end_by_deactivation(app: Flask, browser: FlaskClient, person: PersonMade) -> None:
    _by_admin(app, person, "PATCH", "", {"is_active": False})


def end_by_new_role(app: Flask, browser: FlaskClient, person: PersonMade) -> None:
    _by_admin(app, person, "PATCH", "", {"role": "viewer"})


def end_by_reset(app: Flask, browser: FlaskClient, person: PersonMade) -> None:
    _by_admin(app, person, "POST", "/reset-password")


def end_by_an_administrator(app: Flask, browser: FlaskClient, person: PersonMade) -> None:
    _by_admin(app, person, "DELETE", "/sessions")


def end_by_oneself(app: Flask, browser: FlaskClient, person: PersonMade) -> None:
    other = factories.sign_in(app.test_client(), person)
    row = min(row.id for row in factories.rows(UserSession))
    assert factories.post(other, f"/me/sessions/{row}/revoke").status_code == 303


@pytest.mark.parametrize(
    "end",
    [end_by_sign_out, end_by_new_password, end_by_deactivation, end_by_new_role, end_by_reset,
     end_by_an_administrator, end_by_oneself],
)  # fmt: skip
def test_t_sess_a_copied_cookie_is_dead_as_soon_as_the_session_ends(
    app: Flask, person: PersonMade, end: Callable[[Flask, FlaskClient, PersonMade], None]
) -> None:
    browser = factories.sign_in(app.test_client(), person)
    thief = thief_with(app, token_of(browser))
    assert thief.get("/me").status_code == 200
    end(app, browser, person)
    assert thief.get("/me").status_code == 302
    assert thief.get("/jobs", headers={"Accept": "application/json"}).status_code == 401


@pytest.mark.parametrize("age", [{"last_seen_at": timedelta(minutes=60)}, {"expires_at": timedelta(0)}])
def test_t_sess_idleness_and_age_end_a_session(app: Flask, person: PersonMade, age: dict[str, timedelta]) -> None:
    browser = factories.sign_in(app.test_client(), person)
    (row,) = factories.rows(UserSession)
    factories.set_columns(UserSession, row.id, **{name: utc_now() - by for name, by in age.items()})
    assert browser.get("/me").status_code == 302
    assert (row.expires_at - row.created_at) == timedelta(hours=12)


def test_t_sess_the_cookie_is_for_this_site_alone_and_out_of_reach_of_scripts(
    make_settings: Callable[..., Settings], person: PersonMade
) -> None:
    app = create_app(make_settings(public_url="https://platform.example"))
    answer = app.test_client().get("/sign-in", base_url="https://platform.example")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert "Domain=" not in cookie


def test_t_sess_the_table_holds_no_token(app: Flask, person: PersonMade) -> None:
    browser = factories.sign_in(app.test_client(), person)
    (row,) = factories.rows(UserSession)
    token = token_of(browser)
    assert len(token) >= 43, "256 random bits"
    assert token.encode() not in bytes(row.token_digest)
    assert thief_with(app, bytes(row.token_digest).hex()).get("/me").status_code == 302
