"""A group as somebody wants it: fields cleaned together, then checked against the actor's rights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from app.core.actor import Actor
from app.core.errors import InvalidInput, PermissionDenied
from app.core.permissions import Permission, can
from app.inventory import group_names, values

PRIORITY = range(1, 1_001)
PRIORITY_VARIABLE = "ansible_group_priority"


class GroupInput(TypedDict, total=False):
    """The fields that people set; a missing one stays as it is, or gets its default."""

    name: str
    description: str | None
    variables: dict[str, Any] | None
    priority: int
    child_ids: list[int]
    parent_ids: list[int]


FIELDS = ("name", "description", "variables", "priority")  # columns; the nesting has tables of its own


def _variables(given: Mapping[str, Any]) -> dict[str, Any] | None:
    if PRIORITY_VARIABLE in given:
        raise ValueError(f"Set the group's priority instead of the variable {PRIORITY_VARIABLE}.")
    return values.variables(given) or None


def priority(number: int) -> int:
    """Return a priority of a group; ValueError with advice otherwise."""
    if isinstance(number, bool) or number not in PRIORITY:
        raise ValueError("Between 1 and 1000; among groups of one depth the highest wins.")
    return number


CLEANERS: dict[str, Callable[[Any], Any]] = {
    "name": group_names.group_name,
    "description": values.description,
    "variables": _variables,
    "priority": priority,
}


def clean(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the canonical columns. Raises InvalidInput with a sentence for every field that cannot be used."""
    found: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name in FIELDS:
        if name not in given:
            continue
        value = given[name]
        if value in ("", None) and name in ("description", "variables"):
            found[name] = None
            continue
        try:
            found[name] = CLEANERS[name](value)
        except (ValueError, TypeError, AttributeError) as error:
            errors[name] = str(error) if isinstance(error, ValueError) else "A value of this type cannot be used."
    if errors:
        raise InvalidInput(**errors)
    return found


def check_variables(actor: Actor, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
    """Refuse ``ansible_*`` variables and templates, new, changed or taken away, to all but administrators."""
    before, after = old or {}, new or {}
    touched = {
        name: value
        for pairs in (before, after)
        for name, value in pairs.items()
        if name not in before or name not in after or before[name] != after[name]
    }
    if values.privileged_variables(touched) and not can(actor, Permission.SERVER_ADMIN):
        raise PermissionDenied(Permission.SERVER_ADMIN.value, actor.role.value)
