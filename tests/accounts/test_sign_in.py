"""Signing in and out."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from app.accounts import sign_in
from app.accounts.models import SignInAttempt, User, UserSession
from app.audit.models import AuditEntry
from app.core.actor import Role
from config import Settings
from tests import factories
from tests.factories import PASSWORD, PersonMade


@pytest.fixture
def person(app: Flask) -> PersonMade:
    tenant = factories.make_tenant("Default")
    return factories.make_person(tenant.id, Role.OPERATOR, username="ada")


def try_to_sign_in(client: FlaskClient, username: str, password: str, **more: str) -> TestResponse:
    token = factories.csrf_token(client, "/sign-in")
    return client.post("/sign-in", data={"csrf_token": token, "username": username, "password": password, **more})


@pytest.mark.database
def test_a_person_signs_in_and_out_on_every_database(app: Flask, person: PersonMade) -> None:
    client = app.test_client()
    assert client.get("/me").headers["Location"].startswith("/sign-in?next=")
    answer = try_to_sign_in(client, "ada", PASSWORD, next="/me")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/me")
    page = client.get("/me")
    assert page.status_code == 200
    assert "ada" in page.get_data(as_text=True)
    assert factories.rows(User)[-1].last_login is not None
    assert [attempt.succeeded for attempt in factories.rows(SignInAttempt)] == [True]
    assert factories.post(client, "/sign-out").status_code == 303
    assert client.get("/me").status_code == 302
    assert [entry.action for entry in factories.rows(AuditEntry)] == ["LOGIN", "LOGOUT"]


def test_any_spelling_of_the_own_name_is_accepted_and_a_look_alike_is_not(app: Flask, person: PersonMade) -> None:
    for spelling in ("Ada", " ada ", "ADA"):
        assert try_to_sign_in(app.test_client(), spelling, PASSWORD).status_code == 303
    for other in ("áda", "ada\u200b", "a da"):
        assert try_to_sign_in(app.test_client(), other, PASSWORD).status_code == 401


def _body(answer: TestResponse) -> str:
    text = answer.get_data(as_text=True)
    for marker in ('name="csrf-token" content="', 'name="csrf_token" value="', "Request <code>"):
        before, _, after = text.partition(marker)
        text = before + after[after.find('"' if "code" not in marker else "<") :]
    tag = re.search(r'<input[^>]*name="username"[^>]*>', text)
    assert tag is not None
    return text.replace(tag[0], re.sub(r'value="[^"]*"', "", tag[0]))  # the typed name is kept, nothing else differs


def test_all_refusals_look_alike(app: Flask, person: PersonMade) -> None:
    tenant = factories.make_tenant("gone", is_active=False)
    factories.make_person(tenant.id, username="left-behind")
    factories.make_person(person.tenant_id, username="inactive", is_active=False)
    tries = [("ada", "wrong"), ("nobody", PASSWORD), ("inactive", PASSWORD), ("left-behind", PASSWORD)]
    tries += [("ada", "wrong")] * 10 + [("ada", PASSWORD)]  # the last ones are locked
    tries += [("", ""), ("system-1", "!"), ("a" * 5000, "\0"), ("ada", "x" * 100_000)]
    answers = {
        (a.status_code, _body(a)) for name, word in tries for a in [try_to_sign_in(app.test_client(), name, word)]
    }
    assert len(answers) == 1
    assert answers.pop()[0] == 401


def test_ten_failures_lock_the_name_and_leave_a_known_session_alone(app: Flask, person: PersonMade) -> None:
    known = factories.sign_in(app.test_client(), person)
    for _ in range(10):
        assert try_to_sign_in(app.test_client(), "ada", "wrong").status_code == 401
    assert try_to_sign_in(app.test_client(), "Ada ", PASSWORD).status_code == 401
    assert known.get("/me").status_code == 200
    for _ in range(5):
        try_to_sign_in(app.test_client(), "ada", PASSWORD)
    assert len(factories.rows(SignInAttempt)) == 11, "tries beyond the limit do not prolong the lock"
    refused = [entry for entry in factories.rows(AuditEntry) if entry.outcome == "refused"]
    assert len(refused) == 11
    assert refused[-1].details == {"reason": "too many tries"}


def test_one_address_is_stopped_whatever_names_it_tries(
    make_settings: Callable[..., Settings], person: PersonMade
) -> None:
    app = create_app(make_settings(sign_in_address_limit=5))
    for number in range(5):
        try_to_sign_in(app.test_client(), f"guess-{number}", "wrong")
    client = app.test_client()
    token = factories.csrf_token(client, "/sign-in")
    data = {"csrf_token": token, "username": "ada", "password": PASSWORD}
    forged = {"X-Forwarded-For": "203.0.113.9"}
    assert client.post("/sign-in", data=data, headers=forged).status_code == 401
    other = {"REMOTE_ADDR": "192.0.2.50"}
    assert client.post("/sign-in", data=data, environ_base=other).status_code == 303


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "/\\evil.example", "https:evil", "https://evil.example", "javascript:alert(1)", "/%0d\n/x",
     "\t//evil", "evil", "", "/sign-in", "/a\x00b"],
)  # fmt: skip
def test_next_leads_nowhere_else(app: Flask, person: PersonMade, target: str) -> None:
    answer = try_to_sign_in(app.test_client(), "ada", PASSWORD, next=target)
    assert answer.headers["Location"] == "/"


def test_a_cookie_from_before_is_worth_nothing_after_signing_in(app: Flask, person: PersonMade) -> None:
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"] = "chosen-by-somebody-else"
        cookie["planted"] = True
    assert client.get("/me").status_code == 302
    assert try_to_sign_in(client, "ada", PASSWORD).status_code == 303
    with client.session_transaction() as cookie:
        assert "planted" not in cookie
        assert cookie["_user_id"] != "chosen-by-somebody-else"
        token = cookie["_user_id"]
    digests = [bytes(row.token_digest) for row in factories.rows(UserSession)]
    assert all(token.encode() not in digest for digest in digests)


def test_a_session_cookie_is_out_of_reach_of_scripts_and_other_sites(
    make_settings: Callable[..., Settings], person: PersonMade
) -> None:
    app = create_app(make_settings(public_url="https://platform.example"))
    answer = app.test_client().get("/sign-in", base_url="https://platform.example")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-millwright=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))


def test_a_password_that_changed_meanwhile_opens_nothing(
    app: Flask, person: PersonMade, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = sign_in.verify_password

    def slow_check(password: str, stored: str | None) -> bool:
        fits = check(password, stored)
        factories.set_active(person, False)
        return fits

    monkeypatch.setattr(sign_in, "verify_password", slow_check)
    assert try_to_sign_in(app.test_client(), "ada", PASSWORD).status_code == 401
    assert factories.rows(UserSession) == []
