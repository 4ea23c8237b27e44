"""Type constraints of input variables, and whether a value fits one.

As terraform converts: a number fits a text and ``"5"`` a number. What is not understood here is left to terraform.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_LENGTH = 2000  # of an expression; a longer one was cut when it was read
MAX_DEPTH = 40
_TOKEN = re.compile(
    r"\s+|#[^\n]*|//[^\n]*|/\*.*?\*/|(?P<name>[A-Za-z_][A-Za-z0-9_-]*)|(?P<text>\"(?:\\.|[^\"\\])*\")|(?P<sign>.)",
    re.DOTALL,
)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z", re.ASCII)
_PRIMITIVE = frozenset({"string", "number", "bool", "any"})
_COLLECTION = frozenset({"list", "set", "map"})
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_WORDS = {"string": "a text", "number": "a number", "bool": "true or false"}
_BOOLS = frozenset({"true", "false", "1", "0"})


class _NotUnderstood(Exception):
    """The expression is none of those that are known here."""


@dataclass(frozen=True, slots=True)
class Type:
    """A constraint. ``of`` are the elements of a list, set or map; ``attributes``: name -> (type, may be left out)."""

    kind: str
    of: Type | None = None
    attributes: Mapping[str, tuple[Type, bool]] = field(default_factory=dict)
    elements: tuple[Type, ...] = ()


def parse(expression: str | None) -> Type | None:
    """Return the constraint that an expression means; None when it is not understood."""
    if not expression or len(expression) >= MAX_LENGTH:
        return None
    try:
        reader = _Reader(expression)
        found = reader.type(1)
        return found if reader.peek() is None else None
    except _NotUnderstood:
        return None


def misfit(wanted: Type, value: Any, *, hides_keys: bool = False) -> str | None:
    """Return where a value does not fit and what belongs there, as in "[0].port must be a number"; None when it fits.

    The value itself is never in the answer; nor are the keys of its maps if ``hides_keys``.
    """
    found = _misfit(wanted, value, "", hides_keys)
    return None if found is None else " ".join(filter(None, found))


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = [match[0] for match in _TOKEN.finditer(text) if match.lastgroup]
        self._at = 0

    def peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def take(self, wanted: str | None = None) -> str:
        found = self.peek()
        if found is None or (wanted is not None and found != wanted):
            raise _NotUnderstood
        self._at += 1
        return found

    def type(self, depth: int) -> Type:
        if depth > MAX_DEPTH:
            raise _NotUnderstood
        name = self.take().strip('"')  # quoted, as terraform 0.11 wrote them
        if name in _PRIMITIVE:
            return Type(name)
        if name in _COLLECTION:
            if self.peek() != "(":
                return Type(name, Type("any"))
            self.take("(")
            of = self.type(depth + 1)
            self.take(")")
            return Type(name, of)
        if name not in ("object", "tuple"):
            raise _NotUnderstood
        self.take("(")
        found = self._object(depth) if name == "object" else self._tuple(depth)
        self.take(")")
        return found

    def _tuple(self, depth: int) -> Type:
        self.take("[")
        elements: list[Type] = []
        while self.peek() != "]":
            elements.append(self.type(depth + 1))
            if self.peek() != "]":
                self.take(",")
        self.take("]")
        return Type("tuple", elements=tuple(elements))

    def _object(self, depth: int) -> Type:
        self.take("{")
        attributes: dict[str, tuple[Type, bool]] = {}
        while self.peek() != "}":
            name = self.take().strip('"')
            if self.take() not in ("=", ":"):
                raise _NotUnderstood
            attributes[name] = self._attribute(depth + 1)
            if self.peek() == ",":
                self.take()
        self.take("}")
        return Type("object", attributes=attributes)

    def _attribute(self, depth: int) -> tuple[Type, bool]:
        if self.peek() != "optional":
            return self.type(depth), False
        self.take()
        self.take("(")
        found = self.type(depth)
        open_ones: list[str] = []
        while self.peek() != ")" or open_ones:  # a default may be any literal
            token = self.take()
            if token in _CLOSING:
                open_ones.append(_CLOSING[token])
            elif token in _CLOSING.values() and (not open_ones or open_ones.pop() != token):
                raise _NotUnderstood
        self.take(")")
        return found, True


def _misfit(wanted: Type, value: Any, path: str, hides_keys: bool) -> tuple[str, str] | None:
    if value is None or wanted.kind == "any":
        return None
    if wanted.kind in _WORDS:
        return None if _fits(wanted.kind, value) else (path, f"must be {_WORDS[wanted.kind]}")
    if wanted.kind in ("list", "set", "tuple"):
        return _misfit_of_list(wanted, value, path, hides_keys)
    if not isinstance(value, dict):
        return path, "must be an object"
    if wanted.kind == "map":
        assert wanted.of is not None
        pairs = [(f'["{"..." if hides_keys else key[:50]}"]', wanted.of, one) for key, one in value.items()]
    else:
        for name, (_type, is_optional) in wanted.attributes.items():
            if name not in value and not is_optional:
                return f"{path}.{name}", "is missing"
        pairs = [(f".{name}", kind, value[name]) for name, (kind, _) in wanted.attributes.items() if name in value]
    return _first(pairs, path, hides_keys)


def _misfit_of_list(wanted: Type, value: Any, path: str, hides_keys: bool) -> tuple[str, str] | None:
    if not isinstance(value, list):
        return path, "must be a list"
    if wanted.kind == "tuple":
        if len(value) != len(wanted.elements):
            return path, f"must be a list of {len(wanted.elements)}"
        kinds = wanted.elements
    else:
        assert wanted.of is not None
        kinds = (wanted.of,) * len(value)
    return _first(
        [(f"[{n}]", kind, one) for n, (kind, one) in enumerate(zip(kinds, value, strict=True))], path, hides_keys
    )


def _first(pairs: list[tuple[str, Type, Any]], path: str, hides_keys: bool) -> tuple[str, str] | None:
    for step, kind, one in pairs:
        if found := _misfit(kind, one, f"{path}{step}", hides_keys):
            return found
    return None


def _fits(kind: str, value: Any) -> bool:
    if isinstance(value, (dict, list)):
        return False
    if kind == "bool":
        return isinstance(value, bool) or (isinstance(value, str) and value in _BOOLS)
    if kind == "number":
        if isinstance(value, str):
            return _NUMBER.match(value) is not None
        return not isinstance(value, bool)
    return True
