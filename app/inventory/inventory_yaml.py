"""Reading YAML inventories through the gate (``core.yaml_gate``): groups with hosts, vars and children."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.core.yaml_gate import Opaque, Vaulted, load_yaml
from app.inventory.inventory_text import Budget, Found, LeftOut, Unreadable

MAXIMUM_NESTING = 40
_SECTIONS = ("vars", "children", "hosts")


def read_yaml(text: str, *, max_bytes: int) -> Found:
    """Return the inventory; Unreadable or InvalidInput (with line and column) for what is none."""
    data = load_yaml(text, field="inventory", max_bytes=max_bytes)
    if not isinstance(data, Mapping) or not data:
        raise Unreadable("A YAML inventory is an object of groups: 'all:' with 'hosts:', 'vars:', 'children:'.")
    if "plugin" in data:
        raise Unreadable("This configures an inventory plugin, which would run code. Import what it prints instead.")
    found, budget = Found(), Budget()
    lines = _lines(text)
    for name, group in data.items():
        _group(found, budget, name, group, lines, 0)
    return found


def read_variables(data: Any, budget: Budget) -> dict[str, Any]:
    """Return the variables of a mapping; what cannot be taken over becomes ``LeftOut``. Other shapes: ValueError."""
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        raise ValueError("is no object of names and values")
    return {str(name): _value(value, budget) for name, value in data.items()}


def _value(value: Any, budget: Budget) -> Any:
    marked = _marked(value, budget)
    if marked is not None:
        return LeftOut(marked)
    try:
        return budget.plain(value)
    except ValueError as error:
        return LeftOut(f"it {error}")


def _marked(value: Any, budget: Budget) -> str | None:
    """Say why a value with a tag of its own cannot be taken over; None when there is none, or it is plain text."""
    budget.spend()
    if isinstance(value, Vaulted):
        return "it is encrypted by ansible-vault: keep it in the playbook project, or as a password of the server"
    if isinstance(value, Opaque) and any(mark in value for mark in ("{{", "{%", "{#")):
        return "it is marked !unsafe and holds a template: write it without the marks"
    if isinstance(value, Mapping):
        return next((why for item in value.values() if (why := _marked(item, budget))), None)
    if isinstance(value, list):
        return next((why for item in value if (why := _marked(item, budget))), None)
    return None


def _group(found: Found, budget: Budget, name: Any, data: Any, lines: Mapping[str, int], depth: int) -> str | None:
    """Read one group and those inside it; return its name, None for what Ansible would skip with a warning."""
    if depth > MAXIMUM_NESTING:
        raise Unreadable(f"Groups nest deeper than {MAXIMUM_NESTING} levels.")
    if not isinstance(name, str) or not name:
        raise Unreadable(f"'{str(name)[:60]}' is no name of a group: put it into quotes.")
    if data is not None and not isinstance(data, Mapping):
        found.warnings.append(f"'{name[:60]}' was skipped: it is no group (hosts, vars, children).")
        return None
    group = found.group(name, lines.get(name))
    for key, value in (data or {}).items():
        if key in _SECTIONS and isinstance(value, str):
            value = {value: None}
        if value is not None and not isinstance(value, Mapping):
            if key in _SECTIONS:
                raise Unreadable(f"'{key}' of the group '{name[:60]}' has to be an object.", lines.get(name))
            found.warnings.append(f"'{str(key)[:60]}' of the group '{name[:60]}' was skipped: it is no object.")
        elif key == "vars":
            group.variables |= read_variables(value, budget)
        elif key == "children":
            for child, inside in (value or {}).items():
                if _group(found, budget, child, inside, lines, depth + 1) is not None:
                    group.children[child] = None
        elif key == "hosts":
            _hosts(found, budget, name, value or {}, lines)
        elif value is not None:
            found.warnings.append(f"'{str(key)[:60]}' of the group '{name[:60]}' was skipped: unknown.")
    return name


def _hosts(found: Found, budget: Budget, group: str, hosts: Mapping[Any, Any], lines: Mapping[str, int]) -> None:
    for pattern, own in hosts.items():
        line = lines.get(str(pattern))
        if not isinstance(pattern, str):
            raise Unreadable(f"The host '{str(pattern)[:60]}' has to be text: put it into quotes.", line)
        try:
            variables = read_variables(own, budget)
        except ValueError as error:
            raise Unreadable(f"What stands below the host '{pattern[:60]}' {error}.", line) from None
        found.add_hosts(pattern, group, line, variables)


def _lines(text: str) -> dict[str, int]:
    """Return the line on which a key stands first, for reports; keys in quotes count too."""
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        key = line.strip().rstrip(":").split(": ")[0].rstrip(":").strip("'\"? ")
        if key and not key.startswith("#"):
            found.setdefault(key, number)
    return found
