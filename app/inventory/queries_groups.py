"""Reads of server groups. The nesting is read whole (ids and names only); everything else is by page."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Select, func, or_, select, true

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import InvalidInput, NotFound
from app.core.pagination import Page, paginate
from app.core.permissions import Permission, require
from app.core.searching import escaped
from app.core.sorting import SortKeys
from app.core.tenancy import scoped
from app.inventory import group_graph
from app.inventory.group_graph import ALL, Layer, Origin
from app.inventory.models import Connection, Server
from app.inventory.models_groups import ServerGroup, ServerGroupChild, ServerGroupMember
from app.inventory.queries import MAXIMUM_ID

SORT = SortKeys("name", {"name": ServerGroup.name, "created": ServerGroup.id})
MEMBER_SORT = SortKeys("hostname", {"hostname": Server.hostname})
OFFERED = 1_000


@dataclass(frozen=True, slots=True)
class Nesting:
    """All groups of a tenant by id, and who is directly inside whom."""

    names: dict[int, str]
    children: dict[int, list[int]]
    parents: dict[int, list[int]] = field(default_factory=dict)

    @property
    def edges(self) -> set[tuple[int, int]]:
        """The pairs (parent, child)."""
        return {(parent, child) for parent, below in self.children.items() for child in below}

    def above(self, ids: Iterable[int]) -> set[int]:
        """The groups and all their ancestors."""
        return group_graph.reach(ids, self.parents)

    def below(self, ids: Iterable[int]) -> set[int]:
        """The groups and all that is nested in them."""
        return group_graph.reach(ids, self.children)

    def sorted_names(self, ids: Iterable[int]) -> list[str]:
        """Names of groups by the alphabet."""
        return sorted(self.names[key] for key in ids)


def read_nesting(tenant_id: int) -> Nesting:
    """Return the nesting of a tenant's groups; two queries. The row of ``all`` has no place in it."""
    rows = db.session.execute(
        select(ServerGroup.id, ServerGroup.name).where(ServerGroup.tenant_id == tenant_id, ServerGroup.name != ALL)
    )
    names = {row.id: row.name for row in rows}
    children: dict[int, list[int]] = {}
    edges = db.session.execute(
        select(ServerGroupChild.parent_id, ServerGroupChild.child_id).where(ServerGroupChild.tenant_id == tenant_id)
    )
    for parent, child in edges:
        children.setdefault(parent, []).append(child)
    return Nesting(names, children, group_graph.inverted(children))


def list_groups(
    actor: Actor,
    *,
    text: str | None = None,
    page: int = 1,
    page_size: int = 50,
    after: int | None = None,
    sort: str | None = None,
) -> Page[ServerGroup]:
    """Return one page of groups by name; ``text`` is looked for in names. ``all`` is not among them."""
    require(actor, Permission.SERVER_VIEW)
    statement = scoped(actor, ServerGroup).where(ServerGroup.name != ALL)
    if text is not None and text.strip():
        statement = statement.where(_named_like(text.strip()))
    return paginate(statement, ServerGroup.id, page=page, page_size=page_size, after=after, sort=SORT.pick(sort))


def _named_like(text: str) -> ColumnElement[bool]:
    if not text.isascii():  # the column is ASCII, and a server refuses to compare
        return ServerGroup.id.is_(None)
    return ServerGroup.name.icontains(text, autoescape=True)


def get_group(actor: Actor, group_id: int) -> ServerGroup:
    """Return one group; NotFound for another tenant's and for ``all`` (see ``find_all``)."""
    require(actor, Permission.SERVER_VIEW)
    found = None
    if group_id <= MAXIMUM_ID:
        found = db.session.scalar(scoped(actor, ServerGroup).where(ServerGroup.id == group_id, ServerGroup.name != ALL))
    if found is None:
        raise NotFound("This group")
    return found


def find_all(tenant_id: int) -> ServerGroup | None:
    """Return the row that holds the variables of every server, if it was made yet."""
    return db.session.scalar(select(ServerGroup).where(ServerGroup.tenant_id == tenant_id, ServerGroup.name == ALL))


def view_all(actor: Actor) -> ServerGroup | None:
    """Return the row of ``all`` to whoever may see servers."""
    require(actor, Permission.SERVER_VIEW)
    return find_all(actor.tenant_id)


def find_groups(actor: Actor, named: Sequence[str]) -> list[int]:
    """Return the ids of groups given by name or uuid. InvalidInput names those that are not there."""
    require(actor, Permission.SERVER_VIEW)
    wanted = [word for word in dict.fromkeys(named) if word.isascii() and 0 < len(word) <= 100]
    rows = db.session.execute(
        select(ServerGroup.id, ServerGroup.name, ServerGroup.uuid).where(
            ServerGroup.tenant_id == actor.tenant_id,
            ServerGroup.name != ALL,
            or_(ServerGroup.name.in_(wanted), ServerGroup.uuid.in_(wanted)),
        )
    ).all()
    known = {word for row in rows for word in (row.name, row.uuid)}
    missing = [word for word in named if word not in known]
    if missing:
        raise InvalidInput(groups=f"There is no group '{missing[0][:100]}'. Check the name on the page of groups.")
    return [row.id for row in rows]


def count_members(actor: Actor, group_ids: Collection[int]) -> dict[int, int]:
    """Return how many active servers are directly in each group; one query."""
    require(actor, Permission.SERVER_VIEW)
    rows = db.session.execute(
        select(ServerGroupMember.group_id, func.count())
        .join(Server, (Server.tenant_id == ServerGroupMember.tenant_id) & (Server.id == ServerGroupMember.server_id))
        .where(
            ServerGroupMember.tenant_id == actor.tenant_id,
            ServerGroupMember.group_id.in_(group_ids),
            Server.is_active == true(),
        )
        .group_by(ServerGroupMember.group_id)
    )
    return {row[0]: row[1] for row in rows}


def servers_in(tenant_id: int, group_ids: Collection[int]) -> Select[int]:
    """Return the SELECT of the ids of servers directly in any of the groups."""
    return select(ServerGroupMember.server_id).where(
        ServerGroupMember.tenant_id == tenant_id, ServerGroupMember.group_id.in_(group_ids)
    )


def list_members(
    actor: Actor,
    group_ids: Collection[int],
    *,
    page: int = 1,
    page_size: int = 50,
    after: int | None = None,
) -> Page[Server]:
    """Return one page of the servers in any of the groups, by host name, inactive ones too."""
    require(actor, Permission.SERVER_VIEW)
    statement = scoped(actor, Server).where(Server.id.in_(servers_in(actor.tenant_id, group_ids)))
    return paginate(statement, Server.id, page=page, page_size=page_size, after=after, sort=MEMBER_SORT.pick(None))


def memberships(tenant_id: int, server_ids: Collection[int]) -> dict[int, list[int]]:
    """Return the ids of the groups that each server is directly in, by server; one query."""
    found: dict[int, list[int]] = {}
    rows = db.session.execute(
        select(ServerGroupMember.server_id, ServerGroupMember.group_id).where(
            ServerGroupMember.tenant_id == tenant_id, ServerGroupMember.server_id.in_(server_ids)
        )
    )
    for server_id, group_id in rows:
        found.setdefault(server_id, []).append(group_id)
    return found


def has_own_machine(actor: Actor, group_ids: Collection[int]) -> bool:
    """Say whether one of the platform's own machines (controller, local connection) is in any of the groups."""
    require(actor, Permission.SERVER_VIEW)
    own = or_(Server.is_controller == true(), Server.connection == Connection.LOCAL)
    statement = scoped(actor, Server).where(Server.id.in_(servers_in(actor.tenant_id, group_ids)), own)
    return db.session.scalar(statement.with_only_columns(Server.id).limit(1)) is not None


def list_rows(tenant_id: int, group_ids: Collection[int]) -> Sequence[ServerGroup]:
    """Return these groups and the row of ``all``, if there is one."""
    return db.session.scalars(
        select(ServerGroup).where(
            ServerGroup.tenant_id == tenant_id, or_(ServerGroup.name == ALL, ServerGroup.id.in_(group_ids))
        )
    ).all()


def layers_of(tenant_id: int, nesting: Nesting, direct: Iterable[int]) -> list[Layer]:
    """Return the variables of ``all``, of the given groups and of all their ancestors, in Ansible's order."""
    above = nesting.above(direct)
    depth = group_graph.depths(above, {key: nesting.parents.get(key, ()) for key in above})
    rows = list_rows(tenant_id, above)
    return group_graph.ordered(
        Layer(row.name, 0 if row.name == ALL else depth[row.id], row.priority, row.variables or {}) for row in rows
    )


def effective_variables(actor: Actor, server: Server) -> dict[str, Origin]:
    """Return every variable of a server with the group it comes from; four queries."""
    require(actor, Permission.SERVER_VIEW)
    direct = memberships(actor.tenant_id, [server.id]).get(server.id, [])
    layers = layers_of(actor.tenant_id, read_nesting(actor.tenant_id), direct)
    return group_graph.effective(layers, server.variables or {})


def group_choices(actor: Actor) -> list[tuple[int, str]]:
    """Return (id, name) of groups by name, at most 1,000, for choosing one."""
    require(actor, Permission.SERVER_VIEW)
    rows = db.session.execute(
        select(ServerGroup.id, ServerGroup.name)
        .where(ServerGroup.tenant_id == actor.tenant_id, ServerGroup.name != ALL)
        .order_by(ServerGroup.name)
        .limit(OFFERED)
    )
    return [(row.id, row.name) for row in rows]


def find_named_servers(actor: Actor, words: Sequence[str]) -> tuple[list[int], list[str]]:
    """Return the ids of active servers by name (``*`` stands for anything), and the words that no server has.

    At most 1,000 names and 20 patterns: InvalidInput above. One query, and one for each pattern.
    """
    require(actor, Permission.SERVER_VIEW)
    patterns = [word for word in words if "*" in word]
    names = [word for word in words if "*" not in word]
    if len(names) > 1_000 or len(patterns) > 20:
        raise InvalidInput(names="At most 1,000 names and 20 patterns at once.")
    active = scoped(actor, Server).where(Server.is_active == true())
    rows = db.session.execute(
        active.with_only_columns(Server.id, Server.hostname).where(Server.active_hostname.in_(names))
    ).all()
    found = {row.id: row.hostname for row in rows}
    missing = sorted(set(names) - set(found.values()))
    for pattern in patterns:
        named = Server.hostname.like(escaped(pattern).replace("*", "%"), escape="/")
        matched = active.with_only_columns(Server.id, Server.hostname).where(named)
        more = {row.id: row.hostname for row in db.session.execute(matched.limit(10_000))}
        missing += [] if more else [pattern]
        found |= more
    return list(found), missing
