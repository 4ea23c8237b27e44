"""Server locks: a run takes its servers all or none, exclusive or shared, first come first served.

A later run may overtake an earlier one that still waits for its servers, until the earlier one has waited
``lock_ageing_seconds``; from then on nobody overtakes it on any of them. So a fleet launch neither starves
nor blocks everyone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, SQLColumnExpression, delete, exists, func, insert, literal, or_, select
from sqlalchemy.orm import aliased

from app.core.db import db
from app.core.runtime import settings
from app.inventory.models import Server
from app.jobs.models import Job, Run, ServerLock
from app.jobs.status import JobStatus, LockMode, RunStatus

EXCLUSIVE_SLOT = 0
_mine, _theirs = aliased(Job), aliased(Job)


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why a run cannot take its servers: another run holds one, or waits for it with precedence."""

    run_id: int
    server_id: int | None
    holds: bool


def servers_of(run: Run) -> list[int]:
    """Return the ids of the servers that the run's open jobs are for, ascending."""
    statement = select(Job.server_id).where(
        Job.tenant_id == run.tenant_id,
        Job.run_id == run.id,
        Job.status == JobStatus.PENDING,
        Job.server_id.is_not(None),
    )
    return sorted({server_id for server_id in db.session.scalars(statement) if server_id is not None})


def is_held() -> ColumnElement[bool]:
    """Return the condition that another run holds a server of a row of ``runs``: for statements about many of them."""
    return exists().where(
        Job.tenant_id == Run.tenant_id,
        Job.run_id == Run.id,
        Job.status == JobStatus.PENDING,
        ServerLock.tenant_id == Job.tenant_id,
        ServerLock.server_id == Job.server_id,
        ServerLock.run_id != Run.id,
        _excludes(Run.lock_mode),
    )


def _excludes(mode: SQLColumnExpression[LockMode]) -> ColumnElement[bool]:
    """Return the condition that a lock keeps out who wants one of this mode: only shared ones go together."""
    return or_(mode == LockMode.EXCLUSIVE, ServerLock.mode == LockMode.EXCLUSIVE)


def find_blocker(run: Run, now: datetime) -> Blocker | None:
    """Return what keeps the run from its servers at this moment, None when nothing does (two queries)."""
    wanted = (
        select(Job.server_id)
        .where(Job.tenant_id == run.tenant_id, Job.run_id == run.id, Job.status == JobStatus.PENDING)
        .scalar_subquery()
    )
    held = select(ServerLock.run_id, ServerLock.server_id).where(
        ServerLock.tenant_id == run.tenant_id,
        ServerLock.server_id.in_(wanted),
        ServerLock.run_id != run.id,
        _excludes(literal(run.lock_mode, Run.lock_mode.type)),
    )
    row = db.session.execute(held.order_by(ServerLock.run_id).limit(1)).first()
    if row is not None:
        return Blocker(row.run_id, row.server_id, holds=True)
    return _older_waiter(run, now)


def _older_waiter(run: Run, now: datetime) -> Blocker | None:
    aged = now - timedelta(seconds=settings().lock_ageing_seconds)
    statement = (
        select(Run.id, _theirs.server_id)
        .join(_theirs, (_theirs.tenant_id == Run.tenant_id) & (_theirs.run_id == Run.id))
        .join(_mine, (_mine.tenant_id == _theirs.tenant_id) & (_mine.server_id == _theirs.server_id))
        .where(
            Run.tenant_id == run.tenant_id,
            Run.status == RunStatus.PENDING,
            Run.id < run.id,
            Run.created_at <= aged,
            Run.cancel_requested_at.is_(None),
            _theirs.status == JobStatus.PENDING,
            _mine.run_id == run.id,
            _mine.status == JobStatus.PENDING,
        )
        .order_by(Run.id)
        .limit(1)
    )
    if run.lock_mode is LockMode.SHARED:
        statement = statement.where(Run.lock_mode == LockMode.EXCLUSIVE)
    row = db.session.execute(statement).first()
    return None if row is None else Blocker(row[0], row[1], holds=False)


def take(run: Run, now: datetime) -> bool:
    """Lock all servers of the run, or none: False when something is in the way. Part of the claim's unit."""
    server_ids = servers_of(run)
    if not server_ids:
        return True
    # The server rows serialise competing claims; always in id order, so that they cannot deadlock.
    db.session.execute(
        select(Server.id)
        .where(Server.tenant_id == run.tenant_id, Server.id.in_(server_ids))
        .order_by(Server.id)
        .with_for_update()
    ).all()
    if find_blocker(run, now) is not None:
        return False
    db.session.execute(
        insert(ServerLock),
        [
            {
                "tenant_id": run.tenant_id,
                "server_id": server_id,
                "run_id": run.id,
                "slot": EXCLUSIVE_SLOT if run.lock_mode is LockMode.EXCLUSIVE else run.id,
                "mode": run.lock_mode,
                "acquired_at": now,
            }
            for server_id in server_ids
        ],
    )
    return True


def release(run: Run) -> list[int]:
    """Free what the run holds; return the ids of the runs that have waited longest, one for each server (at most 50).

    Ringing for all of them would wake hundreds for one place; the sweep sees to those that may pass the first.
    """
    held = list(
        db.session.scalars(
            select(ServerLock.server_id).where(ServerLock.tenant_id == run.tenant_id, ServerLock.run_id == run.id)
        )
    )
    if not held:
        return []
    db.session.execute(
        delete(ServerLock)
        .where(ServerLock.tenant_id == run.tenant_id, ServerLock.run_id == run.id)
        .execution_options(synchronize_session=False)
    )
    waiting = (
        select(func.min(Run.id))
        .join(Job, (Job.tenant_id == Run.tenant_id) & (Job.run_id == Run.id))
        .where(
            Run.tenant_id == run.tenant_id,
            Run.status == RunStatus.PENDING,
            Job.server_id.in_(held),
            Job.status == JobStatus.PENDING,
        )
        .group_by(Job.server_id)
        .limit(50)
    )
    return sorted(set(db.session.scalars(waiting)))
