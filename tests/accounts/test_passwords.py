"""Passwords of every shape, what a check costs, and where a password never stands."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from app import create_app
from app.accounts import passwords
from app.core import runtime
from app.core.actor import Role
from app.core.db import Model, db
from app.core.errors import InvalidInput, Unavailable
from config import Settings, SettingsError, load_settings
from tests import factories
from tests.factories import PASSWORD
from tests.support.environment import settings_environment


@pytest.mark.parametrize(
    "password",
    ["a" * 72, "a" * 73, "b" * 1000, "nul\0in the middle", "🦦" * 20, "\ud800 half a pair here", " spaces count  "],
)  # fmt: skip
def test_any_text_works_whole(app: Flask, password: str) -> None:
    stored = passwords.hash_password(password)
    assert stored.startswith("$2b$")
    assert passwords.verify_password(password, stored)
    assert not passwords.verify_password(password[:-1], stored)
    assert not passwords.verify_password(password + "x", stored)


def test_two_ways_to_type_the_same_letter_are_the_same_password(app: Flask) -> None:
    assert passwords.verify_password("cafe\u0301 au lait", passwords.hash_password("caf\u00e9 au lait"))


def test_nothing_fits_where_there_is_no_password(app: Flask) -> None:
    for stored in (None, passwords.NO_PASSWORD, ""):
        for word in ("", "!", "None"):
            assert not passwords.verify_password(word, stored)


@pytest.mark.parametrize("word", ["short", "x" * 1025, "password1234!", "aaaaaaaaaaaaaaa", "ada-lovelace-1815"])
def test_weak_passwords_are_refused_with_a_reason(app: Flask, word: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        passwords.check_rules(word, username="ada-lovelace-1815")
    assert refused.value.errors["password"]


def test_not_more_than_four_are_checked_at_once(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "WAIT_SECONDS", 0.01)
    for _ in range(passwords.AT_ONCE):
        assert passwords._slots.acquire(blocking=False)
    try:
        with pytest.raises(Unavailable):
            passwords.verify_password("x", None)
    finally:
        for _ in range(passwords.AT_ONCE):
            passwords._slots.release()
    assert not passwords.verify_password("x", None)


def test_a_hash_costs_twelve_rounds_and_no_start_accepts_less(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in settings_environment("sqlite:///x", tmp_path).items():
        monkeypatch.setenv(name, value)
    usual = load_settings()
    runtime.configure(usual)
    try:
        assert passwords.hash_password("otter swims home").startswith("$2b$12$")
    finally:
        runtime.configure(make_settings())
    monkeypatch.setenv("MILLWRIGHT_BCRYPT_ROUNDS", "11")
    with pytest.raises(SettingsError, match="BCRYPT_ROUNDS: 12 or more"):
        load_settings()


@pytest.mark.database
def test_no_password_stands_in_a_log_or_in_any_row(
    make_settings: Callable[..., Settings], caplog: pytest.LogCaptureFixture
) -> None:
    """Right, wrong, new and one-time passwords, over pages and REST, with every logger at its loudest."""
    app = create_app(make_settings(log_level="DEBUG"))
    factories.use(app)
    root = logging.getLogger()
    root.addHandler(caplog.handler)  # create_app() sets up handlers of its own
    for name in ("", "sqlalchemy", "werkzeug"):
        caplog.set_level(logging.DEBUG, logger=name)
    tenant = factories.make_tenant("Default").id
    admin, person = factories.make_person(tenant), factories.make_person(tenant, Role.VIEWER, username="ada")
    wrong, new, short = "wrong-otter-swims", "another-otter-swims", "7-otter"
    browser = factories.sign_in(app.test_client(), person)
    for username, word in (("ada", PASSWORD), ("ada", wrong), ("nobody", wrong)):
        stranger = app.test_client()
        token = factories.csrf_token(stranger, "/sign-in")
        stranger.post("/sign-in", data={"csrf_token": token, "username": username, "password": word})
    for current, chosen in ((wrong, new), (PASSWORD, short), (PASSWORD, new)):
        fields = {"current_password": current, "new_password": chosen, "repeated_password": chosen}
        factories.post(browser, "/me/password", **fields)
    headers = factories.bearer(factories.make_key(admin))
    reset = app.test_client().post(f"/api/v1/users/{person.id}/reset-password", headers=headers).json or {}
    app.test_client().post("/api/v1/users", json={"username": "x", "password": wrong}, headers=headers)
    with factories.context(), db.engine.connect() as connection:
        rows = [str(row) for table in Model.metadata.sorted_tables for row in connection.execute(select(table))]
    root.removeHandler(caplog.handler)
    factories.use(None)
    assert len(rows) > 10
    assert "INSERT INTO sign_in_attempts" in caplog.text, "statements and their values are in the log"
    for word in (PASSWORD, wrong, new, short, reset["one_time_password"]):
        assert word not in caplog.text
        assert not [row for row in rows if word in row]
