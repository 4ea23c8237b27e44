"""How playbooks do: success, duration and launches of the last 30 days, each with a bounded number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.db import db
from app.core.tenancy import scoped
from app.jobs.models import Job, Launch
from app.jobs.status import JobStatus
from app.playbooks.models import Playbook

DAYS = 30
MAX_JOBS = 2000  # newest jobs that one playbook's figures look at


@dataclass(frozen=True, slots=True)
class Statistics:
    """Figures of one playbook. ``success_rate`` is 0 to 1, None without a finished job; durations in seconds."""

    runs: int = 0
    success_rate: float | None = None
    usual_seconds: float | None = None
    outcome: list[dict[str, Any]] = field(default_factory=list)  # one entry per day
    durations: list[dict[str, Any]] = field(default_factory=list)


def statistics(actor: Actor, playbook: Playbook) -> Statistics:
    """Return the figures of the last DAYS days from at most MAX_JOBS jobs (one query)."""
    now = utc_now()
    rows = db.session.execute(
        scoped(actor, Job)
        .with_only_columns(Job.status, Job.created_at, Job.started_at, Job.completed_at)
        .where(Job.playbook_id == playbook.id, Job.created_at >= now - timedelta(days=DAYS))
        .order_by(Job.id.desc())
        .limit(MAX_JOBS)
    ).all()
    days = [(now - timedelta(days=back)).date() for back in range(DAYS - 1, -1, -1)]
    outcome: dict[Any, dict[str, Any]] = {
        day: {"label": day.strftime("%d %b"), "success": 0, "failed": 0, "cancelled": 0} for day in days
    }
    seconds: dict[Any, list[float]] = {day: [] for day in days}
    counts = dict.fromkeys(JobStatus, 0)
    for status, created, started, completed in rows:
        counts[status] += 1
        day = outcome.get(created.date())
        if day is not None and status.value in day:
            day[status.value] += 1
        if status is JobStatus.SUCCESS and started and completed and created.date() in seconds:
            seconds[created.date()].append((completed - started).total_seconds())
    finished = counts[JobStatus.SUCCESS] + counts[JobStatus.FAILED]
    spans = [span for spans in seconds.values() for span in spans]
    return Statistics(
        runs=finished,
        success_rate=counts[JobStatus.SUCCESS] / finished if finished else None,
        usual_seconds=sum(spans) / len(spans) if spans else None,
        outcome=list(outcome.values()),
        durations=[
            {"label": day.strftime("%d %b"), "seconds": sum(seconds[day]) / len(seconds[day]) if seconds[day] else None}
            for day in days
        ],
    )


def brief_statistics(actor: Actor, playbook_ids: Sequence[int]) -> dict[int, Statistics]:
    """Return runs, success rate and usual duration of several playbooks from their newest MAX_JOBS jobs (one query)."""
    if not playbook_ids:
        return {}
    rows = db.session.execute(
        scoped(actor, Job)
        .with_only_columns(Job.playbook_id, Job.status, Job.started_at, Job.completed_at)
        .where(Job.playbook_id.in_(playbook_ids), Job.created_at >= utc_now() - timedelta(days=DAYS))
        .order_by(Job.id.desc())
        .limit(MAX_JOBS)
    ).all()
    ended: dict[int, list[bool]] = {}
    spans: dict[int, list[float]] = {}
    for playbook_id, status, started, completed in rows:
        assert playbook_id is not None  # the IN above
        if status in (JobStatus.SUCCESS, JobStatus.FAILED):
            ended.setdefault(playbook_id, []).append(status is JobStatus.SUCCESS)
        if status is JobStatus.SUCCESS and started and completed:
            spans.setdefault(playbook_id, []).append((completed - started).total_seconds())
    return {
        playbook_id: Statistics(
            runs=len(results),
            success_rate=sum(results) / len(results),
            usual_seconds=sum(spans[playbook_id]) / len(spans[playbook_id]) if playbook_id in spans else None,
        )
        for playbook_id, results in ended.items()
    }


def last_launches(actor: Actor, playbook_ids: Sequence[int]) -> dict[int, Launch]:
    """Return the newest launch of each playbook (two queries)."""
    if not playbook_ids:
        return {}
    newest = db.session.scalars(
        select(func.max(Launch.id))
        .where(
            Launch.tenant_id == actor.tenant_id,
            Launch.subject_type == "playbook",
            Launch.subject_id.in_(playbook_ids),
        )
        .group_by(Launch.subject_id)
    ).all()
    if not newest:
        return {}
    return {row.subject_id: row for row in db.session.scalars(scoped(actor, Launch).where(Launch.id.in_(newest)))}
