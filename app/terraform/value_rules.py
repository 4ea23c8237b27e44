"""What a value of a variable may be before anything is known of its type: JSON that each database keeps as it is."""

from __future__ import annotations

import json
from typing import Any

from app.core.errors import InvalidInput

MAX_VALUE_BYTES = 65_536
MAX_DEPTH = 60  # MySQL's JSON goes 100 deep
_LARGEST = 2**63  # beyond it MySQL keeps a whole number as a rounded one


def as_json(value: Any) -> str:
    """Return a value as the JSON text that is kept. Raises InvalidInput for ``value``."""
    if value is None:
        raise InvalidInput(value="A variable without a value is one that is not set: remove it instead.")
    _check(value, 1)
    try:
        size = len(json.dumps(value, allow_nan=False, ensure_ascii=False).encode())
    except ValueError:  # NaN, half of a surrogate pair
        raise InvalidInput(value="This is no value that JSON can carry.") from None
    if size > MAX_VALUE_BYTES:
        raise InvalidInput(value=f"A value may have {MAX_VALUE_BYTES // 1024} KiB.")
    return json.dumps(value, allow_nan=False)


def _check(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidInput(value=f"A value may be nested {MAX_DEPTH} deep.")
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        raise InvalidInput(value="Give a number of more than 18 digits as a text; terraform reads it as a number.")
    if isinstance(value, dict):
        for name, one in value.items():
            _check(name, depth)
            _check(one, depth + 1)
    elif isinstance(value, list):
        for one in value:
            _check(one, depth + 1)
