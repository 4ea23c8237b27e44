"""The groups of a run's servers: nested as at the shell, with their variables, and those that come by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.inventory import group_graph, queries_groups
from app.inventory.group_draft import PRIORITY_VARIABLE
from app.inventory.group_names import automatic_groups
from app.inventory.models import Server
from app.inventory.models_groups import ServerGroup
from app.inventory.queries_groups import Nesting


@dataclass(frozen=True, slots=True)
class RunGroup:
    """One group of a run: its direct servers (by host name), the groups inside it, its variables."""

    hosts: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunGroups:
    """All groups that any of the servers is in, by name, and the variables of ``all``."""

    groups: dict[str, RunGroup]
    all_variables: Mapping[str, Any]


def groups_of(tenant_id: int, servers: Sequence[Server]) -> RunGroups:
    """Return the groups of these servers of one tenant; four queries however many servers.

    A group without any of the servers is left out: in a run ``groups['db']`` is not there rather than empty, so that
    a template fails instead of writing an empty list. Runs inside the tenant's scope or the system scope.
    """
    nesting = queries_groups.read_nesting(tenant_id)
    direct = queries_groups.memberships(tenant_id, [server.id for server in servers])
    rows = {row.name: row for row in queries_groups.list_rows(tenant_id, nesting.above(_all_of(direct)))}
    everybody = rows.pop(group_graph.ALL, None)
    members: dict[int, list[str]] = {}
    for server in servers:
        for group_id in direct.get(server.id, ()):
            members.setdefault(group_id, []).append(server.hostname)
    found = {name: _group(row, members.get(row.id, []), nesting, rows) for name, row in sorted(rows.items())}
    found |= _automatic(servers, found)
    return RunGroups(found, (everybody.variables if everybody else None) or {})


def group_names_of(tenant_id: int, servers: Sequence[Server]) -> dict[int, set[str]]:
    """Return the names of all groups that each server is in, ``all`` included, by server; three queries."""
    nesting = queries_groups.read_nesting(tenant_id)
    direct = queries_groups.memberships(tenant_id, [server.id for server in servers])
    above: dict[tuple[int, ...], set[str]] = {}
    found: dict[int, set[str]] = {}
    for server in servers:
        key = tuple(sorted(direct.get(server.id, ())))
        if key not in above:
            above[key] = {nesting.names[group_id] for group_id in nesting.above(key)} | {group_graph.ALL}
        found[server.id] = above[key] | set(automatic_groups(server.tags, server.environment))
    return found


def _all_of(direct: Mapping[int, list[int]]) -> set[int]:
    return {group_id for ids in direct.values() for group_id in ids}


def _group(row: ServerGroup, hosts: list[str], nesting: Nesting, rows: Mapping[str, ServerGroup]) -> RunGroup:
    children = [nesting.names[child] for child in nesting.children.get(row.id, ())]
    variables = dict(row.variables or {})
    if row.priority != 1:
        variables[PRIORITY_VARIABLE] = row.priority
    return RunGroup(sorted(hosts), sorted(child for child in children if child in rows), variables)


def _automatic(servers: Sequence[Server], named: Mapping[str, RunGroup]) -> dict[str, RunGroup]:
    """Tags and environments; a server of the same name keeps its name for itself."""
    taken = {server.hostname for server in servers} | set(named)
    members: dict[str, list[str]] = {}
    for server in servers:
        for name in automatic_groups(server.tags, server.environment):
            if name not in taken:
                members.setdefault(name, []).append(server.hostname)
    return {name: RunGroup(hosts) for name, hosts in sorted(members.items())}
