"""The REST operations as the application itself documents them, for cases that try every one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from flask import Flask

from tests.holdings import Holdings
from tests.permissions.matrix import BODIES
from tests.permissions.routes import operations, path_for


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. ``rule`` is Flask's spelling; ``fields`` are None where no JSON body is taken."""

    method: str
    rule: str
    fields: dict[str, Any] | None
    query: dict[str, dict[str, Any]]

    @property
    def label(self) -> str:
        """As ``tests/permissions/matrix.py`` names it."""
        return f"{self.method} {self.rule}"

    def path(self, held: Holdings | None = None) -> str:
        """Return an address: with ids of ``held`` where it has them, unknown ones elsewhere."""
        return path_for(self.rule, asdict(held) if held else None)

    def body(self, held: Holdings | None = None) -> dict[str, Any]:
        """Return a body that would be accepted, as far as the tests know one; with ids of ``held``."""
        body = dict(BODIES.get(self.label, {}))
        for name in body if held else ():
            if name.endswith("_ids") and hasattr(held, name[:-1]):
                body[name] = [getattr(held, name[:-1])]
            elif hasattr(held, name):
                body[name] = getattr(held, name)
        return body


def _resolved(spec: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = spec["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def rest_operations(app: Flask) -> Iterator[Operation]:
    """Yield every documented operation of the REST API."""
    spec = app.test_client().get("/api/v1/openapi.json").json
    assert spec is not None
    rules = {
        (method, path_for(rule.rule, dict.fromkeys(rule.arguments, "x"))): rule.rule for method, rule in operations(app)
    }
    for path, item in spec["paths"].items():
        for method, found in item.items():
            if method == "parameters":
                continue
            plain = "/".join("x" if part.startswith("{") else part for part in path.split("/"))
            content = found.get("requestBody", {}).get("content", {}).get("application/json")
            fields = _resolved(spec, content["schema"]).get("properties", {}) if content else None
            query = {one["name"]: one.get("schema", {}) for one in found.get("parameters", []) if one["in"] == "query"}
            rule = rules.get((method.upper(), plain)) or _by_hand(rules, method.upper(), path)
            yield Operation(method.upper(), rule, fields, query)


def _by_hand(rules: dict[tuple[str, str], str], method: str, path: str) -> str:
    """Find the rule of a path whose parameter is only a part of a segment."""
    import re

    pattern = re.compile(re.sub(r"\\{\w+\\}", "x", re.escape(path)))
    for (known, plain), rule in rules.items():
        if known == method and pattern.fullmatch(plain):
            return rule
    raise AssertionError(f"{method} {path} has no route")
