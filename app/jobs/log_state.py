"""How the log is kept, in figures for the platform's administrator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, true

from app.core.actor import Actor
from app.core.db import db
from app.core.db_time import database_now
from app.core.permissions import Permission, require
from app.core.runtime import settings
from app.core.tenancy import system_scope
from app.jobs import sealing
from app.jobs.models import Run
from app.jobs.segment_models import LogSegment

WAITING_LIMIT = 10_000  # runs that are counted: more than a day's


@dataclass(frozen=True, slots=True)
class Sealed:
    """What is sealed in one store, and how well it compressed. Bytes of the content, and as stored."""

    store: str
    segments: int
    lines: int
    raw_bytes: int
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class DamagedSegment:
    """A segment that is missing or changed, and what was found."""

    uuid: str
    run_id: int
    store: str
    lines: int
    damage: str
    damaged_at: datetime | None


@dataclass(frozen=True, slots=True)
class LogState:
    """How the log is kept, for the platform's administrator."""

    stores: list[Sealed]
    waiting_runs: int  # whose lines are due for sealing; WAITING_LIMIT means as many or more
    oldest_waiting: datetime | None  # when the oldest of them ended
    damaged: int
    leftovers: int  # begun and not ended: cleared after LEFTOVER_HOURS
    to_remove: int  # runs whose lines are announced as removed and not all gone yet


def show_log_state(actor: Actor) -> tuple[LogState, list[DamagedSegment]]:
    """Return the state of the whole platform's log and the damaged segments found last, for its administrators."""
    require(actor, Permission.PLATFORM_ADMIN)
    with system_scope("state of the log"):
        found = [
            DamagedSegment(row.uuid, row.run_id, row.store, row.line_count, row.damage or "", row.damaged_at)
            for row in damaged_segments()
        ]
        return log_state(), found


def log_state() -> LogState:
    """Count; in a reading unit of the whole platform. Five queries, whatever there is."""
    stores = db.session.execute(
        select(
            LogSegment.store,
            func.count(),
            func.sum(LogSegment.line_count),
            func.sum(LogSegment.raw_bytes),
            func.sum(LogSegment.stored_bytes),
        ).group_by(LogSegment.store)
    )
    days = settings().seal_after_days
    waiting: list[datetime] = []
    if days:
        due = sealing.due(database_now() - timedelta(days=days))
        waiting = list(db.session.scalars(due.with_only_columns(Run.completed_at).limit(WAITING_LIMIT)))
    left = select(LogSegment.id).where(LogSegment.sealed_at.is_(None)).limit(WAITING_LIMIT).subquery()
    going = (
        select(Run.id)
        .where(Run.lines_left == true(), Run.lines_removed_at.is_not(None))
        .limit(WAITING_LIMIT)
        .subquery()
    )
    return LogState(
        stores=[Sealed(row[0], *(int(value) for value in row[1:])) for row in stores],
        waiting_runs=len(waiting),
        oldest_waiting=waiting[0] if waiting else None,
        damaged=db.session.scalar(select(func.count()).where(LogSegment.damaged_at.is_not(None))) or 0,
        leftovers=db.session.scalar(select(func.count()).select_from(left)) or 0,
        to_remove=db.session.scalar(select(func.count()).select_from(going)) or 0,
    )


def damaged_segments(limit: int = 100) -> Sequence[LogSegment]:
    """Return damaged segments of all tenants, newest finding first."""
    return db.session.scalars(
        select(LogSegment).where(LogSegment.damaged_at.is_not(None)).order_by(LogSegment.damaged_at.desc()).limit(limit)
    ).all()
