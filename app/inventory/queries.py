"""Reads of the inventory. Every statement starts from what the actor may see."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Select, func, or_, select, true

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.core.pagination import COUNT_CAP, Page, paginate
from app.core.permissions import Permission, require
from app.core.searching import begins
from app.core.sorting import SortKeys
from app.core.tenancy import scoped
from app.core.words_in_use import words_in_use
from app.inventory.models import Connection, HostKey, Server, ServerTag
from app.inventory.models_kept import ServerFactValue, ServerLastJob

PALETTE_LIMIT = 20
MAXIMUM_ID = 2**31 - 1


class TestResult(StrEnum):
    """How the last connection test went, for filters."""

    OK = "ok"
    FAILED = "failed"
    NEVER = "never"


LAST_JOB_NONE = "none"


@dataclass(frozen=True, slots=True)
class ServerFilter:
    """What a list shows; None means any. ``text`` is looked for in names and at the beginning of addresses."""

    environment: str | None = None
    tag: str | None = None
    connection: Connection | None = None
    is_active: bool | None = None
    text: str | None = None
    os_type: str | None = None
    test: TestResult | None = None
    last_job: str | None = None  # success, failed, cancelled, or "none": nothing ended on it yet
    fact: tuple[str, str] | None = None  # short name and word, see inventory.facts.parse_wanted


_ADDRESS = re.compile(r"[0-9]+\.[0-9.]*\Z|[0-9a-f]*:[0-9a-f:.]*\Z")  # the beginning of one, IPv4 or IPv6

SORTS = SortKeys(
    "-id",
    {"id": Server.id, "hostname": Server.hostname, "ip_address": Server.ip_address, "os_type": Server.os_type},
)


def _is_small(actor: Actor) -> bool:
    ids = select(Server.id).where(Server.tenant_id == actor.tenant_id).limit(COUNT_CAP + 1).subquery()
    return (db.session.scalar(select(func.count()).select_from(ids)) or 0) <= COUNT_CAP


def _kept(actor: Actor, statement: Select[Server], wanted: ServerFilter) -> Select[Server]:
    """Narrow by what is kept beside servers: last test, last job, facts."""
    if wanted.test is TestResult.OK:
        statement = statement.where(Server.last_test_code == "ok")
    elif wanted.test is TestResult.FAILED:
        statement = statement.where(Server.last_test_code.is_not(None), Server.last_test_code != "ok")
    elif wanted.test is TestResult.NEVER:
        statement = statement.where(Server.last_test_code.is_(None))
    if wanted.last_job == LAST_JOB_NONE:
        known = select(ServerLastJob.id).where(
            ServerLastJob.tenant_id == actor.tenant_id, ServerLastJob.server_id == Server.id
        )
        statement = statement.where(~known.exists())
    elif wanted.last_job is not None:
        ended = select(ServerLastJob.server_id).where(
            ServerLastJob.tenant_id == actor.tenant_id, ServerLastJob.status == wanted.last_job
        )
        statement = statement.where(Server.id.in_(ended))
    if wanted.fact is not None:
        name, value = wanted.fact
        holding = select(ServerFactValue.server_id).where(
            ServerFactValue.tenant_id == actor.tenant_id, ServerFactValue.name == name, ServerFactValue.value == value
        )
        statement = statement.where(Server.id.in_(holding))
    return statement


def _filtered(actor: Actor, wanted: ServerFilter) -> Select[Server]:
    statement = _kept(actor, scoped(actor, Server), wanted)
    if wanted.os_type:
        statement = statement.where(Server.os_type == wanted.os_type.lower())
    if wanted.is_active is not None:
        statement = statement.where(Server.is_active == wanted.is_active)
    if wanted.environment:
        statement = statement.where(Server.environment == wanted.environment.lower())
    if wanted.connection is not None:
        statement = statement.where(Server.connection == wanted.connection)
    if wanted.tag:
        tagged = select(ServerTag.server_id).where(
            ServerTag.tenant_id == actor.tenant_id, ServerTag.tag == wanted.tag.lower()
        )
        statement = statement.where(Server.id.in_(tagged))
    if wanted.text:
        # A leading wildcard reads every row: fine for 10,000, not for 1,000,000. There an index finds beginnings.
        text = wanted.text.strip().lower()
        if _is_small(actor):
            named = Server.hostname.contains(text, autoescape=True)
            statement = statement.where(or_(named, begins(Server.ip_address, text)))
        else:  # one of them: for an OR MySQL reads every row after all
            column = Server.ip_address if _ADDRESS.match(text) else Server.hostname
            statement = statement.where(begins(column, text))
    return statement


def list_servers(
    actor: Actor,
    wanted: ServerFilter,
    *,
    page: int = 1,
    page_size: int = 50,
    after: int | None = None,
    sort: str | None = None,
) -> Page[Server]:
    """Return one page, newest first unless ``sort`` (of SORTS) says otherwise; at most four queries."""
    require(actor, Permission.SERVER_VIEW)
    order = SORTS.pick(sort)
    return paginate(_filtered(actor, wanted), Server.id, page=page, page_size=page_size, after=after, sort=order)


def list_matching(actor: Actor, wanted: ServerFilter, limit: int) -> Sequence[Server]:
    """Return the servers that match, by name, at most ``limit``."""
    require(actor, Permission.SERVER_VIEW)
    return db.session.scalars(_filtered(actor, wanted).order_by(Server.hostname, Server.id).limit(limit)).all()


def list_by_ids(actor: Actor, server_ids: Sequence[int]) -> Sequence[Server]:
    """Return servers by id, active or not, by name, each once. Raises NotFound when one of them is not to be seen."""
    require(actor, Permission.SERVER_VIEW)
    wanted = set(server_ids)
    rows = db.session.scalars(scoped(actor, Server).where(Server.id.in_(wanted)).order_by(Server.hostname, Server.id))
    found = rows.all()
    if len(found) != len(wanted):
        raise NotFound("One of these servers")
    return found


def list_words(actor: Actor) -> dict[str, list[str]]:
    """Return what filters and forms offer: ``environments`` and ``os_types`` in use, at most 100 of each."""
    require(actor, Permission.SERVER_VIEW)
    return {
        name: words_in_use(column, Server.tenant_id == actor.tenant_id, limit=100)
        for name, column in (("environments", Server.environment), ("os_types", Server.os_type))
    }


def get_server(actor: Actor, server_id: int) -> Server:
    """Return one server, active or not. Raises NotFound, also for another tenant's."""
    require(actor, Permission.SERVER_VIEW)
    found = db.session.scalar(scoped(actor, Server).where(Server.id == server_id)) if server_id <= MAXIMUM_ID else None
    if found is None:
        raise NotFound("This server")
    return found


def list_host_keys(actor: Actor, server_id: int) -> Sequence[HostKey]:
    """Return the keys of one server, the newest first."""
    require(actor, Permission.SERVER_VIEW)
    return db.session.scalars(
        scoped(actor, HostKey).where(HostKey.server_id == server_id).order_by(HostKey.id.desc()).limit(100)
    ).all()


def name_of(actor: Actor, server_id: int | None) -> str | None:
    """Return the host name of a server, None for no server."""
    if server_id is None:
        return None
    return db.session.scalar(select(Server.hostname).where(Server.tenant_id == actor.tenant_id, Server.id == server_id))


def list_jump_host_choices(actor: Actor, limit: int = 200) -> list[tuple[int, str]]:
    """Return (id, hostname) of the servers that already are jump hosts or carry the tag ``jump``, by name."""
    used = select(Server.jump_host_id).where(Server.tenant_id == actor.tenant_id, Server.jump_host_id.is_not(None))
    tagged = select(ServerTag.server_id).where(ServerTag.tenant_id == actor.tenant_id, ServerTag.tag == "jump")
    rows = db.session.execute(
        select(Server.id, Server.hostname)
        .where(
            Server.tenant_id == actor.tenant_id,
            Server.is_active == true(),
            Server.connection == Connection.SSH,
            or_(Server.id.in_(used), Server.id.in_(tagged)),
        )
        .order_by(Server.hostname)
        .limit(limit)
    )
    return [(row.id, row.hostname) for row in rows]


def find_by_hostname(actor: Actor, hostname: str) -> Server | None:
    """Return the active server of that exact name."""
    return db.session.scalar(scoped(actor, Server).where(Server.active_hostname == hostname))


def list_behind(actor: Actor, server_id: int, limit: int = 5) -> list[str]:
    """Return the names of active servers that are reached through this one."""
    return list(
        db.session.scalars(
            select(Server.hostname)
            .where(
                Server.tenant_id == actor.tenant_id,
                Server.jump_host_id == server_id,
                Server.is_active == true(),
            )
            .order_by(Server.id)
            .limit(limit)
        )
    )


def search_servers(actor: Actor, text: str, limit: int = 8) -> Sequence[Server]:
    """Return active servers whose name holds, or whose address begins with, ``text``; for the palette."""
    require(actor, Permission.SERVER_VIEW)
    wanted = ServerFilter(is_active=True, text=text[:100])
    if not text.strip():
        return []
    return db.session.scalars(
        _filtered(actor, wanted).order_by(Server.id.desc()).limit(max(1, min(limit, PALETTE_LIMIT)))
    ).all()
