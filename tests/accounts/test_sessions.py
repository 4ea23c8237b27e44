"""Sessions: how they end, and what a form needs beside one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from app.accounts.models import Tenant, User, UserSession
from app.core.actor import Role
from app.core.clock import utc_now
from tests import factories
from tests.factories import PASSWORD, PersonMade

NEW = "another-otter-swims-away"


@pytest.fixture
def person(app: Flask) -> PersonMade:
    return factories.make_person(factories.make_tenant("Default").id, Role.ADMIN, username="ada")


def change(**more: str) -> dict[str, str]:
    return {"current_password": PASSWORD, "new_password": NEW, "repeated_password": NEW, **more}


@pytest.mark.parametrize(
    "age",
    [
        {"last_seen_at": timedelta(minutes=61)},
        {"expires_at": timedelta(seconds=1)},
        {"revoked_at": timedelta(seconds=1)},
    ],
)
def test_an_idle_old_or_revoked_session_opens_nothing(
    app: Flask, person: PersonMade, age: dict[str, timedelta]
) -> None:
    browser = factories.sign_in(app.test_client(), person)
    assert browser.get("/me").status_code == 200
    (row,) = factories.rows(UserSession)
    factories.set_columns(UserSession, row.id, **{name: utc_now() - ago for name, ago in age.items()})
    assert browser.get("/me").status_code == 302


def test_deactivation_of_person_or_tenant_ends_a_session_at_once(app: Flask, person: PersonMade) -> None:
    browser = factories.sign_in(app.test_client(), person)
    factories.set_active(person, False)
    assert browser.get("/me").status_code == 302
    factories.set_active(person, True)
    factories.set_columns(Tenant, person.tenant_id, is_active=False)
    assert browser.get("/me").status_code == 302


def test_a_copied_cookie_is_dead_after_signing_out(app: Flask, person: PersonMade) -> None:
    browser, thief = factories.sign_in(app.test_client(), person), app.test_client()
    with browser.session_transaction() as cookie:
        token = cookie["_user_id"]
    with thief.session_transaction() as cookie:
        cookie["_user_id"] = token
    assert thief.get("/me").status_code == 200
    factories.post(browser, "/sign-out")
    assert thief.get("/me").status_code == 302


@pytest.mark.database
def test_a_new_password_ends_all_other_sessions_and_the_old_password(app: Flask, person: PersonMade) -> None:
    browser, other = (factories.sign_in(app.test_client(), person) for _ in range(2))
    answer = factories.post(browser, "/me/password", **change())
    assert answer.status_code == 303
    assert browser.get("/me").status_code == 200
    assert other.get("/me").status_code == 302
    for word, status in ((PASSWORD, 401), (NEW, 303)):
        client = app.test_client()
        token = factories.csrf_token(client, "/sign-in")
        form = {"csrf_token": token, "username": "ada", "password": word}
        assert client.post("/sign-in", data=form).status_code == status


def test_a_one_time_password_opens_only_the_page_that_changes_it(app: Flask, person: PersonMade) -> None:
    factories.set_columns(User, person.id, password_change_required=True)
    browser = factories.sign_in(app.test_client(), person)
    for path in ("/me", "/jobs", "/"):
        assert browser.get(path).headers.get("Location") in ("/me/password", None)
    assert browser.get("/me").headers["Location"] == "/me/password"
    token = factories.csrf_token(browser, "/me/password")
    assert browser.post("/me/password", data={"csrf_token": token, **change()}).status_code == 303
    assert browser.get("/me").status_code == 200


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"current_password": "wrong"}, "not your present password"),
        ({"new_password": "short", "repeated_password": "short"}, "at least 12"),
        ({"repeated_password": "different"}, "differ"),
        ({"new_password": PASSWORD, "repeated_password": PASSWORD}, "that you have"),
        ({"new_password": "Password2026!", "repeated_password": "Password2026!"}, "first that attackers try"),
        ({"new_password": "x" * 1025, "repeated_password": "x" * 1025}, "at most 1024"),
    ],
)
def test_a_password_that_cannot_be_set_is_refused_and_nothing_changes(
    app: Flask, person: PersonMade, fields: dict[str, str], words: str
) -> None:
    browser = factories.sign_in(app.test_client(), person)
    before = factories.rows(User)[-1].password_hash
    answer = factories.post(browser, "/me/password", **change(**fields))
    assert answer.status_code == 422
    assert words in answer.get_data(as_text=True)
    assert factories.rows(User)[-1].password_hash == before
    assert browser.get("/me").status_code == 200


def test_somebody_elses_session_cannot_be_ended(app: Flask, person: PersonMade) -> None:
    colleague = factories.make_person(person.tenant_id)
    factories.make_session(colleague)
    (row,) = factories.rows(UserSession)
    browser = factories.sign_in(app.test_client(), person)
    assert factories.post(browser, f"/me/sessions/{row.id}/revoke").status_code == 404
    assert factories.rows(UserSession)[0].revoked_at is None


def test_each_form_of_the_console_needs_a_token_of_this_session(app: Flask, person: PersonMade) -> None:
    from tests.permissions.routes import operations, path_for

    browser = factories.sign_in(app.test_client(), person)
    foreign = factories.csrf_token(factories.sign_in(app.test_client(), person))
    for method, rule in operations(app):
        if method == "GET" or rule.rule.startswith("/api/"):
            continue
        for token in (None, "made-up", foreign):
            data = {"csrf_token": token} if token else {}
            answer = browser.open(path_for(rule.rule), method=method, data=data)
            assert answer.status_code == 400, f"{method} {rule.rule} with token {token}"
            assert "Location" not in answer.headers
