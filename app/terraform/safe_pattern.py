"""Patterns that people write, matched in time that is linear in the text: no expression holds a process up.

The usual signs: ``.`` ``[a-z]`` ``\\d`` ``\\w`` ``\\s`` ``|`` ``( )`` ``* + ? {2,5}``. The whole text has to fit, so
``^`` and ``$`` say nothing new. Nothing that needs backtracking: no references to groups, no looking around.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from dataclasses import dataclass

MAX_PATTERN = 200
MAX_STATES = 400  # after {2,5} is written out
MAX_TEXT = 1000
_DIGIT, _WORD = frozenset(string.digits), frozenset(string.ascii_letters + string.digits + "_")
_CLASSES = {"d": _DIGIT, "w": _WORD, "s": frozenset(" \t\n\r\f\v")}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_TIMES = re.compile(r"\{(\d{1,3})(?:(,)(\d{1,3})?)?\}", re.ASCII)
Test = Callable[[str], bool]


class BadPattern(ValueError):
    """The pattern cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern as a machine. Step: (test of a character, next) or (None, next ones); the last one is the end."""

    steps: tuple[tuple[Test | None, tuple[int, ...]], ...]

    def fits(self, text: str) -> bool:
        """Say whether the whole text fits; one that is longer than MAX_TEXT does not."""
        if len(text) > MAX_TEXT:
            return False
        states = self._reached([0])
        for character in text:
            onwards = []
            for state in states:
                test, following = self.steps[state]
                if test is not None and test(character):
                    onwards.append(following[0])
            if not onwards:
                return False
            states = self._reached(onwards)
        return len(self.steps) - 1 in states

    def _reached(self, states: list[int]) -> set[int]:
        found: set[int] = set()
        stack = list(states)
        while stack:
            state = stack.pop()
            if state in found:
                continue
            found.add(state)
            test, following = self.steps[state]
            if test is None:
                stack.extend(following)
        return found


def compile_pattern(text: str) -> Pattern:
    """Return a pattern as a machine. Raises BadPattern."""
    if not 1 <= len(text) <= MAX_PATTERN:
        raise BadPattern(f"Give 1 to {MAX_PATTERN} characters.")
    body = text.removeprefix("^")
    if body.endswith("$") and (len(body) - len(body[:-1].rstrip("\\"))) % 2:
        body = body[:-1]
    parser = _Parser(body)
    found = parser.choice(0)
    if parser.at < len(body):
        raise BadPattern("There is a ) without its (.")
    steps: list[tuple[Test | None, tuple[int, ...]]] = []
    _write(found, steps)
    steps.append((None, ()))
    return Pattern(tuple(steps))


@dataclass(frozen=True, slots=True)
class _Node:
    kind: str  # one, all, any, times
    test: Test | None = None
    parts: tuple[_Node, ...] = ()
    least: int = 1
    most: int | None = 1


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def choice(self, depth: int) -> _Node:
        if depth > 20:
            raise BadPattern("Groups stand too deep in each other.")
        branches = [self._sequence(depth)]
        while self._peek() == "|":
            self.at += 1
            branches.append(self._sequence(depth))
        return branches[0] if len(branches) == 1 else _Node("any", parts=tuple(branches))

    def _sequence(self, depth: int) -> _Node:
        parts = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._repeated(self._atom(depth)))
        return _Node("all", parts=tuple(parts))

    def _repeated(self, atom: _Node) -> _Node:
        sign = self._peek()
        least: int
        most: int | None
        if sign in ("*", "+", "?") and sign:
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
            self.at += 1
        elif sign == "{":
            match = _TIMES.match(self.text, self.at)
            if match is None:
                raise BadPattern("Write {2}, {2,} or {2,5} for a number of times, and \\{ for the sign itself.")
            least = int(match[1])
            most = int(match[3]) if match[3] else None if match[2] else least
            if most is not None and most < least:
                raise BadPattern(f"{match[0]} says from more to less.")
            self.at = match.end()
        else:
            return atom
        if self._peek() == "?":  # as few as possible: the same, when the whole text has to fit
            self.at += 1
        if self._peek() in ("*", "+", "?", "{") and self._peek():
            raise BadPattern("Two numbers of times stand one after the other.")
        return _Node("times", parts=(atom,), least=least, most=most)

    def _atom(self, depth: int) -> _Node:
        sign = self._peek()
        self.at += 1
        if sign == "(":
            if self._peek() == "?":
                if self.text[self.at : self.at + 2] != "?:":
                    raise BadPattern("(?...) is not known here.")
                self.at += 2
            found = self.choice(depth + 1)
            if self._peek() != ")":
                raise BadPattern("There is a ( without its ).")
            self.at += 1
            return found
        if sign == "[":
            return _Node("one", self._class())
        if sign == ".":
            return _Node("one", lambda character: character != "\n")
        if sign == "\\":
            return _Node("one", self._escaped())
        if sign in ("*", "+", "?", "{"):
            raise BadPattern(f"{sign} says how often, and there is nothing before it.")
        if sign in ("^", "$", "}"):
            raise BadPattern(f"{sign} cannot stand here; \\{sign} is the sign itself.")
        return _Node("one", frozenset({sign}).__contains__)

    def _escaped(self) -> Test:
        sign = self._peek()
        self.at += 1
        if not sign:
            raise BadPattern("There is nothing behind the last \\.")
        if sign in _CLASSES:
            return _CLASSES[sign].__contains__
        if sign.lower() in _CLASSES and sign.isupper():
            without = _CLASSES[sign.lower()]
            return lambda character: character not in without
        if sign in _ESCAPES:
            return frozenset({_ESCAPES[sign]}).__contains__
        if sign.isalnum():
            raise BadPattern(f"\\{sign} is not known here.")
        return frozenset({sign}).__contains__

    def _class(self) -> Test:
        is_negated = self._peek() == "^"
        self.at += is_negated
        single: set[str] = set()
        ranges: list[tuple[str, str]] = []
        tests: list[Test] = []
        is_first = True
        while self._peek() != "]" or is_first:
            is_first = False
            low = self._member(tests)
            if self._peek() == "-" and self.text[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                high = self._member(tests)
                if low is None or high is None or high < low:
                    raise BadPattern("A range in [ ] goes from a lower character to a higher one.")
                ranges.append((low, high))
            elif low is not None:
                single.add(low)
        self.at += 1
        members = frozenset(single)

        def test(character: str) -> bool:
            found = (
                character in members
                or any(low <= character <= high for low, high in ranges)
                or any(one(character) for one in tests)
            )
            return found is not is_negated

        return test

    def _member(self, tests: list[Test]) -> str | None:
        sign = self._peek()
        self.at += 1
        if not sign:
            raise BadPattern("There is a [ without its ].")
        if sign == "[":
            raise BadPattern("Inside of [ ] write \\[ for the sign itself.")
        if sign != "\\":
            return sign
        escaped = self._peek()
        test = self._escaped()
        if escaped.lower() in _CLASSES:
            tests.append(test)
            return None
        return _ESCAPES.get(escaped, escaped)


def _write(node: _Node, steps: list[tuple[Test | None, tuple[int, ...]]]) -> None:
    """Append a node's steps; each goes on at the step behind the node's last one."""
    if len(steps) > MAX_STATES:
        raise BadPattern("The pattern is too large: take smaller numbers of times.")
    if node.kind == "one":
        steps.append((node.test, (len(steps) + 1,)))
    elif node.kind == "all":
        steps.append((None, (len(steps) + 1,)))  # counts, so that nothing many times is not nothing
        for part in node.parts:
            _write(part, steps)
    elif node.kind == "any":
        _write_any(node, steps)
    else:
        for _ in range(node.least):
            _write(node.parts[0], steps)
        if node.most is None:
            _write_any_number(node.parts[0], steps)
        else:
            _write_optional(node.parts[0], node.most - node.least, steps)


def _write_any(node: _Node, steps: list[tuple[Test | None, tuple[int, ...]]]) -> None:
    fork = len(steps)
    steps.append((None, ()))
    begins, ends = [], []
    for part in node.parts:
        begins.append(len(steps))
        _write(part, steps)
        ends.append(len(steps))
        steps.append((None, ()))
    steps[fork] = (None, tuple(begins))
    for end in ends:
        steps[end] = (None, (len(steps),))


def _write_any_number(part: _Node, steps: list[tuple[Test | None, tuple[int, ...]]]) -> None:
    fork = len(steps)
    steps.append((None, ()))
    _write(part, steps)
    steps.append((None, (fork,)))
    steps[fork] = (None, (fork + 1, len(steps)))


def _write_optional(part: _Node, times: int, steps: list[tuple[Test | None, tuple[int, ...]]]) -> None:
    forks = []
    for _ in range(times):
        forks.append(len(steps))
        steps.append((None, ()))
        _write(part, steps)
    for fork in forks:
        steps[fork] = (None, (fork + 1, len(steps)))
