"""Locks of runs: a run takes its servers all or none, exclusive or shared, and its name if it has one.

A later run may overtake an earlier one that still waits for its servers, until the earlier one has waited
``lock_ageing_seconds``; from then on nobody overtakes it on any of them. So a fleet launch neither starves
nor blocks everyone. Runs of one name go strictly one after the other: it is a queue.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, SQLColumnExpression, delete, exists, func, insert, literal, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from app.core.db import db
from app.core.runtime import settings
from app.inventory.models import Server
from app.jobs.models import Job, Run, RunLock, ServerLock
from app.jobs.status import JobStatus, LockMode, RunStatus

EXCLUSIVE_SLOT = 0
_mine, _theirs = aliased(Job), aliased(Job)
_older = aliased(Run)


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why a run cannot start: another holds a server of it or its name, or waits for one with precedence.

    ``server_id`` None: it is about the name.
    """

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
    """Return the condition that a row of ``runs`` has to wait for another: it holds a server, or its name is not free.

    For statements about many runs. That an aged one has precedence on a server is not in it.
    """
    return or_(_server_is_held(), _name_is_held(), _name_is_awaited())


def _name_is_held() -> ColumnElement[bool]:
    return exists().where(RunLock.tenant_id == Run.tenant_id, RunLock.name == Run.lock_name, RunLock.run_id != Run.id)


def _name_is_awaited() -> ColumnElement[bool]:
    return exists().where(
        _older.tenant_id == Run.tenant_id,
        _older.lock_name == Run.lock_name,
        _older.status == RunStatus.PENDING,
        _older.cancel_requested_at.is_(None),
        _older.id < Run.id,
    )


def _server_is_held() -> ColumnElement[bool]:
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
    """Return what keeps the run from its name or its servers at this moment, None when nothing does.

    Two queries; up to two more for a run with a name.
    """
    return _named_blocker(run) or _server_blocker(run, now)


def _named_blocker(run: Run) -> Blocker | None:
    if run.lock_name is None:
        return None
    held = select(RunLock.run_id).where(
        RunLock.tenant_id == run.tenant_id, RunLock.name == run.lock_name, RunLock.run_id != run.id
    )
    holder = db.session.scalar(held)
    if holder is not None:
        return Blocker(holder, None, holds=True)
    first = _first_of_name(run, Run.id < run.id)
    return None if first is None else Blocker(first, None, holds=False)


def _first_of_name(run: Run, *conditions: ColumnElement[bool]) -> int | None:
    return db.session.scalar(
        select(func.min(Run.id)).where(
            Run.tenant_id == run.tenant_id,
            Run.lock_name == run.lock_name,
            Run.status == RunStatus.PENDING,
            Run.cancel_requested_at.is_(None),
            *conditions,
        )
    )


def _server_blocker(run: Run, now: datetime) -> Blocker | None:
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
    """Lock the run's name and all its servers; False when something is in the way, and the caller rolls back then.

    Part of the claim's unit.
    """
    if run.lock_name is not None and not _take_name(run, run.lock_name, now):
        return False
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


def _take_name(run: Run, name: str, now: datetime) -> bool:
    if _named_blocker(run) is not None:
        return False
    try:
        with db.session.begin_nested():
            db.session.add(RunLock(tenant_id=run.tenant_id, name=name, run_id=run.id, acquired_at=now))
    except IntegrityError:  # somebody took it at the same moment
        return False
    return True


def release(run: Run) -> dict[int, str]:
    """Free what the run holds; return the runs to ring for: queue by id, ascending.

    Those that have waited longest: one for each server (at most 50), and the next of its name. Ringing for all of them
    would wake hundreds for one place; the sweep sees to those that may pass the first.
    """
    waiting = {*_release_servers(run), *_release_name(run)}
    if not waiting:
        return {}
    queues = select(Run.id, Run.queue).where(Run.tenant_id == run.tenant_id, Run.id.in_(waiting)).order_by(Run.id)
    return {row.id: row.queue for row in db.session.execute(queues)}


def _release_name(run: Run) -> list[int]:
    if run.lock_name is None:
        return []
    db.session.execute(
        delete(RunLock)
        .where(RunLock.tenant_id == run.tenant_id, RunLock.run_id == run.id)
        .execution_options(synchronize_session=False)
    )
    following = _first_of_name(run)
    return [] if following is None else [following]


def _release_servers(run: Run) -> list[int]:
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
    return list(db.session.scalars(waiting))
