"""Reading the audit log: lists by cursor, names resolved, the last verification."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Table, column, select, table

from app.audit.models import AuditEntry, AuditHead, AuditVerification
from app.core.actor import Actor
from app.core.db import db
from app.core.pagination import MAX_PAGE_SIZE, Page
from app.core.permissions import Permission, require
from app.core.tenancy import scoped

# A slice below accounts: the table by name instead of its class.
USERS = table("users", column("id"), column("tenant_id"), column("username"), column("is_active"))
ENTRIES = cast(Table, AuditEntry.__table__)
PEOPLE_LIMIT = 200
# Entries get their time when they are recorded and their place at the commit: a unit of work lasts less than this.
LONGEST_UNIT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Conditions on entries; None is any. ``since`` is included, ``until`` is not."""

    resource_type: str | None = None
    resource_id: int | None = None
    user_id: int | None = None
    action: str | None = None
    event: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def list_entries(
    actor: Actor, wanted: AuditFilter, *, after: int | None = None, page_size: int = 50
) -> Page[AuditEntry]:
    """Return entries, the newest first, by cursor (``after``: id of the last one seen); three queries at most.

    The order is that of ids, which is that of ``seq``: ids are given out under the head's lock. Every index ends
    with the id, so that one condition needs no sorting.
    """
    require(actor, Permission.AUDIT_VIEW)
    page_size = max(1, min(page_size, MAX_PAGE_SIZE))
    statement = scoped(actor, AuditEntry)
    for name in ("resource_type", "resource_id", "user_id", "action", "event"):
        value = getattr(wanted, name)
        if value is not None:
            statement = statement.where(getattr(AuditEntry, name) == value)
    if wanted.since is not None:
        first = _edge(actor, wanted.since - LONGEST_UNIT, is_first=True)
        statement = statement.where(AuditEntry.timestamp >= wanted.since, AuditEntry.id >= (first or 0))
    if wanted.until is not None:
        last = _edge(actor, wanted.until + LONGEST_UNIT, is_first=False)
        statement = statement.where(AuditEntry.timestamp < wanted.until, AuditEntry.id <= (last or 0))
    if after is not None:
        statement = statement.where(AuditEntry.id < after)
    rows = db.session.scalars(statement.order_by(AuditEntry.id.desc()).limit(page_size + 1)).all()
    items = rows[:page_size]
    return Page(items, None, page_size, None, items[-1].id if len(rows) > page_size else None)


def _edge(actor: Actor, moment: datetime, *, is_first: bool) -> int | None:
    """Id of the first entry at or after ``moment``, or of the last one before it: a bound for the walk by id."""
    statement = select(AuditEntry.id).where(AuditEntry.tenant_id == actor.tenant_id).limit(1)
    if is_first:
        statement = statement.where(AuditEntry.timestamp >= moment).order_by(AuditEntry.timestamp, AuditEntry.id)
    else:
        statement = statement.where(AuditEntry.timestamp < moment)
        statement = statement.order_by(AuditEntry.timestamp.desc(), AuditEntry.id.desc())
    return db.session.scalar(statement)


def names_of(actor: Actor, user_ids: Collection[int | None]) -> dict[int, str]:
    """Return user names by id in one query; ids of nobody (any more) are left out."""
    wanted = {user_id for user_id in user_ids if user_id is not None}
    if not wanted:
        return {}
    found = db.session.execute(
        select(USERS.c.id, USERS.c.username).where(USERS.c.tenant_id == actor.tenant_id, USERS.c.id.in_(wanted))
    )
    return {row.id: row.username for row in found}


def people(actor: Actor) -> list[tuple[int, str]]:
    """Return (id, name) of the tenant's people in alphabetical order, at most PEOPLE_LIMIT, for the filter."""
    require(actor, Permission.AUDIT_VIEW)
    found = db.session.execute(
        select(USERS.c.id, USERS.c.username)
        .where(USERS.c.tenant_id == actor.tenant_id)
        .order_by(USERS.c.username)
        .limit(PEOPLE_LIMIT)
    )
    return [(row.id, row.username) for row in found]


def last_verification(actor: Actor) -> AuditVerification | None:
    """Return the newest result of a walk along the tenant's chain."""
    require(actor, Permission.AUDIT_VIEW)
    newest = (AuditVerification.verified_at.desc(), AuditVerification.id.desc())
    return db.session.scalars(scoped(actor, AuditVerification).order_by(*newest).limit(1)).first()


def newest_seq(actor: Actor) -> int:
    """Return the length of the tenant's chain."""
    return db.session.scalar(select(AuditHead.seq).where(AuditHead.tenant_id == actor.tenant_id)) or 0


def entry_data(entry: AuditEntry, names: dict[int, str]) -> dict[str, Any]:
    """Return an entry for the REST API, with the name of who acted."""
    return {
        name: getattr(entry, name)
        for name in (
            "id", "seq", "timestamp", "user_id", "action", "event", "outcome", "resource_type", "resource_id",
            "resource_uuid", "details", "via", "api_key_prefix", "request_id", "ip_address", "user_agent",
        )
    } | {"username": names.get(entry.user_id or 0), "hash": bytes(entry.hash).hex()}  # fmt: skip
