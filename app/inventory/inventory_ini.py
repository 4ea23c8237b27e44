"""Reading INI inventories: sections, hosts with variables, ``:vars``, ``:children``, ranges.

Values are Python literals or text, as Ansible takes them. A literal is only read, never run (``ast.literal_eval``).
"""

from __future__ import annotations

import ast
import re
import shlex
import warnings
from typing import Any

from app.inventory.inventory_text import Budget, Found, Unreadable

_SECTION = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?\Z")
_CHILD = re.compile(r"([^:\]\s]+)\s*(?:#.*)?\Z")
_MAXIMUM_LITERAL = 65_536
_STATES = ("hosts", "children", "vars")


def read_ini(text: str) -> Found:
    """Return the inventory; Unreadable with the line for what Ansible would refuse too."""
    found, budget = Found(), Budget()
    group, state = "ungrouped", "hosts"
    declared = {"all", "ungrouped"}
    wanted: dict[str, tuple[int, str]] = {}  # groups that have to be declared somewhere: line, in which section
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in ";#":
            continue
        section = _SECTION.match(line)
        if section:
            group, state = section[1], section[2] or "hosts"
            if state not in _STATES:
                raise Unreadable(f"'[{group}:{state}]' is no section: use :children or :vars.", number)
            found.group(group, number)
            if state == "vars":
                wanted.setdefault(group, (number, f"[{group}:vars]"))
            else:
                declared.add(group)
            continue
        if line.startswith("[") and line.endswith("]"):
            raise Unreadable(f"'{line[:60]}' is no section. Write it without spaces.", number)
        if state == "hosts":
            _host(found, budget, group, line, number)
        elif state == "vars":
            name, value = _pair(line, number)
            found.group(group, number).variables[name] = _value(budget, value, number)
        else:
            child = _CHILD.match(line)
            if child is None:
                raise Unreadable(f"'{line[:60]}' is no name of a group.", number)
            wanted.setdefault(child[1], (number, f"[{group}:children]"))
            found.group(group, number).children[child[1]] = None
            found.group(child[1], number)
    for name, (number, place) in wanted.items():
        if name not in declared:
            raise Unreadable(f"{place} names the group '{name[:60]}', which is nowhere declared.", number)
    return found


def _host(found: Found, budget: Budget, group: str, line: str, number: int) -> None:
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        raise Unreadable(f"Quotes that do not close ({error}).", number) from None
    if not words:
        return
    variables = {}
    for word in words[1:]:
        if "=" not in word:
            raise Unreadable(f"'{word[:60]}' stands where name=value is expected.", number)
        name, value = word.split("=", 1)
        variables[name] = _value(budget, value, number)
    found.add_hosts(words[0], group, number, variables)


def _pair(line: str, number: int) -> tuple[str, str]:
    if "=" not in line:
        raise Unreadable(f"'{line[:60]}' stands where name=value is expected.", number)
    name, value = line.split("=", 1)
    return name.strip(), value.strip()


def _value(budget: Budget, text: str, number: int) -> Any:
    if len(text) > _MAXIMUM_LITERAL:
        raise Unreadable(f"A value is longer than {_MAXIMUM_LITERAL // 1024} KiB.", number)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            value: Any = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return budget.plain(text)
    except (MemoryError, RecursionError):
        raise Unreadable("A value nests too deeply.", number) from None
    if value is ...:
        value = "..."
    try:
        return budget.plain(value)
    except ValueError as error:
        raise Unreadable(f"A value {error}.", number) from None
