"""T-PW: a password of any form works whole, or is refused; it is never cut off and never an error of ours."""

from __future__ import annotations

import pytest
from flask import Flask

from app.accounts.models import User
from tests import factories
from tests.factories import PASSWORD
from tests.security.conftest import sign_in

WORKING = {
    "73 bytes": "correct horse battery " + "x" * 51,
    "NUL inside": "before-the-nul\x00after-it",
    "emoji": "🦦🦦🦦🦦 swims home 🏡",
    "64 characters": "otter " * 10 + "home",
    "1,000 characters": "many otters " * 83 + "home",
    "1,024 characters": "o" + "t" * 1021 + "er",
    "spaces around": "  otter swims home  ",
}
REFUSED = {
    "7 characters": "otter-7",
    "1,025 characters": "otter" * 205,
    "top of the list": "password1234",
    "own name": "ada-of-otters",
}


@pytest.mark.parametrize("kind", list(WORKING))
def test_t_pw_a_password_is_kept_whole(app: Flask, kind: str) -> None:
    word = WORKING[kind]
    person = factories.make_person(factories.make_tenant("Default").id, username="ada-of-otters")
    browser = factories.sign_in(app.test_client(), person)
    fields = {"current_password": PASSWORD, "new_password": word, "repeated_password": word}
    assert factories.post(browser, "/me/password", **fields).status_code == 303
    for shorter in {word[:72], word[:-1], word.split("\x00")[0], word.strip()} - {word}:
        assert sign_in(app.test_client(), "ada-of-otters", shorter).status_code == 401, "it was cut off"
    assert sign_in(app.test_client(), "ada-of-otters", word).status_code == 303
    assert word not in factories.rows(User)[-1].password_hash


@pytest.mark.parametrize("kind", list(REFUSED))
def test_t_pw_a_weak_or_endless_password_is_refused_with_a_reason(app: Flask, kind: str) -> None:
    person = factories.make_person(factories.make_tenant("Default").id, username="ada-of-otters")
    browser = factories.sign_in(app.test_client(), person)
    fields = {"current_password": PASSWORD, "new_password": REFUSED[kind], "repeated_password": REFUSED[kind]}
    answer = factories.post(browser, "/me/password", **fields)
    assert answer.status_code == 422
    assert 'id="new_password-error"' in answer.get_data(as_text=True)


def test_t_pw_ten_megabytes_are_too_large_everywhere(app: Flask) -> None:
    person = factories.make_person(factories.make_tenant("Default").id, username="ada")
    browser, endless = factories.sign_in(app.test_client(), person), "o" * 10_000_000
    token = factories.csrf_token(browser)
    fields = {"csrf_token": token, "current_password": PASSWORD, "new_password": endless, "repeated_password": endless}
    assert browser.post("/me/password", data=fields).status_code == 413
    stranger = app.test_client()
    token = factories.csrf_token(stranger, "/sign-in")
    form = {"csrf_token": token, "username": "ada", "password": endless}
    assert stranger.post("/sign-in", data=form).status_code == 413
