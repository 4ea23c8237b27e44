"""Details of an entry as lines for people: what, before, after."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAXIMUM_ROWS = 200
_NOTHING = "–"


@dataclass(frozen=True, slots=True)
class DetailRow:
    """One line. ``before`` is None when there is only one value, ``after``."""

    name: str
    before: str | None
    after: str


def detail_rows(action: str, details: Mapping[str, Any] | None) -> list[DetailRow]:
    """Return the lines of an entry's details.

    In entries that change something, a list of two is an old and a new value (``audit.changes``); mappings are
    flattened ("variables.port"); at most MAXIMUM_ROWS lines.
    """
    rows: list[DetailRow] = []
    for row in _rows("", details or {}, has_pairs=action != "CREATE"):
        if len(rows) == MAXIMUM_ROWS:
            return [*rows, DetailRow("…", None, "more: see the raw entry")]
        rows.append(row)
    return rows


def _rows(prefix: str, values: Mapping[str, Any], *, has_pairs: bool) -> Iterator[DetailRow]:
    for key, value in values.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping) and value:
            yield from _rows(f"{prefix}{key}.", value, has_pairs=has_pairs)
        elif has_pairs and isinstance(value, list) and len(value) == 2 and value[0] != value[1]:
            yield DetailRow(name, _text(value[0]), _text(value[1]))
        else:
            yield DetailRow(name, None, _text(value))


def _text(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return _NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str | int) for item in value):
        return ", ".join(_text(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
