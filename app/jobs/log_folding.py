"""Texts as a search compares them, so that sealed lines are found as rows are.

SQLite takes the letters of ASCII for equal in both cases and nothing else. MySQL and MariaDB compare by
``utf8mb4_unicode_ci`` (Unicode 4.0): neither case nor accents count; characters beyond the basic plane are themselves.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from app.core.db import db

_ASCII = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
SHARP_S = "ẞ"  # younger than Unicode 4.0: equal to nothing else


class _Letters(dict[int, str]):
    """A table for ``str.translate`` that works out each character once."""

    def __missing__(self, code: int) -> str:
        self[code] = found = _letter(chr(code))
        return found


def _letter(character: str) -> str:
    if ord(character) > 0xFFFF or character == SHARP_S:
        return character
    bases = [part for part in unicodedata.normalize("NFKD", character) if unicodedata.category(part) != "Mn"]
    base = bases[0] if len(bases) == 1 else character
    lower = base.lower()
    base = lower if len(lower) == 1 else base
    return {"ς": "σ"}.get(base, base)


_LETTERS = _Letters()


def fold_ascii(text: str) -> str:
    """Return the text as SQLite compares it."""
    return text.translate(_ASCII)


def fold_unicode(text: str) -> str:
    """Return the text as ``utf8mb4_unicode_ci`` compares it, character by character."""
    return text.lower() if text.isascii() else text.translate(_LETTERS)


def folding() -> Callable[[str], str]:
    """Return how the present database compares."""
    return fold_ascii if db.session.get_bind().dialect.name == "sqlite" else fold_unicode
