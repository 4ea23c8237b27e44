"""Finds in values what they refer to: names with their attributes, in templates and expressions, however nested.

Values are as JSON syntax has them: every string is a template, an expression is one interpolation.
"""

from __future__ import annotations

import re
from typing import Any

_TEMPLATE = re.compile(r'\$\$\{|%%\{|\$\{|%\{|\\.|"', re.DOTALL)
_TOKEN = re.compile(
    r"(?P<blank>\s+|\#[^\n]*|//[^\n]*|/\*.*?\*/|\.\*|\[\*\])|(?P<name>[^\W\d][\w-]*)|(?P<number>\d+)"
    r"|(?P<colons>::)|(?P<heredoc><<-?[^\W\d][\w.-]*\r?\n)|(?P<one>.)",
    re.DOTALL,
)
_FOR = re.compile(r"for\s+([^\W\d][\w-]*)(?:\s*,\s*([^\W\d][\w-]*))?\s+in\b")
_TEXTS = ("text", "string", "heredoc")
MOST_PARTS = 3  # data.type.name, module.name.output

Chain = tuple[str, ...]


class _Level:
    """An open template, interpolation or bracket: the name before it, and the names a ``for`` made inside."""

    __slots__ = ("chain", "end", "kind", "names")

    def __init__(self, kind: str, chain: list[str] | None = None, end: re.Pattern[str] | None = None) -> None:
        self.kind = kind  # text, string, heredoc, expression, bracket
        self.end = end  # of a heredoc
        self.chain = chain
        self.names: set[str] = set()


class _Scan:
    """One pass over one template; a stack in place of recursion, so that no nesting is too deep."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.found: set[Chain] = set()
        self.levels = [_Level("text")]
        self.chain: list[str] | None = None
        self.after_dot = False

    def run(self) -> set[Chain]:
        place = 0
        while place < len(self.text):
            if self.levels[-1].kind in _TEXTS:
                place = self._in_template(place)
            else:
                place = self._in_expression(place)
        self._flush()
        return self.found

    def _in_template(self, place: int) -> int:
        match, level = _TEMPLATE.search(self.text, place), self.levels[-1]
        end = level.end.search(self.text, place) if level.end else None
        if end is not None and (match is None or end.start() < match.start()):
            self._close()
            return end.end()
        if match is None:
            return len(self.text)
        mark = match.group()
        if mark in ("${", "%{"):
            self.levels.append(_Level("expression"))
            self.chain, self.after_dot = None, False
        elif mark == '"' and level.kind == "string":
            self._close()
        elif mark[0] == "\\" and level.kind != "string":
            return match.start() + 1  # outermost texts are unescaped already, and heredocs know no escapes
        return match.end()

    def _in_expression(self, place: int) -> int:
        match = _TOKEN.match(self.text, place)
        assert match is not None  # the last alternative takes any character
        kind, token = match.lastgroup, match.group()
        if kind == "name":
            self._name(token, place)
        elif kind == "number":
            if not self.after_dot:
                self._flush()
            self.after_dot = False
        elif kind == "one":
            self._sign(token)
        elif kind == "colons":
            self.chain = None
        elif kind == "heredoc":
            self._flush()
            name = token.strip("<-\r\n")
            self._open("heredoc", None, re.compile(rf"^[ \t]*{re.escape(name)}\b", re.MULTILINE))
        return match.end()

    def _name(self, name: str, place: int) -> None:
        if self.after_dot:
            self.after_dot = False
            if self.chain is not None:
                self.chain.append(name)
            return
        self._flush()
        if name == "for" and (loop := _FOR.match(self.text, place)):
            level = self.levels[-1]
            if level.kind == "expression" and len(self.levels) > 1:
                level = self.levels[-2]  # %{ for } holds in the text that follows
            level.names.update(filter(None, loop.groups()))
            return
        self.chain = [name]

    def _sign(self, sign: str) -> None:
        if sign == ".":
            self.after_dot = True
            return
        if sign == "[":
            self._open("bracket", self.chain)
            return
        if sign == "(" and self.chain is not None and len(self.chain) == 1:
            self.chain = None  # a function's name
        self._flush()
        if sign in "({":
            self._open("bracket", None)
        elif sign == '"':
            self._open("string", None)
        elif sign == "}" or (sign in ")]" and self.levels[-1].kind == "bracket"):
            self._close()

    def _open(self, kind: str, chain: list[str] | None, end: re.Pattern[str] | None = None) -> None:
        self.levels.append(_Level(kind, chain, end))
        self.chain, self.after_dot = None, False

    def _close(self) -> None:
        self._flush()
        self.chain, self.after_dot = self.levels.pop().chain, False

    def _flush(self) -> None:
        chain, self.chain, self.after_dot = self.chain, None, False
        if chain and len(chain) > 1 and not any(chain[0] in level.names for level in self.levels):
            self.found.add(tuple(chain[:MOST_PARTS]))


def in_template(text: str) -> set[Chain]:
    """Return the names with attributes that a template refers to, at most three parts of each."""
    return _Scan(text).run() if "${" in text or "%{" in text else set()


def in_expression(text: str) -> set[Chain]:
    """Return the same of an expression, bare or as one interpolation."""
    return in_template(text if "${" in text else f"${{{text}}}")


def in_value(value: Any) -> set[Chain]:
    """Return the same of everything in a value, keys too."""
    found: set[Chain] = set()
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            found |= in_template(one)
        elif isinstance(one, dict):
            left.extend(one)
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)
    return found
