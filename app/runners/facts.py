"""Facts that a host sent: made safe, masked, and cut to a size by leaving whole facts out, the largest first.

A foreign machine wrote them, so they are data and stay data: nothing here or later evaluates them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from app.runners.lines import sanitize_line, split_text

MAX_BYTES = 256 * 1024  # of a host's facts as JSON
MAX_DEPTH = 20
MAX_NAME = 200


def encode(value: Any) -> str:
    """Return JSON as it is measured and stored."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=True)


def size_of(value: Any) -> int:
    """Return the bytes of a value as JSON in UTF-8."""
    return len(encode(value).encode("utf-8", "replace"))


def fit(facts: Mapping[str, Any], limit: int = MAX_BYTES) -> tuple[dict[str, Any], list[str]]:
    """Return the facts that fit into ``limit`` bytes, and the names of those left out, the largest first."""
    kept = dict(facts)
    sizes = {name: size_of({name: value}) for name, value in kept.items()}
    total, left_out = sum(sizes.values()) + 2, []
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        if total <= limit:
            break
        total -= sizes[name]
        del kept[name]
        left_out.append(name)
    return kept, left_out


def clean(value: Any, mask: Callable[[str], str], depth: int = 0) -> Any:
    """Return a copy without commands to a terminal and without secrets; deeper than MAX_DEPTH becomes "…"."""
    if isinstance(value, str):
        return mask("\n".join(sanitize_line(line) for line in split_text(value)))
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    if depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return {clean(str(name)[:MAX_NAME], mask): clean(item, mask, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item, mask, depth + 1) for item in value]
    return clean(str(value), mask)
