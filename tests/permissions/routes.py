"""The routes of the application, as the tests of this folder walk them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

from flask import Flask
from werkzeug.routing import Rule

UNKNOWN_NUMBER = 2_000_000_000
UNKNOWN_UUID = "00000000-0000-4000-8000-000000000000"
_PARAMETER = re.compile(r"<(?:(?P<converter>\w+)(?:\([^)]*\))?:)?(?P<name>\w+)>")


def operations(app: Flask) -> Iterator[tuple[str, Rule]]:
    """Yield ("GET", rule) for each method of each rule; HEAD and OPTIONS follow GET."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield method, rule


def parameters(rule: str) -> dict[str, str]:
    """Return {name: converter} of a rule's parameters."""
    return {found["name"]: found["converter"] or "string" for found in _PARAMETER.finditer(rule)}


def path_for(rule: str, values: dict[str, object] | None = None) -> str:
    """Return a path for a rule: with ``values``, and unknown ids for the other parameters."""

    def fill(found: re.Match[str]) -> str:
        if values and found["name"] in values:
            return quote(str(values[found["name"]]), safe="")
        if found["converter"] == "int":
            return str(UNKNOWN_NUMBER)
        return UNKNOWN_UUID if found["converter"] in ("uuid", None, "string") else "unknown"

    return _PARAMETER.sub(fill, rule)
