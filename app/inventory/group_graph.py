"""Nesting of groups and Ansible's order of their variables; pure, on any keys (ids or names).

``children`` and ``parents`` map a group to those directly below or above it. A group without parents stands below
``all``, whose depth is 0. Order after ansible-core 2.19, ansible/inventory/group.py and ansible/vars/manager.py.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

Key = TypeVar("Key", bound=Hashable)
ALL = "all"


@dataclass(frozen=True, slots=True)
class Layer:
    """The variables of one group, as far as a server gets them. Later layers win."""

    name: str
    depth: int  # the longest way down from ``all``
    priority: int
    variables: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Origin:
    """The value that a variable has on a server, where it comes from and which groups it hides there, last first."""

    value: Any
    source: str  # name of a group, or "" for the server itself
    hidden: tuple[str, ...] = ()


def inverted(edges: Mapping[Key, Iterable[Key]]) -> dict[Key, list[Key]]:
    """Turn children into parents, or back."""
    found: dict[Key, list[Key]] = {}
    for one, others in edges.items():
        for other in others:
            found.setdefault(other, []).append(one)
    return found


def reach(starts: Iterable[Key], edges: Mapping[Key, Iterable[Key]]) -> set[Key]:
    """Return the groups that can be reached along ``edges``, the starting ones included; a circle does no harm."""
    found: set[Key] = set()
    waiting = list(starts)
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting.extend(edges.get(key, ()))
    return found


def path(start: Key, goal: Key, edges: Mapping[Key, Iterable[Key]]) -> list[Key] | None:
    """Return the shortest way from ``start`` to ``goal``, both included; None when there is none."""
    came: dict[Key, Key | None] = {start: None}
    level = [start]
    while level and goal not in came:
        following: list[Key] = []
        for key in level:
            for other in edges.get(key, ()):
                if other not in came:
                    came[other] = key
                    following.append(other)
        level = following
    if goal not in came:
        return None
    way: list[Key] = []
    step: Key | None = goal
    while step is not None:
        way.append(step)
        step = came[step]
    return way[::-1]


def depths(keys: Collection[Key], parents: Mapping[Key, Iterable[Key]]) -> dict[Key, int]:
    """Return the longest way from ``all`` down to each group, 1 for those without parents.

    ``keys`` must hold every ancestor too. Groups in a circle, which the service never lets in, count as far as the
    walk came.
    """
    found: dict[Key, int] = {}
    waiting = {key: len(set(parents.get(key, ()))) for key in keys}
    below = inverted(parents)
    ready = [key for key, count in waiting.items() if count == 0]
    for key in ready:
        found[key] = 1
    while ready:
        key = ready.pop()
        for child in set(below.get(key, ())):
            found[child] = max(found.get(child, 1), found[key] + 1)
            waiting[child] -= 1
            if waiting[child] == 0:
                ready.append(child)
    return {key: found.get(key, 1) for key in keys}


def ordered(layers: Iterable[Layer]) -> list[Layer]:
    """Return layers in the order in which Ansible applies them: by depth, priority, name."""
    return sorted(layers, key=lambda layer: (layer.depth, layer.priority, layer.name))


def effective(layers: Iterable[Layer], own: Mapping[str, Any]) -> dict[str, Origin]:
    """Return the variables of a server by name: groups from ``all`` downwards, then the server's own."""
    found: dict[str, Origin] = {}
    for source, variables in [*((layer.name, layer.variables) for layer in ordered(layers)), ("", own)]:
        for name, value in variables.items():
            before = found.get(name)
            found[name] = Origin(value, source, (before.source, *before.hidden) if before else ())
    return dict(sorted(found.items()))
