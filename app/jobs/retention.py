"""Lines are kept for a time that their run's outcome decides, jobs for ever. What goes is announced before.

A run's lines go in two steps. First it is said (``lines_removed_at`` on the run and its jobs, and an audit entry), in
one commit: from then on no page claims the log is whole. Then the rows go, some thousand per commit; a keeper that
dies in between leaves ``lines_left`` set and the next one goes on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, true, update
from sqlalchemy.orm import InstrumentedAttribute

from app.audit import service as audit
from app.audit.resource import Resource
from app.core.actor import Actor
from app.core.clock import iso
from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.runtime import settings
from app.core.tenancy import system_scope, tenant_scope
from app.jobs import segment_care
from app.jobs.log_models import JobLogLine, RunArtifact, RunLine, RunTask, TaskResult
from app.jobs.models import Job, Run
from app.jobs.segment_store import StoreAway
from app.jobs.status import RunStatus

log = logging.getLogger(__name__)

ANNOUNCED = 200  # runs announced in one commit
CHUNK = 2_000  # rows removed in one commit: a few tens of milliseconds, so that writers never wait long
RUNS = 200  # runs looked at in one call
# The keeper also starts and reaps runs: one call takes this long, then the next goes on where it stopped. At some
# ten thousand rows a call, every 10 s, that is far more than a day's lines.
SECONDS = 0.5


def line_days() -> dict[RunStatus, int]:
    """Return for how many days the lines of a run are kept, by its outcome; 0 is for ever.

    A run is one outcome: beside a failed server, the lines of those that went well are what one compares with.
    """
    chosen, every = settings(), settings().job_log_days
    return {
        RunStatus.SUCCESS: every,
        RunStatus.FAILED: every if chosen.failed_job_log_days is None else chosen.failed_job_log_days,
        RunStatus.CANCELLED: every if chosen.cancelled_job_log_days is None else chosen.cancelled_job_log_days,
    }


def remove_old_lines() -> int:
    """Remove the lines and results of runs that are older than the rule of their outcome; return how many runs.

    Opens units of work of its own and stops after SECONDS. Nothing of an outcome is announced while its rule is 0.
    """
    deadline = time.monotonic() + SECONDS
    for status, days in line_days().items():
        if days:
            with system_scope("lines over their age"), unit_of_work(writes=False):
                before = database_now() - timedelta(days=days)
            announce(status, before)
    done = 0
    for tenant_id, run_id in _to_empty():
        try:
            if not _empty(tenant_id, run_id, deadline):
                break
        except StoreAway as error:
            log.warning("retention.postponed: %s", error, extra={"run_id": run_id})
            break
        done += 1
        if time.monotonic() > deadline:
            break
    return done


def announce(status: RunStatus, before: datetime) -> int:
    """Say of up to ANNOUNCED runs that ended so before a moment that their lines are gone; return of how many."""
    with system_scope("lines over their age"), unit_of_work():
        rows = db.session.execute(
            select(Run.tenant_id, Run.id)
            .where(Run.lines_removed_at.is_(None), Run.status == status, Run.completed_at < before)
            .order_by(Run.completed_at)
            .limit(ANNOUNCED)
        ).all()
        now = database_now()
        by_tenant: dict[int, list[int]] = {}
        for tenant_id, run_id in rows:
            by_tenant.setdefault(tenant_id, []).append(run_id)
        for tenant_id, run_ids in by_tenant.items():
            _announce(tenant_id, run_ids, now, status, before)
    return len(rows)


def _announce(tenant_id: int, run_ids: Sequence[int], now: datetime, status: RunStatus, before: datetime) -> None:
    quiet = {"synchronize_session": False}
    lines = db.session.scalar(
        select(func.coalesce(func.sum(Job.log_lines), 0)).where(Job.tenant_id == tenant_id, Job.run_id.in_(run_ids))
    )
    db.session.execute(
        update(Run).where(Run.tenant_id == tenant_id, Run.id.in_(run_ids)).values(lines_removed_at=now),
        execution_options=quiet,
    )
    db.session.execute(
        update(Job).where(Job.tenant_id == tenant_id, Job.run_id.in_(run_ids)).values(lines_removed_at=now),
        execution_options=quiet,
    )
    with tenant_scope(tenant_id):
        audit.record(
            Actor.system(tenant_id),
            "job_lines:remove",
            Resource("job_logs"),
            action="DELETE",
            details={
                "runs": len(run_ids),
                "lines": int(lines or 0),
                "outcome": status.value,
                "ended_before": iso(before),
            },
        )


def _to_empty() -> Sequence[tuple[int, int]]:
    with system_scope("lines over their age"), unit_of_work(writes=False):
        rows = db.session.execute(
            select(Run.tenant_id, Run.id)
            .where(Run.lines_left == true(), Run.lines_removed_at.is_not(None))
            .order_by(Run.lines_removed_at)
            .limit(RUNS)
        )
        return [(tenant_id, run_id) for tenant_id, run_id in rows]


def _empty(tenant_id: int, run_id: int, deadline: float) -> bool:
    """Remove a run's rows; False when the time was over before the last of them."""
    with tenant_scope(tenant_id), unit_of_work(writes=False):
        job_ids = db.session.scalars(select(Job.id).where(Job.tenant_id == tenant_id, Job.run_id == run_id)).all()
    parts: list[tuple[Any, Any, int, Any]] = []
    for job_id in job_ids:
        parts.append((JobLogLine, JobLogLine.job_id, job_id, JobLogLine.line_number))
        parts.append((TaskResult, TaskResult.job_id, job_id, TaskResult.task_seq))
    parts.append((RunLine, RunLine.run_id, run_id, RunLine.run_seq))
    parts.append((RunTask, RunTask.run_id, run_id, RunTask.task_seq))
    parts.append((RunArtifact, RunArtifact.run_id, run_id, RunArtifact.id))
    for table, owner, owner_id, order in parts:
        while not _remove_chunk(tenant_id, table, owner == owner_id, order):
            if time.monotonic() > deadline:
                return False
    # Behind the rows: a sealer that was in between has found its rows gone, or made a segment that goes now.
    while not segment_care.remove_some(tenant_id, run_id):
        if time.monotonic() > deadline:
            return False
    with tenant_scope(tenant_id), unit_of_work():
        db.session.execute(
            update(Run).where(Run.tenant_id == tenant_id, Run.id == run_id).values(lines_left=False),
            execution_options={"synchronize_session": False},
        )
    return True


def _remove_chunk(tenant_id: int, table: Any, owned: ColumnElement[bool], order: InstrumentedAttribute[int]) -> bool:
    """Delete the first CHUNK rows of one owner in the order of their unique key; True when none is left."""
    mine = (table.tenant_id == tenant_id, owned)
    with tenant_scope(tenant_id), unit_of_work():
        # The end of the chunk first: a DELETE with a LIMIT is not understood everywhere.
        last = db.session.scalar(select(order).where(*mine).order_by(order).offset(CHUNK - 1).limit(1))
        bound = mine if last is None else (*mine, order <= last)
        db.session.execute(delete(table).where(*bound), execution_options={"synchronize_session": False})
    return last is None
