"""The text of API keys and session tokens: how they are made, read and turned into what the database keeps.

A key is ``mw_<10 letters or digits>_<43 characters>``: the part before the second underscore is the prefix, kept in
clear to find the row; the rest is 256 random bits. The row holds HMAC-SHA256(pepper, whole key).
"""

from __future__ import annotations

import re
import secrets

from app.core.crypto import keyed_digest, random_token
from app.core.runtime import settings

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_PREFIX_LETTERS = 10
_KEY = re.compile(r"(mw_[a-z2-7]{10})_[A-Za-z0-9_-]{43}\Z")


def new_key() -> tuple[str, str]:
    """Return (prefix, whole key) of a new API key."""
    prefix = "mw_" + "".join(secrets.choice(_ALPHABET) for _ in range(_PREFIX_LETTERS))
    return prefix, f"{prefix}_{random_token()}"


def prefix_of(text: str) -> str | None:
    """Return the prefix of something that has the form of a key, else None."""
    found = _KEY.match(text)
    return found.group(1) if found else None


def digest(text: str) -> bytes:
    """Return what the database keeps of a key or of a session token (32 bytes)."""
    return keyed_digest(settings().api_key_pepper.get_secret_value(), text)
