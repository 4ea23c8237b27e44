"""An inventory file as data: what Ansible's ini and yaml plugins make of one, each thing with its line.

Nothing is evaluated and nothing looked up. Rules after ansible-core 2.19, plugins/inventory/{ini,yaml,__init__}.py.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.core.errors import InvalidInput

MAXIMUM_HOSTS = 5_000  # in one import, ranges written out
MAXIMUM_GROUPS = 2_000
MAXIMUM_VALUES = 1_000_000  # single values of all variables: what aliases repeat counts each time
MAXIMUM_DEPTH = 20
ALL, UNGROUPED = "all", "ungrouped"
_PORT = re.compile(r"\[(.+)\]:([0-9]{1,5})\Z|((?:[^:\[\]]|\[[^\]]*\])*):([0-9]{1,5})\Z")
_RANGE = re.compile(r"([^\[\]]*)\[([^\[\]]*)\](.*)\Z", re.DOTALL)


class Unreadable(InvalidInput):
    """The text as a whole is no inventory; ``errors`` names the line."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(inventory=f"Line {line}: {message}" if line else message)


class LeftOut:
    """A variable that cannot be taken over, with the reason; it stands in place of the value."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


@dataclass(slots=True)
class FoundHost:
    """One host as it stands in the text. ``line`` is where it is named first."""

    name: str
    line: int | None
    variables: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class FoundGroup:
    """One group. ``hosts`` and ``children`` by name, in the order of the text.

    ``file_variables`` come from group_vars: they win over ``variables`` of every group, whatever the nesting.
    """

    name: str
    line: int | None
    variables: dict[str, Any] = field(default_factory=dict)
    file_variables: dict[str, Any] = field(default_factory=dict)
    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class Found:
    """A whole inventory. ``all`` and ``ungrouped`` are groups like any other here."""

    hosts: dict[str, FoundHost] = field(default_factory=dict)
    groups: dict[str, FoundGroup] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def group(self, name: str, line: int | None) -> FoundGroup:
        """Return a group, made when it is new."""
        if name not in self.groups:
            if len(self.groups) >= MAXIMUM_GROUPS:
                raise Unreadable(f"More than {MAXIMUM_GROUPS:,} groups. Split the inventory.", line)
            self.groups[name] = FoundGroup(name, line)
        return self.groups[name]

    def add_hosts(self, pattern: str, group: str, line: int | None, variables: Mapping[str, Any]) -> None:
        """Add the hosts that a pattern means to a group; a port in it counts for hosts that are new."""
        port, names = _split(pattern, line)
        for name in names:
            host = self.hosts.get(name)
            if host is None:
                if len(self.hosts) >= MAXIMUM_HOSTS:
                    raise Unreadable(f"More than {MAXIMUM_HOSTS:,} hosts. Split the inventory.", line)
                host = self.hosts[name] = FoundHost(name, line)
                if port is not None:
                    host.variables["ansible_port"] = port
            host.variables |= variables
            self.group(group, line).hosts[name] = None

    def members(self, name: str) -> dict[str, None]:
        """Return every host of a group, those of the groups inside it too."""
        found: dict[str, None] = {}
        waiting, seen = [name], set[str]()
        while waiting:
            key = waiting.pop()
            if key in seen or key not in self.groups:
                continue
            seen.add(key)
            found |= self.groups[key].hosts
            waiting.extend(self.groups[key].children)
        return found


def _split(pattern: str, line: int | None) -> tuple[int | None, Iterator[str]]:
    port = None
    found = _PORT.match(pattern)
    if found:
        pattern, port = (found[1], int(found[2])) if found[1] is not None else (found[3], int(found[4]))
    if pattern.endswith(":") or not pattern:
        raise Unreadable(f"'{pattern[:60]}' ends in ':', which needs a port behind it.", line)
    return port, _expanded(pattern, line)


def _expanded(pattern: str, line: int | None) -> Iterator[str]:
    """Yield the names of a pattern with ranges (``web[01:50].example.org``, ``db-[a:f]``), one after another."""
    found = _RANGE.match(pattern)
    if found is None or ":" not in found[2]:
        yield pattern
        return
    for word in _steps(found[2], line):
        yield from _expanded(f"{found[1]}{word}{found[3]}", line)


def _steps(text: str, line: int | None) -> Iterator[str]:
    bounds = text.split(":")
    begin, end = bounds[0] or "0", bounds[1]
    step = bounds[2] if len(bounds) == 3 else "1"
    wrong = Unreadable(f"The range [{text[:40]}] cannot be read. Write it as [1:9], [01:50], [a:f] or [0:8:2].", line)
    if len(bounds) not in (2, 3) or not end or not re.fullmatch(r"[0-9]{1,6}", step) or int(step) == 0:
        raise wrong
    if begin.isalpha() and end.isalpha() and begin in string.ascii_letters and end in string.ascii_letters:
        first, last = string.ascii_letters.index(begin), string.ascii_letters.index(end)
        if len(begin) != 1 or len(end) != 1 or first > last:
            raise wrong
        yield from string.ascii_letters[first : last + 1 : int(step)]
        return
    if not re.fullmatch(r"[0-9]{1,12}", begin) or not re.fullmatch(r"[0-9]{1,12}", end):
        raise wrong
    width = len(begin) if begin[0] == "0" and len(begin) > 1 else 0
    if width and width != len(end):
        raise Unreadable(f"In the range [{text[:40]}] both ends need the same number of digits.", line)
    for number in range(int(begin), int(end) + 1, int(step)):
        yield str(number).zfill(width)


class Budget:
    """Turns values into JSON data and counts them, so that a small text cannot grow without end."""

    def __init__(self) -> None:
        self.left = MAXIMUM_VALUES

    def spend(self) -> None:
        """Count one value; Unreadable when there are too many."""
        self.left -= 1
        if self.left < 0:
            raise Unreadable(f"More than {MAXIMUM_VALUES:,} values. Split the inventory, and write aliases out.")

    def plain(self, value: Any, depth: int = 0) -> Any:
        """Return JSON data; ValueError with a reason for what is none, Unreadable when the budget is spent."""
        self.spend()
        if depth > MAXIMUM_DEPTH:
            raise ValueError(f"nests deeper than {MAXIMUM_DEPTH} levels")
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, Mapping):
            if not all(isinstance(key, str) for key in value):
                raise ValueError("has a key that is no text: put it into quotes")
            if "<<" in value:
                raise ValueError("uses a YAML merge key (<<): write the values out")
            return {str(key): self.plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.plain(item, depth + 1) for item in value]
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        if hasattr(value, "isoformat"):
            return str(value.isoformat())
        return str(value)
