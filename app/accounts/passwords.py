"""Passwords: rules, bcrypt over a keyed pre-hash, and a check that costs the same for people who do not exist.

bcrypt reads 72 bytes and stops at NUL. The pre-hash, base64(HMAC-SHA256(pepper, password)), is 44 bytes of ASCII
whatever the password holds, so nothing is cut off; and without the pepper a stolen table cannot be searched
(OWASP Password Storage Cheat Sheet, "Peppering" and "Pre-Hashing Passwords with bcrypt").
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

import bcrypt

from app.accounts.common_passwords import is_common
from app.core.errors import InvalidInput, Unavailable
from app.core.runtime import settings

MINIMUM_LENGTH = 8  # what no setting can lower; characters
MAXIMUM_LENGTH = 1024
AT_ONCE = 4  # bcrypts of one process: more would take every core from the pages
WAIT_SECONDS = 10.0
# Stands where a hash stands for somebody who cannot sign in; no password fits.
NO_PASSWORD = "!"  # noqa: S105

_slots = threading.BoundedSemaphore(AT_ONCE)


@contextmanager
def _slot() -> Iterator[None]:
    if not _slots.acquire(timeout=WAIT_SECONDS):
        raise Unavailable("Too many people are signing in at this moment. Try again in a few seconds.", 5)
    try:
        yield
    finally:
        _slots.release()


def _prehash(password: str) -> bytes:
    text = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    pepper = settings().password_pepper.get_secret_value().encode()
    return base64.b64encode(hmac.new(pepper, text, hashlib.sha256).digest())


def check_rules(password: str, *, username: str = "", field: str = "password") -> None:
    """Raise InvalidInput (on ``field``) for a password that is too short, too long, well known or the user name."""
    shortest = max(MINIMUM_LENGTH, settings().password_minimum_length)
    if len(password) < shortest:
        raise InvalidInput(**{field: f"Use at least {shortest} characters; several words are easy to remember."})
    if len(password) > MAXIMUM_LENGTH:
        raise InvalidInput(**{field: f"Use at most {MAXIMUM_LENGTH} characters."})
    if is_common(password) or (username and username.lower() in (password.lower(), password.lower()[::-1])):
        raise InvalidInput(**{field: "This password is among the first that attackers try. Choose another one."})


def hash_password(password: str) -> str:
    """Return the bcrypt hash to store (60 characters). Takes about a quarter of a second at cost 12."""
    with _slot():
        return bcrypt.hashpw(_prehash(password), bcrypt.gensalt(settings().bcrypt_rounds)).decode()


def verify_password(password: str, stored: str | None) -> bool:
    """Say whether ``password`` fits; None and unusable hashes cost as much time as a real one and say no.

    Raises Unavailable when ``AT_ONCE`` others keep the process busy for ``WAIT_SECONDS``.
    """
    usable = stored is not None and stored.startswith("$2b$")
    against = stored if usable and stored is not None else _dummy()
    with _slot():
        fits = bcrypt.checkpw(_prehash(password), against.encode())
    return fits and usable


def needs_rehash(stored: str) -> bool:
    """Say whether ``stored`` was made with another cost than the setting's."""
    return not stored.startswith(_cost())


def _cost() -> str:
    return f"$2b${settings().bcrypt_rounds:02d}$"


def _dummy() -> str:
    # A well-formed hash that no password is known for: bcrypt computes as for any other.
    return _cost() + "." * 22 + "." * 31


class HashedPassword(str):
    """A password that met the rules, hashed. Services take nothing else, so none can store a clear one."""


def prepare_password(password: str, *, username: str = "", field: str = "password") -> HashedPassword:
    """Check the rules and hash. Call it outside of any unit of work: it takes a quarter of a second."""
    check_rules(password, username=username, field=field)
    return HashedPassword(hash_password(password))
