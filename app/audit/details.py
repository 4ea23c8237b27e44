"""What an entry's details may hold: plain values without secrets, small, and equal after every database.

Shapes that a database would alter are rendered as text before they are stored: MySQL turns a large integer into
a double, MariaDB refuses JSON nested deeper than 32, none of them stores half of a surrogate pair.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum
from typing import Any

from app.core.clock import iso

MASK = "***"
MAXIMUM_BYTES = 16_384  # of the whole details as JSON
MAXIMUM_TEXT = 2_000  # characters of one value
MAXIMUM_KEY = 100
MAXIMUM_ITEMS = 200  # of one list or mapping
MAXIMUM_DEPTH = 8
_INT64 = range(-(2**63), 2**63)  # beyond it MySQL keeps a double
_SECRET_WORDS = re.compile(r"passw|passphrase|pwd|secret|token|authori[sz]ation|credential|cookie|pepper|private_?key")
_KEY_WORD = re.compile(r"(^|_|-)(api)?keys?$")
_OPEN_KEYS = frozenset({"public_key", "host_key", "foreign_key", "primary_key"})
_URL_PASSWORD = re.compile(r"(?<=://)[^\s/@]+@")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def is_secret_name(name: str) -> bool:
    """Say whether a value under this name is masked."""
    word = _CAMEL.sub("_", name).lower()
    if word in _OPEN_KEYS:
        return False
    return bool(_SECRET_WORDS.search(word) or _KEY_WORD.search(word))


def _text(value: str, limit: int = MAXIMUM_TEXT) -> str:
    value = value.encode("utf-8", "replace").decode("utf-8")
    value = _URL_PASSWORD.sub(f"{MASK}@", value)
    return value if len(value) <= limit else value[: limit - 1] + "…"


def _masked(value: Any) -> Any:
    """Mask everything but yes, no and nothing; lists (old and new value) keep their length."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value[:MAXIMUM_ITEMS]]
    return MASK


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return _plain(value.value, depth)
    if isinstance(value, int):
        return int(value) if value in _INT64 else _text(str(value))
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        if depth >= MAXIMUM_DEPTH:
            return "…"
        return _mapping(value, depth) if isinstance(value, Mapping) else _list(value, depth)
    return _text(str(value))


def _list(values: Iterable[Any], depth: int) -> list[Any]:
    if isinstance(values, set | frozenset):
        values = sorted(values, key=str)
    items = list(values)
    plain = [_plain(item, depth + 1) for item in items[:MAXIMUM_ITEMS]]
    if len(items) > MAXIMUM_ITEMS:
        plain.append(f"… {len(items) - MAXIMUM_ITEMS} more")
    return plain


def _mapping(values: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, value in list(values.items())[:MAXIMUM_ITEMS]:
        name = _text(str(key), MAXIMUM_KEY)
        plain[name] = _masked(value) if is_secret_name(str(key)) else _plain(value, depth + 1)
    if len(values) > MAXIMUM_ITEMS:
        plain["…"] = f"{len(values) - MAXIMUM_ITEMS} more"
    return plain


def safe_details(details: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a copy fit to be stored and hashed, None for nothing.

    Values under secret names become ``***``, user information in URLs too; floats and unknown types become text;
    long texts and lists are cut. Above MAXIMUM_BYTES only the names of the fields remain.
    """
    if not details:
        return None
    plain = _mapping(details, 0)
    size = len(json.dumps(plain).encode())
    if size <= MAXIMUM_BYTES:
        return plain
    return {"too_large": True, "bytes": size, "fields": sorted(plain)[:50]}


def changes(before: Mapping[str, Any], after: Mapping[str, Any], fields: Iterable[str]) -> dict[str, list[Any]]:
    """Return ``{field: [old, new]}`` of the named fields that differ; a missing one counts as None."""
    pairs = {name: [before.get(name), after.get(name)] for name in fields}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
