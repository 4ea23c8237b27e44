"""What an inventory that was read means here: servers with fields and variables, groups, tags, environments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.core.errors import InvalidInput
from app.inventory import group_draft, group_graph, group_names, values
from app.inventory.group_draft import PRIORITY_VARIABLE
from app.inventory.group_graph import Layer
from app.inventory.group_names import ENVIRONMENT, TAG
from app.inventory.inventory_fields import FIELD_OF, NO_PASSWORDS, PASSWORD, UnusableField, read_fields
from app.inventory.inventory_text import ALL, UNGROUPED, Found, FoundHost, LeftOut

FOR_ADMINISTRATORS = "only administrators may set it"


@dataclass(slots=True)
class PlannedHost:
    """One host: ``hostname`` as it would be stored, the fields it sets, its variables, its place. ``refused`` says
    why it cannot be taken over.
    """

    name: str
    line: int | None
    hostname: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    environment: str | None = None
    left_out: list[tuple[str, str]] = field(default_factory=list)  # variable or group, reason
    notes: list[str] = field(default_factory=list)
    refused: str | None = None


@dataclass(slots=True)
class PlannedGroup:
    """One group with the inventory names of its direct hosts.

    ``refused`` says why it cannot be taken over; ``instead`` what its servers get in place of it (a tag).
    """

    name: str
    line: int | None
    variables: dict[str, Any] = field(default_factory=dict)
    priority: int | None = None
    hosts: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    refused: str | None = None
    instead: str | None = None


@dataclass(slots=True)
class Plan:
    """The whole inventory. ``all_variables`` are those of every server of the tenant (empty with ``into``)."""

    hosts: dict[str, PlannedHost]
    groups: dict[str, PlannedGroup]
    everybody: PlannedGroup
    warnings: list[str]


def make_plan(found: Found, *, is_admin: bool, into: str | None = None) -> Plan:
    """Return what to do. ``into`` names a group that takes the place of ``all``: its members are the hosts that no
    group has, its children the outermost groups, its variables those of ``all``.

    Raises InvalidInput for a circle of groups or a name that ``into`` cannot be.
    """
    named = {name: group for name, group in found.groups.items() if name not in (ALL, UNGROUPED)}
    _refuse_circles(named)
    groups = {name: _group(found, name, is_admin=is_admin) for name in named}
    everybody = _group(found, ALL, is_admin=is_admin) if ALL in found.groups else PlannedGroup(ALL, None)
    everybody.hosts, everybody.children, everybody.refused, everybody.priority = [], [], None, None
    if UNGROUPED in found.groups and found.groups[UNGROUPED].variables:
        everybody.left_out += [(name, "it belongs to 'ungrouped'") for name in found.groups[UNGROUPED].variables]
    hosts = _hosts(found, named, is_admin=is_admin)
    if into is not None:
        everybody = _into(into, everybody, groups, hosts)
    _tags_and_environments(found, groups, hosts)
    _bridge(found, groups)
    return Plan(hosts, groups, everybody, list(found.warnings))


def _refuse_circles(named: Mapping[str, Any]) -> None:
    children = {name: [child for child in group.children if child in named] for name, group in named.items()}
    for name, below in children.items():
        for child in below:
            way = group_graph.path(child, name, children)
            if way is not None:
                raise InvalidInput(inventory=f"The groups make a circle: {' > '.join([name, *way])[:500]}.")


def _group(found: Found, name: str, *, is_admin: bool) -> PlannedGroup:
    source = found.groups[name]
    planned = PlannedGroup(name, source.line)
    try:
        group_names.group_name(name)
    except ValueError as error:
        planned.refused = str(error)
    given = dict(source.variables)
    if PRIORITY_VARIABLE in given:
        try:
            planned.priority = group_draft.priority(int(given.pop(PRIORITY_VARIABLE)))
        except (TypeError, ValueError) as error:
            planned.left_out.append((PRIORITY_VARIABLE, str(error)))
    # What says how servers are reached stands on each server afterwards.
    rest = {key: value for key, value in given.items() if key not in FIELD_OF}
    planned.variables = _variables(rest, planned.left_out, is_admin=is_admin)
    planned.hosts, planned.children = list(source.hosts), list(source.children)
    return planned


def _variables(given: Mapping[str, Any], left_out: list[tuple[str, str]], *, is_admin: bool) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in given.items():
        try:
            if PASSWORD.match(name):
                raise ValueError(NO_PASSWORDS)
            if isinstance(value, LeftOut):
                raise ValueError(value.reason)
            values.variables({name: value})
            if not is_admin and values.privileged_variables({name: value}):
                raise ValueError(FOR_ADMINISTRATORS)
            kept[name] = value
        except ValueError as error:
            left_out.append((name[:100], str(error)))
    return kept


def _hosts(found: Found, named: Mapping[str, Any], *, is_admin: bool) -> dict[str, PlannedHost]:
    parents = group_graph.inverted(
        {name: [child for child in group.children if child in named] for name, group in named.items()}
    )
    depth = group_graph.depths(list(named), parents)
    direct: dict[str, list[str]] = {}
    for group in named.values():
        for host in group.hosts:
            direct.setdefault(host, []).append(group.name)
    layers = {
        name: _connection_layer(found, name, depth.get(name, 0)) for name in (*named, ALL) if name in found.groups
    }
    known: dict[tuple[str, ...], list[Layer]] = {}
    seen: dict[str, str] = {}
    planned = {}
    for host in found.hosts.values():
        key = tuple(direct.get(host.name, ()))
        if key not in known:
            above = [*group_graph.reach(key, parents), *([ALL] if ALL in layers else [])]
            known[key] = [layers[name] for name in above if layers[name].variables]
        one = planned[host.name] = _host(host, known[key], is_admin=is_admin)
        if one.refused is None and one.hostname in seen:
            one.refused = f"'{seen[one.hostname]}' of the same inventory has this name already."
        seen.setdefault(one.hostname, host.name)
    return planned


def _connection_layer(found: Found, name: str, depth: int) -> Layer:
    group = found.groups[name]
    given = {key: value for key, value in group.variables.items() if key in FIELD_OF}
    priority = group.variables.get(PRIORITY_VARIABLE, 1)
    return Layer(name, depth, priority if isinstance(priority, int) else 1, given)


def _host(host: FoundHost, layers: list[Layer], *, is_admin: bool) -> PlannedHost:
    planned = PlannedHost(host.name, host.line)
    try:
        planned.hostname = values.hostname(host.name)
    except ValueError as error:
        planned.refused = str(error)
        return planned
    if planned.hostname != host.name:
        planned.notes.append(f"Stored as {planned.hostname}: host names are kept in lower case.")
    own = {name: value for name, value in host.variables.items() if name in FIELD_OF}
    effective = {name: origin.value for name, origin in group_graph.effective(layers, own).items()}
    try:
        read = read_fields(effective)
    except UnusableField as error:
        planned.refused = f"{error.name}: {error}"
        return planned
    planned.fields, planned.left_out = read.fields, read.left_out
    if "ssh_key_path" in planned.fields and not is_admin:
        planned.left_out.append(("ansible_ssh_private_key_file", FOR_ADMINISTRATORS))
        del planned.fields["ssh_key_path"]
    rest = {name: value for name, value in host.variables.items() if name not in FIELD_OF}
    planned.variables = _variables(rest, planned.left_out, is_admin=is_admin)
    return planned


def _into(
    into: str, everybody: PlannedGroup, groups: dict[str, PlannedGroup], hosts: Mapping[str, PlannedHost]
) -> PlannedGroup:
    try:
        name = group_names.group_name(into)
    except ValueError as error:
        raise InvalidInput(into=str(error)) from None
    grouped = {host for group in groups.values() for host in group.hosts}
    nested = {child for group in groups.values() for child in group.children}
    top = groups.setdefault(name, PlannedGroup(name, None))
    top.variables = {**everybody.variables, **top.variables}
    top.left_out = [*everybody.left_out, *top.left_out]
    outermost = [key for key in groups if key not in nested and key != name]
    if name in nested:
        raise InvalidInput(into=f"'{name}' is inside another group of this inventory. Choose a new name.")
    top.children += [key for key in outermost if key not in top.children]
    top.hosts += [host for host in hosts if host not in grouped]
    return PlannedGroup(ALL, None)


def _tags_and_environments(found: Found, groups: dict[str, PlannedGroup], hosts: Mapping[str, PlannedHost]) -> None:
    """Groups named tag_... and env_... become tags and the environment of their servers."""
    for name in [name for name in groups if name.startswith((TAG, ENVIRONMENT))]:
        group = groups[name]
        group.left_out += [(key, "such a group holds no variables here: it comes from tags") for key in group.variables]
        group.variables, group.hosts, group.children = {}, [], []
        prefix = TAG if name.startswith(TAG) else ENVIRONMENT
        try:
            word = values.word(name.removeprefix(prefix))
        except ValueError as error:
            group.refused = str(error)
            continue
        group.refused, group.instead = (
            None,
            f"Kept as the {'tag' if prefix == TAG else 'environment'} '{word}' of its servers.",
        )
        for host in found.members(name):
            if prefix == TAG:
                hosts[host].tags.append(word)
            else:
                hosts[host].environment = word


def _bridge(found: Found, groups: Mapping[str, PlannedGroup]) -> None:
    """Hosts that reach a group only through one that is not taken over become its direct members."""
    for group in groups.values():
        for child in group.children:
            inner = groups.get(child)
            if inner is not None and (inner.refused is not None or inner.instead is not None):
                group.hosts += [host for host in found.members(child) if host not in group.hosts]
