"""Passwords of every shape, and what a check costs."""

from __future__ import annotations

import pytest
from flask import Flask

from app.accounts import passwords
from app.core.errors import InvalidInput, Unavailable


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
