"""Reading the audit log: lists by cursor, names resolved, the last verification."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, Text, and_, column, func, or_, select, table
from sqlalchemy import cast as sql_cast

from app.audit.models import AuditArchive, AuditEntry, AuditHead, AuditVerification, AuditWalk
from app.audit.names import ids_named
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.core.pagination import MAX_PAGE_SIZE, Page
from app.core.permissions import Permission, require
from app.core.tenancy import scoped

# A slice below accounts: the table by name instead of its class.
USERS = table("users", column("id"), column("tenant_id"), column("username"), column("is_active"))
ENTRIES = cast(Table, AuditEntry.__table__)
PEOPLE_LIMIT = 200
# Entries get their time when they are recorded and their place at the commit: a unit of work lasts less than this.
LONGEST_UNIT = timedelta(hours=1)
# Conditions without an index look at this many entries for one page (a tenth of a second); the pager goes on.
SCAN_LIMIT = 50_000
_EQUAL = ("resource_type", "resource_id", "resource_uuid", "user_id", "action", "event", "outcome", "via", "ip_address")
_WITHOUT_INDEX = ("resource_uuid", "outcome", "via", "ip_address", "text")


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Conditions on entries; None is any. ``since`` is included, ``until`` is not.

    ``text`` is looked for in the present name of what an entry is about, and in its details.
    """

    resource_type: str | None = None
    resource_id: int | None = None
    user_id: int | None = None
    action: str | None = None
    event: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    resource_uuid: str | None = None
    outcome: str | None = None
    via: str | None = None
    ip_address: str | None = None
    text: str | None = None


def list_entries(
    actor: Actor, wanted: AuditFilter, *, after: int | None = None, page_size: int = 50
) -> Page[AuditEntry]:
    """Return entries, the newest first, by cursor (``after``: id of the last one seen); three queries at most.

    The order is that of ids, which is that of ``seq``: ids are given out under the head's lock. Every index ends
    with the id, so that one condition needs no sorting.
    """
    require(actor, Permission.AUDIT_VIEW)
    page_size = max(1, min(page_size, MAX_PAGE_SIZE))
    conditions = conditions_of(actor, wanted)
    if after is not None:
        conditions.append(AuditEntry.id < after)
    floor = _scan_floor(actor, wanted, after)
    if floor is not None:
        conditions.append(AuditEntry.id >= floor)
    statement = scoped(actor, AuditEntry).where(*conditions).order_by(AuditEntry.id.desc())
    rows = db.session.scalars(statement.limit(page_size + 1)).all()
    items = rows[:page_size]
    return Page(items, None, page_size, None, items[-1].id if len(rows) > page_size else floor)


def conditions_of(actor: Actor, wanted: AuditFilter) -> list[ColumnElement[bool]]:
    """Return what ``wanted`` asks for as conditions; up to three small queries for the bounds of a time range."""
    conditions: list[ColumnElement[bool]] = []
    for name in _EQUAL:
        value = getattr(wanted, name)
        if value is not None:
            conditions.append(getattr(AuditEntry, name) == value)
    if wanted.since is not None:
        first = _edge(actor, wanted.since - LONGEST_UNIT, is_first=True)
        conditions += [AuditEntry.timestamp >= wanted.since, AuditEntry.id >= (first or 0)]
    if wanted.until is not None:
        last = _edge(actor, wanted.until + LONGEST_UNIT, is_first=False)
        conditions += [AuditEntry.timestamp < wanted.until, AuditEntry.id <= (last or 0)]
    if wanted.text is not None:
        conditions.append(_mentions(actor, wanted.text))
    return conditions


def _mentions(actor: Actor, text: str) -> ColumnElement[bool]:
    details = func.lower(sql_cast(AuditEntry.details, Text))
    # SQLite and MariaDB keep the JSON as it was written: other letters than ASCII as escapes.
    forms = {text.lower(), json.dumps(text.lower())[1:-1], json.dumps(text)[1:-1].lower()}
    found: list[ColumnElement[bool]] = [details.contains(form, autoescape=True) for form in sorted(forms)]
    for resource_type, ids in ids_named(actor, text).items():
        found.append(and_(AuditEntry.resource_type == resource_type, AuditEntry.resource_id.in_(ids)))
    return or_(*found)


def _scan_floor(actor: Actor, wanted: AuditFilter, after: int | None) -> int | None:
    """Id at which one page stops looking; None when the rest of the log is short, or an index finds what is wanted."""
    if all(getattr(wanted, name) is None for name in _WITHOUT_INDEX):
        return None
    statement = select(AuditEntry.id).where(AuditEntry.tenant_id == actor.tenant_id)
    if after is not None:
        statement = statement.where(AuditEntry.id < after)
    return db.session.scalar(statement.order_by(AuditEntry.id.desc()).offset(SCAN_LIMIT).limit(1))


def get_entry(actor: Actor, entry_id: int) -> AuditEntry:
    """Return one entry; NotFound when it is another tenant's, unknown or archived."""
    require(actor, Permission.AUDIT_VIEW)
    found = None
    if 0 < entry_id < 2**63:
        found = db.session.scalars(scoped(actor, AuditEntry).where(AuditEntry.id == entry_id)).first()
    if found is None:
        raise NotFound("This entry")
    return found


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


def list_verifications(actor: Actor, *, limit: int = 50) -> Sequence[AuditVerification]:
    """Return the newest results, the newest first."""
    require(actor, Permission.AUDIT_VIEW)
    newest = (AuditVerification.verified_at.desc(), AuditVerification.id.desc())
    return db.session.scalars(scoped(actor, AuditVerification).order_by(*newest).limit(limit)).all()


def open_walk(actor: Actor) -> AuditWalk | None:
    """Return the verification that the keeper is at, None for none."""
    require(actor, Permission.AUDIT_VIEW)
    return db.session.scalars(scoped(actor, AuditWalk)).first()


def list_archives(actor: Actor, *, limit: int = 200) -> Sequence[AuditArchive]:
    """Return the archive files, the newest first."""
    require(actor, Permission.AUDIT_VIEW)
    return db.session.scalars(scoped(actor, AuditArchive).order_by(AuditArchive.first_seq.desc()).limit(limit)).all()


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


def newest_id(actor: Actor) -> int:
    """Return the id of the tenant's newest entry, 0 for none."""
    newest = select(AuditEntry.id).where(AuditEntry.tenant_id == actor.tenant_id).order_by(AuditEntry.id.desc())
    return db.session.scalar(newest.limit(1)) or 0
