"""Commands on server groups: create, update, delete, members, and the variables of all servers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from app.audit import service as audit
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.core.versioning import check_version
from app.inventory import group_draft, queries_groups
from app.inventory.group_draft import GroupInput
from app.inventory.group_graph import ALL
from app.inventory.group_nesting import Edge, check_nesting
from app.inventory.models import Connection, Server
from app.inventory.models_groups import ServerGroup, ServerGroupChild, ServerGroupMember
from app.inventory.queries_groups import Nesting
from app.inventory.trail import group_resource, shown

MAXIMUM_GROUPS = 5_000  # of one tenant: the nesting is read whole
MAXIMUM_CHANGE = 10_000  # members in one request


def create_group(actor: Actor, given: GroupInput) -> ServerGroup:
    """Add a group, with its place in the nesting. Audited.

    Raises InvalidInput by field (also for a circle), NotFound for unknown groups in ``child_ids`` and
    ``parent_ids``, PermissionDenied for what only administrators may set, Conflict for a name that is taken.
    """
    require(actor, Permission.SERVER_EDIT)
    if not given.get("name"):
        raise InvalidInput(name="This is needed.")
    wanted = group_draft.clean(given)
    group_draft.check_variables(actor, None, wanted.get("variables"))
    count = select(func.count()).select_from(ServerGroup).where(ServerGroup.tenant_id == actor.tenant_id)
    if (db.session.scalar(count) or 0) >= MAXIMUM_GROUPS:
        raise Conflict(f"There are {MAXIMUM_GROUPS:,} groups already. Delete some that nobody needs.")
    group = ServerGroup(tenant_id=actor.tenant_id)
    _store(group, wanted)
    nested = _nest(actor, group, given.get("child_ids"), given.get("parent_ids"))
    audit.record(actor, "group:create", group_resource(group), details={**shown(wanted), **nested})
    return group


def update_group(actor: Actor, group_id: int, given: GroupInput, *, version: int | None) -> ServerGroup:
    """Change the given fields; ``child_ids`` and ``parent_ids`` replace the groups directly below and above.

    ``version`` is the one the edit was made from (None: do not compare). Errors as in ``create_group``, besides
    NotFound and VersionConflict. Nothing changed: nothing recorded.
    """
    require(actor, Permission.SERVER_EDIT)
    group = queries_groups.get_group(actor, group_id)
    wanted = group_draft.clean(given)
    changed = {name: value for name, value in wanted.items() if getattr(group, name) != value}
    if "variables" in changed:
        group_draft.check_variables(actor, group.variables, changed["variables"])
    _keep_own_machines(actor, [group.id])
    check_version(group, version)
    before = {name: getattr(group, name) for name in changed}
    nested = _nest(actor, group, given.get("child_ids"), given.get("parent_ids"))
    if not changed and not nested:
        group.version -= 1
        return group
    _store(group, changed)
    old, new = shown(before), shown(changed)
    details = {**audit.changes(old, new, sorted(old | new)), **nested}
    audit.record(actor, "group:update", group_resource(group), details=details)
    return group


def delete_group(actor: Actor, group_id: int, *, version: int | None = None) -> None:
    """Delete a group with its memberships and its place in the nesting; servers and other groups stay. Audited."""
    require(actor, Permission.SERVER_EDIT)
    group = queries_groups.get_group(actor, group_id)
    group_draft.check_variables(actor, group.variables, None)
    _keep_own_machines(actor, [group.id])
    check_version(group, version)
    members = queries_groups.count_members(actor, [group.id]).get(group.id, 0)
    resource = group_resource(group)
    details = {"name": group.name, "members": members, "variables": sorted(group.variables or {})}
    db.session.delete(group)
    db.session.flush()
    audit.record(actor, "group:delete", resource, details=details)


def change_members(
    actor: Actor, group_id: int, *, add: Sequence[int] = (), remove: Sequence[int] = ()
) -> tuple[int, int]:
    """Put servers into a group and take others out; return how many really came and went. Audited when any did.

    Raises NotFound for unknown servers, PermissionDenied for the platform's own machine (administrators),
    InvalidInput for more than 10,000 at once.
    """
    require(actor, Permission.SERVER_EDIT)
    group = queries_groups.get_group(actor, group_id)
    if len(add) + len(remove) > MAXIMUM_CHANGE:
        raise InvalidInput(add_server_ids=f"At most {MAXIMUM_CHANGE:,} servers in one request. Send the rest after it.")
    known = _known_servers(actor, {*add, *remove})
    if any(server_id not in known for server_id in (*add, *remove)):
        raise NotFound("One of these servers")
    if any(known.values()):
        require(actor, Permission.SERVER_ADMIN)
    mine = ServerGroupMember.tenant_id == actor.tenant_id, ServerGroupMember.group_id == group.id
    present = set(db.session.scalars(select(ServerGroupMember.server_id).where(*mine)))
    coming = [server_id for server_id in dict.fromkeys(add) if server_id not in present]
    going = {server_id for server_id in remove if server_id in present and server_id not in add}
    if coming:
        rows = [{"tenant_id": actor.tenant_id, "group_id": group.id, "server_id": server_id} for server_id in coming]
        db.session.execute(insert(ServerGroupMember), rows)
    if going:
        db.session.execute(
            delete(ServerGroupMember)
            .where(*mine, ServerGroupMember.server_id.in_(going))
            .execution_options(synchronize_session=False)
        )
    if coming or going:
        details = {"name": group.name, "added": sorted(coming), "removed": sorted(going)}
        audit.record(actor, "group:members", group_resource(group), action="UPDATE", details=details)
    return len(coming), len(going)


def nest_groups(actor: Actor, pairs: Collection[Edge]) -> set[int]:
    """Put groups into groups, (parent, child) by id, beside what is nested there; return the parents that changed.

    Raises InvalidInput for a circle or too many levels: then none is nested. Audited once for each parent.
    """
    require(actor, Permission.SERVER_EDIT)
    nesting = _locked_nesting(actor)
    coming = set(pairs) - nesting.edges
    if not coming:
        return set()
    check_nesting(nesting.names, nesting.edges | coming, coming)
    _keep_own_machines(actor, {child for _parent, child in coming})
    _write_edges(actor, coming, ())
    parents = {parent for parent, _child in coming}
    for group in queries_groups.list_rows(actor.tenant_id, parents):
        if group.id in parents:
            nested = sorted(nesting.names[child] for parent, child in coming if parent == group.id)
            audit.record(actor, "group:update", group_resource(group), details={"name": group.name, "nested": nested})
    return parents


def set_all_variables(actor: Actor, variables: Mapping[str, Any] | None, *, version: int | None) -> ServerGroup:
    """Replace the variables of every server (Ansible's group ``all``); administrators only, since it reaches the
    platform's own machine too. The row is made by the first change; its version is 0 before. Audited.
    """
    require(actor, Permission.SERVER_ADMIN)
    wanted = group_draft.clean({"variables": dict(variables or {})})["variables"]
    group = queries_groups.find_all(actor.tenant_id)
    if group is None:
        group = ServerGroup(tenant_id=actor.tenant_id, name=ALL, version=0)
    before = group.variables
    check_version(group, version)
    if before == wanted and group.id is not None:
        group.version -= 1
        return group
    _store(group, {"variables": wanted})
    details = audit.changes(shown({"variables": before or {}}), shown({"variables": wanted or {}}), ["variables"])
    audit.record(actor, "group:update", group_resource(group), details={"name": ALL, **details})
    return group


def _store(group: ServerGroup, changed: Mapping[str, Any]) -> None:
    """Write a new or changed row in a savepoint of its own, so that a taken name leaves the unit of work usable.

    The changes are made inside: opening a savepoint writes what waits already.
    """
    name = changed.get("name", group.name)
    try:
        with db.session.begin_nested():
            for field, value in changed.items():
                setattr(group, field, value)
            db.session.add(group)
            db.session.flush()
    except IntegrityError as error:
        message = f"There is a group named '{name}' already. Choose another name, or edit that group."
        raise Conflict(message, errors={"name": [message]}, error="name_taken") from error


def _known_servers(actor: Actor, ids: Collection[int]) -> dict[int, bool]:
    """Return the tenant's servers among ``ids``, and whether each is one of the platform's own machines."""
    rows = db.session.execute(
        select(Server.id, Server.is_controller, Server.connection).where(
            Server.tenant_id == actor.tenant_id, Server.id.in_(ids)
        )
    )
    return {row.id: row.is_controller or row.connection is Connection.LOCAL for row in rows}


def _keep_own_machines(actor: Actor, group_ids: Iterable[int]) -> None:
    """A group with one of the platform's own machines in it, however deep, is changed by administrators only."""
    below = queries_groups.read_nesting(actor.tenant_id).below(group_ids)
    if queries_groups.has_own_machine(actor, below):
        require(actor, Permission.SERVER_ADMIN)


def _nest(
    actor: Actor, group: ServerGroup, child_ids: Sequence[int] | None, parent_ids: Sequence[int] | None
) -> dict[str, Any]:
    """Make these the groups directly below and above; return what changed, by name, for the log."""
    if child_ids is None and parent_ids is None:
        return {}
    nesting = _locked_nesting(actor)
    unknown = {*(child_ids or ()), *(parent_ids or ())} - set(nesting.names)
    if unknown:
        raise NotFound("One of these groups")
    if group.id in (*(child_ids or ()), *(parent_ids or ())):
        raise InvalidInput(child_ids=f"This would be a circle of groups: {group.name} inside itself.")
    edges = nesting.edges
    wanted = set(edges)
    if child_ids is not None:
        wanted = {edge for edge in wanted if edge[0] != group.id} | {(group.id, child) for child in child_ids}
    if parent_ids is not None:
        wanted = {edge for edge in wanted if edge[1] != group.id} | {(parent, group.id) for parent in parent_ids}
    coming, going = wanted - edges, edges - wanted
    if not coming and not going:
        return {}
    check_nesting(nesting.names, wanted, coming)
    _keep_own_machines(actor, {child for _parent, child in coming | going})
    _write_edges(actor, coming, going)
    return {
        "nested": sorted(f"{nesting.names[child]} in {nesting.names[parent]}" for parent, child in coming),
        "taken_out": sorted(f"{nesting.names[child]} of {nesting.names[parent]}" for parent, child in going),
    }


def _locked_nesting(actor: Actor) -> Nesting:
    """Return the nesting for a change of it: one at a time, since two could close a circle that neither sees."""
    db.session.execute(scoped(actor, ServerGroup).with_only_columns(ServerGroup.id).with_for_update()).all()
    return queries_groups.read_nesting(actor.tenant_id)


def _write_edges(actor: Actor, coming: Collection[Edge], going: Collection[Edge]) -> None:
    if coming:
        rows = [{"tenant_id": actor.tenant_id, "parent_id": one, "child_id": other} for one, other in sorted(coming)]
        db.session.execute(insert(ServerGroupChild), rows)
    for parent, child in going:
        db.session.execute(
            delete(ServerGroupChild)
            .where(
                ServerGroupChild.tenant_id == actor.tenant_id,
                ServerGroupChild.parent_id == parent,
                ServerGroupChild.child_id == child,
            )
            .execution_options(synchronize_session=False)
        )
