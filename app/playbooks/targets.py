"""Which servers a launch is for: ticked ones and those of a group, a tag or an environment, narrowed by names."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import false, func, or_, select, true

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import InvalidInput
from app.core.pagination import COUNT_CAP
from app.core.permissions import Permission, can, require
from app.core.runtime import settings
from app.core.tenancy import scoped
from app.core.words_in_use import words_in_use
from app.inventory import queries_groups
from app.inventory.for_run import load_launchable
from app.inventory.groups_for_run import group_names_of
from app.inventory.models import Connection, Server, ServerTag

_PATTERN = re.compile(r"[!&]?[A-Za-z0-9_*?][A-Za-z0-9_.*?-]{0,254}\Z")
MAX_PATTERNS = 100
MAX_BEFORE_LIMIT = 20_000  # servers among which a limit looks
NOTHING_CHOSEN = "Choose at least one server, a group, a tag or an environment."
OFFERED = 500
WORDS = 200  # environments and tags offered


@dataclass(frozen=True, slots=True)
class Selection:
    """What was chosen. Servers of ``server_ids``, of ``groups``, with any of ``tags`` and of ``environment`` add up.

    ``groups`` are names or uuids; the groups nested in them count. ``limit`` narrows: names of hosts or groups
    separated by commas, ``*`` and ``?`` as wildcards, ``!`` leaves out, ``&`` keeps only those that are in it too.
    """

    server_ids: tuple[int, ...] = ()
    groups: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    environment: str | None = None
    limit: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was chosen at all."""
        return not (self.server_ids or self.groups or self.tags or self.environment)


def choose_servers(actor: Actor, selection: Selection) -> Sequence[Server]:
    """Return the active servers that a selection means, by host name, each once.

    Unknown ids raise NotFound, deactivated ones Conflict, the platform's own machine PermissionDenied unless the
    actor is an admin (a group, tag or environment leaves it out instead). Nothing chosen, an unknown group, no match
    or too many: InvalidInput.
    """
    if selection.is_empty:
        raise InvalidInput(server_ids=NOTHING_CHOSEN)
    found = {server.id: server for server in _by_ids(actor, selection.server_ids)}
    if selection.groups or selection.tags or selection.environment:
        found |= {server.id: server for server in _matching(actor, selection)}
    servers = _narrow(actor, found.values(), selection.limit)
    if not servers:
        raise InvalidInput(server_ids="This selection matches no active server. Choose others, or widen the limit.")
    most = settings().max_servers_per_launch
    if len(servers) > most:
        raise InvalidInput(server_ids=f"At most {most:,} servers in one launch. Narrow the selection.")
    return sorted(servers, key=lambda server: server.hostname)


def check_selection(actor: Actor, selection: Selection) -> None:
    """Raise as ``choose_servers`` does for servers and groups that are named and for the limit; no match is fine."""
    _by_ids(actor, selection.server_ids)
    if selection.groups:
        queries_groups.find_groups(actor, selection.groups)
    _narrow(actor, (), selection.limit)


def _by_ids(actor: Actor, ids: Sequence[int]) -> Sequence[Server]:
    most = settings().max_servers_per_launch
    if len(ids) > most:
        raise InvalidInput(server_ids=f"At most {most:,} servers in one launch. Narrow the selection.")
    return load_launchable(actor, ids) if ids else []


def _matching(actor: Actor, selection: Selection) -> Sequence[Server]:
    statement = scoped(actor, Server).where(Server.is_active == true())
    if not can(actor, Permission.SERVER_ADMIN):
        statement = statement.where(Server.is_controller == false(), Server.connection != Connection.LOCAL)
    wanted = []
    if selection.environment:
        wanted.append(Server.environment == selection.environment.lower())
    if selection.tags:
        tagged = select(ServerTag.server_id).where(
            ServerTag.tenant_id == actor.tenant_id, ServerTag.tag.in_([tag.lower() for tag in selection.tags])
        )
        wanted.append(Server.id.in_(tagged))
    if selection.groups:
        groups = queries_groups.find_groups(actor, selection.groups)
        below = queries_groups.read_nesting(actor.tenant_id).below(groups)
        wanted.append(Server.id.in_(queries_groups.servers_in(actor.tenant_id, below)))
    statement = statement.where(or_(*wanted))
    # One more than allowed is enough to say that there are too many; a limit still has to find its servers among all.
    most = MAX_BEFORE_LIMIT if selection.limit else settings().max_servers_per_launch
    found = db.session.scalars(statement.limit(most + 1)).all()
    if len(found) > most:
        raise InvalidInput(server_ids=f"More than {most:,} servers are chosen. Narrow the selection.")
    return found


def _narrow(actor: Actor, servers: Iterable[Server], limit: str | None) -> list[Server]:
    chosen = list(servers)
    if not limit or not limit.strip():
        return chosen
    patterns = [part.strip() for part in limit.split(",") if part.strip()]
    if len(patterns) > MAX_PATTERNS or not all(_PATTERN.match(part) for part in patterns):
        raise InvalidInput(
            limit="Give names of hosts or groups separated by commas; * and ? are wildcards, ! leaves out, & keeps."
        )
    wanted = [part for part in patterns if part[0] not in "!&"] or ["*"]
    needed = [part[1:] for part in patterns if part.startswith("&")]
    dropped = [part[1:] for part in patterns if part.startswith("!")]
    groups = group_names_of(actor.tenant_id, chosen)

    def matches(server: Server, pattern: str) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for name in (server.hostname, *groups[server.id]))

    return [
        server
        for server in chosen
        if any(matches(server, part) for part in wanted)
        and all(matches(server, part) for part in needed)
        and not any(matches(server, part) for part in dropped)
    ]


def active_hostnames(actor: Actor, names: Sequence[str]) -> set[str]:
    """Return those of ``names`` that are host names of active servers."""
    rows = db.session.scalars(
        scoped(actor, Server).with_only_columns(Server.hostname).where(Server.active_hostname.in_(names))
    )
    return set(rows)


def launch_choices(actor: Actor) -> dict[str, Any]:
    """Return what a launch form offers: ``servers`` (active, at most 500), ``servers_more``, environments, tags,
    ``groups`` (their names) and ``groups_of`` (names by server id; of the servers that are offered).
    """
    require(actor, Permission.JOB_LAUNCH)
    active = scoped(actor, Server).where(Server.is_active == true())
    if not can(actor, Permission.SERVER_ADMIN):
        active = active.where(Server.is_controller == false(), Server.connection != Connection.LOCAL)
    servers = db.session.scalars(active.order_by(Server.hostname).limit(OFFERED)).all()
    count = db.session.scalar(
        select(func.count()).select_from(active.with_only_columns(Server.id).limit(COUNT_CAP).subquery())
    )
    of_tenant = Server.tenant_id == actor.tenant_id
    environments = words_in_use(Server.environment, of_tenant, Server.is_active == true(), limit=WORDS)
    tags = words_in_use(ServerTag.tag, ServerTag.tenant_id == actor.tenant_id, limit=WORDS)
    return {
        "servers": servers,
        "servers_more": max(0, (count or 0) - OFFERED),
        "environments": environments,
        "tags": tags,
        "groups": [name for _id, name in queries_groups.group_choices(actor)],
        "groups_of": {key: sorted(names) for key, names in group_names_of(actor.tenant_id, servers).items()},
    }


def choices_with(actor: Actor, server_ids: Sequence[int]) -> tuple[dict[str, Any], int]:
    """Return ``launch_choices`` with these servers among the offered, and how many of them cannot be launched on."""
    require(actor, Permission.JOB_LAUNCH)
    choices = launch_choices(actor)
    offered = {server.id for server in choices["servers"]}
    missing = [server_id for server_id in dict.fromkeys(server_ids) if server_id not in offered and server_id < 2**31]
    active = scoped(actor, Server).where(Server.is_active == true(), Server.id.in_(missing))
    if not can(actor, Permission.SERVER_ADMIN):
        active = active.where(Server.is_controller == false(), Server.connection != Connection.LOCAL)
    more = db.session.scalars(active.order_by(Server.hostname)).all() if missing else []
    choices["servers"] = [*more, *choices["servers"]]
    return choices, len(missing) - len(more)
