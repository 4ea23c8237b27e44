"""Which servers a launch is for: ticked ones and those of a tag or an environment, narrowed by host names."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, or_, select

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import InvalidInput
from app.core.pagination import COUNT_CAP
from app.core.permissions import Permission, can, require
from app.core.runtime import settings
from app.core.tenancy import scoped
from app.inventory.for_run import load_launchable
from app.inventory.models import Connection, Server, ServerTag

_PATTERN = re.compile(r"!?[A-Za-z0-9_*?][A-Za-z0-9_.*?-]{0,254}\Z")
MAX_PATTERNS = 100
OFFERED = 500


@dataclass(frozen=True, slots=True)
class Selection:
    """What was chosen. Servers of ``server_ids``, those with any of ``tags`` and those of ``environment`` add up.

    ``limit`` narrows them: host names separated by commas, ``*`` and ``?`` as wildcards, ``!`` leaves out.
    """

    server_ids: tuple[int, ...] = ()
    tags: tuple[str, ...] = ()
    environment: str | None = None
    limit: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was chosen at all."""
        return not (self.server_ids or self.tags or self.environment)


def choose_servers(actor: Actor, selection: Selection) -> Sequence[Server]:
    """Return the active servers that a selection means, by host name, each once.

    Unknown ids raise NotFound, deactivated ones Conflict, the platform's own machine PermissionDenied unless the
    actor is an admin (a tag or environment leaves it out instead). Nothing chosen, no match or too many:
    InvalidInput.
    """
    if selection.is_empty:
        raise InvalidInput(server_ids="Choose at least one server, a tag or an environment.")
    found = {server.id: server for server in _by_ids(actor, selection.server_ids)}
    if selection.tags or selection.environment:
        found |= {server.id: server for server in _matching(actor, selection)}
    servers = _narrow(found.values(), selection.limit)
    if not servers:
        raise InvalidInput(server_ids="This selection matches no active server. Choose others, or widen the limit.")
    most = settings().max_servers_per_launch
    if len(servers) > most:
        raise InvalidInput(server_ids=f"At most {most:,} servers in one launch. Narrow the selection.")
    return sorted(servers, key=lambda server: server.hostname)


def _by_ids(actor: Actor, ids: Sequence[int]) -> Sequence[Server]:
    most = settings().max_servers_per_launch
    if len(ids) > most:
        raise InvalidInput(server_ids=f"At most {most:,} servers in one launch. Narrow the selection.")
    return load_launchable(actor, ids) if ids else []


def _matching(actor: Actor, selection: Selection) -> Sequence[Server]:
    statement = scoped(actor, Server).where(Server.is_active.is_(True))
    if not can(actor, Permission.SERVER_ADMIN):
        statement = statement.where(Server.is_controller.is_(False), Server.connection != Connection.LOCAL)
    wanted = []
    if selection.environment:
        wanted.append(Server.environment == selection.environment.lower())
    if selection.tags:
        tagged = select(ServerTag.server_id).where(
            ServerTag.tenant_id == actor.tenant_id, ServerTag.tag.in_([tag.lower() for tag in selection.tags])
        )
        wanted.append(Server.id.in_(tagged))
    statement = statement.where(or_(*wanted))
    # One more than allowed is enough to say that there are too many.
    return db.session.scalars(statement.limit(settings().max_servers_per_launch + 1)).all()


def _narrow(servers: Iterable[Server], limit: str | None) -> list[Server]:
    chosen = list(servers)
    if not limit or not limit.strip():
        return chosen
    patterns = [part.strip() for part in limit.split(",") if part.strip()]
    if len(patterns) > MAX_PATTERNS or not all(_PATTERN.match(part) for part in patterns):
        raise InvalidInput(limit="Give host names separated by commas; * and ? are wildcards, ! leaves out.")
    wanted = [part for part in patterns if not part.startswith("!")] or ["*"]
    dropped = [part[1:] for part in patterns if part.startswith("!")]
    return [
        server
        for server in chosen
        if any(fnmatch.fnmatchcase(server.hostname, part) for part in wanted)
        and not any(fnmatch.fnmatchcase(server.hostname, part) for part in dropped)
    ]


def active_hostnames(actor: Actor, names: Sequence[str]) -> set[str]:
    """Return those of ``names`` that are host names of active servers."""
    rows = db.session.scalars(
        scoped(actor, Server).with_only_columns(Server.hostname).where(Server.active_hostname.in_(names))
    )
    return set(rows)


def launch_choices(actor: Actor) -> dict[str, Any]:
    """Return what a launch form offers: ``servers`` (active, at most 500), ``servers_more``, environments, tags."""
    require(actor, Permission.JOB_LAUNCH)
    active = scoped(actor, Server).where(Server.is_active.is_(True))
    if not can(actor, Permission.SERVER_ADMIN):
        active = active.where(Server.is_controller.is_(False), Server.connection != Connection.LOCAL)
    servers = db.session.scalars(active.order_by(Server.hostname).limit(OFFERED)).all()
    count = db.session.scalar(
        select(func.count()).select_from(active.with_only_columns(Server.id).limit(COUNT_CAP).subquery())
    )
    environments = db.session.scalars(
        select(Server.environment)
        .where(Server.tenant_id == actor.tenant_id, Server.is_active.is_(True), Server.environment.is_not(None))
        .distinct()
        .order_by(Server.environment)
        .limit(OFFERED)
    ).all()
    tags = db.session.scalars(
        select(ServerTag.tag)
        .where(ServerTag.tenant_id == actor.tenant_id)
        .distinct()
        .order_by(ServerTag.tag)
        .limit(OFFERED)
    ).all()
    return {
        "servers": servers,
        "servers_more": max(0, (count or 0) - OFFERED),
        "environments": environments,
        "tags": tags,
    }
