"""One's own profile and password."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest
from flask import Flask

from app import create_app
from app.accounts.former_passwords import KEPT
from app.accounts.models import ApiKey, FormerPassword, User
from app.core.actor import Role
from app.core.clock import utc_now
from config import Settings
from tests import factories
from tests.factories import PASSWORD, PersonMade, bearer


@pytest.fixture
def person(app: Flask) -> PersonMade:
    return factories.make_person(factories.make_tenant("Default").id, Role.VIEWER, username="ada")


def mine() -> User:
    return factories.rows(User)[-1]


@pytest.mark.database
def test_a_person_names_themselves_and_the_address_asks_for_the_password(app: Flask, person: PersonMade) -> None:
    browser = factories.sign_in(app.test_client(), person)
    factories.make_team(person, "On call")
    shown = browser.get("/me/profile").get_data(as_text=True)
    assert "On call" in shown
    assert "Last sign-in" in shown
    saved = factories.post(browser, "/me/profile", first_name="Ada", last_name="Lovelace", version="1")
    assert saved.status_code == 303
    assert (mine().first_name, mine().last_name) == ("Ada", "Lovelace")
    assert factories.post(browser, "/me/profile", first_name="x", last_name="", version="1").status_code == 409
    wrong = factories.post(browser, "/me/email", email="new@example.org", current_password="no")
    assert wrong.status_code == 422
    assert "not your present password" in wrong.get_data(as_text=True)
    assert "new@example.org" in wrong.get_data(as_text=True), "what was typed is kept"
    assert factories.post(browser, "/me/email", email="x", current_password=PASSWORD).status_code == 422
    changed = factories.post(browser, "/me/email", email="New@Example.org", current_password=PASSWORD)
    assert changed.status_code == 303
    assert mine().email == "new@example.org"


def test_a_key_names_its_person_but_neither_address_nor_role(app: Flask, person: PersonMade) -> None:
    client, headers = app.test_client(), bearer(factories.make_key(person))
    answer = client.patch("/api/v1/me", json={"first_name": "Ada"}, headers=headers)
    assert answer.status_code == 200
    assert (answer.json or {})["user"]["first_name"] == "Ada"
    for field in ("email", "role", "password", "is_active"):
        assert client.patch("/api/v1/me", json={field: "admin"}, headers=headers).status_code == 422
    assert client.patch("/api/v1/me", json={"last_name": "L", "version": 1}, headers=headers).status_code == 409


@pytest.mark.database
def test_the_last_five_passwords_are_refused_and_older_ones_forgotten(app: Flask, person: PersonMade) -> None:
    browser = factories.sign_in(app.test_client(), person)
    passwords = [PASSWORD, *(f"otter-number-{number}-swims" for number in range(KEPT + 2))]

    def change(current: str, new: str) -> int:
        fields = {"current_password": current, "new_password": new, "repeated_password": new}
        return factories.post(browser, "/me/password", **fields).status_code

    for current, new in pairwise(passwords):
        assert change(current, new) == 303
    assert len(factories.rows(FormerPassword)) == KEPT
    for old in passwords[-KEPT - 1 : -1]:
        assert change(passwords[-1], old) == 422, old
    assert change(passwords[-1], passwords[0]) == 303, "the oldest is forgotten"


def test_a_password_that_is_too_old_leads_to_the_page_that_changes_it_and_keys_go_on(
    make_settings: Callable[..., Settings], person: PersonMade
) -> None:
    app = create_app(make_settings(password_max_age_days=90))
    browser, headers = factories.sign_in(app.test_client(), person), bearer(factories.make_key(person))
    assert browser.get("/me").status_code == 200
    factories.set_columns(User, person.id, password_changed_at=utc_now() - timedelta(days=91))
    assert browser.get("/me").headers["Location"] == "/me/password"
    assert "90 days" in browser.get("/me/password").get_data(as_text=True)
    assert app.test_client().get("/api/v1/me", headers=headers).status_code == 200


def test_without_the_setting_passwords_do_not_age(app: Flask, person: PersonMade) -> None:
    browser = factories.sign_in(app.test_client(), person)
    factories.set_columns(User, person.id, password_changed_at=utc_now() - timedelta(days=4000))
    assert browser.get("/me").status_code == 200


def test_a_key_is_renamed_and_an_expired_one_shown_as_such(app: Flask, person: PersonMade) -> None:
    browser = factories.sign_in(app.test_client(), person)
    factories.make_key(person, days=-1)
    (key,) = factories.rows(ApiKey)
    assert "expired" in browser.get("/me").get_data(as_text=True)
    path = f"/me/keys/{key.id}/rename"
    assert factories.post(browser, path, name="nightly", version="1").status_code == 303
    assert factories.rows(ApiKey)[0].name == "nightly"
    assert factories.post(browser, path, name="other", version="1").status_code == 409
    assert factories.post(browser, path, name="", version="2").status_code == 422
    stranger = factories.make_person(person.tenant_id)
    other = factories.sign_in(app.test_client(), stranger)
    assert factories.post(other, path, name="mine", version="2").status_code == 404
