"""What the page of one ticket shows around it: lines of the log, occurrences by day, what changed since green."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.db import db
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.jobs import log_queries
from app.jobs.models import Job, Launch
from app.jobs.status import JobStatus
from app.tickets.models import Ticket, TicketJob
from app.tickets.queries_list import TicketJobRow

LINES_BEFORE, LINES_SHOWN = 6, 12
DAYS = 30
ROWS_LIMIT = 5000  # jobs that are counted for the chart


def log_excerpt(actor: Actor, job_uuid: str, line: int | None) -> Sequence[dict[str, Any]]:
    """Return the lines around a line as {n, x, v}; nothing without one."""
    require(actor, Permission.TICKET_VIEW)
    if line is None:
        return []
    job = db.session.scalars(scoped(actor, Job).where(Job.job_id == job_uuid)).one_or_none()
    if job is None:
        return []
    return log_queries.tail(job, after=max(0, line - LINES_BEFORE - 1), limit=LINES_SHOWN).lines


@dataclass(frozen=True, slots=True)
class DayCount:
    """Runs of one day (UTC) that showed the problem."""

    label: str
    count: int


def occurrences_by_day(ticket: Ticket) -> list[DayCount]:
    """Return the last DAYS days, oldest first; one query over the newest ROWS_LIMIT jobs."""
    now = utc_now()
    rows = db.session.execute(
        select(Job.run_id, Job.completed_at, Job.created_at)
        .join(TicketJob, TicketJob.job_id == Job.id)
        .where(TicketJob.ticket_id == ticket.id)
        .order_by(TicketJob.id.desc())
        .limit(ROWS_LIMIT)
    )
    runs: dict[int, datetime] = {row.run_id: row.completed_at or row.created_at for row in rows}
    days = [(now - timedelta(days=n)).date() for n in reversed(range(DAYS))]
    counts = dict.fromkeys(days, 0)
    for moment in runs.values():
        if moment.date() in counts:
            counts[moment.date()] += 1
    return [DayCount(f"{day:%d %b}", count) for day, count in counts.items()]


@dataclass(frozen=True, slots=True)
class SinceGreen:
    """The last success on the same server before a failure, and what was different then."""

    job_id: str
    number: int
    at: datetime | None
    changes: list[str]


def since_green(actor: Actor, job_uuid: str) -> SinceGreen | None:
    """Compare a failed job with the playbook's last success on that server; None where it never was green.

    Three queries. Secret variables are not compared: they are not among the stored inputs.
    """
    require(actor, Permission.TICKET_VIEW)
    job = db.session.scalars(scoped(actor, Job).where(Job.job_id == job_uuid)).one_or_none()
    if job is None or job.server_id is None or job.playbook_id is None:
        return None
    green = db.session.scalars(
        scoped(actor, Job)
        .where(
            Job.server_id == job.server_id,
            Job.id < job.id,
            Job.playbook_id == job.playbook_id,
            Job.status == JobStatus.SUCCESS,
        )
        .order_by(Job.id.desc())
        .limit(1)
    ).one_or_none()
    if green is None:
        return None
    rows = db.session.scalars(scoped(actor, Launch).where(Launch.id.in_({job.launch_id, green.launch_id})))
    inputs = {row.id: row.inputs for row in rows}
    changes = _differences(inputs.get(green.launch_id, {}), inputs.get(job.launch_id, {}))
    return SinceGreen(green.job_id, green.id, green.completed_at, changes)


# Names of a launch's inputs that mean nothing to people: what they stand for.
_WORDS = {"manifest_hash": "the project's files", "file_hash": "the playbook itself", "engine": "the engine"}
_SILENT = frozenset({"playbook_id", "server_ids", "confirmed", "limit", "server_tags", "environment", "revision_id"})


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    found = []
    for name in sorted({*before, *now}):
        was, became = before.get(name), now.get(name)
        if was == became or name in _SILENT:
            continue
        if isinstance(was or {}, dict) and isinstance(became or {}, dict):
            found += _variables(was or {}, became or {})
        elif name in _WORDS or name.endswith(("_hash", "_id", "_ids")):
            found.append(f"{_WORDS.get(name, name.replace('_', ' '))} changed")
        else:
            found.append(f"{name.replace('_', ' ')}: {_short(was)} then, {_short(became)} now")
    return found


def _variables(was: Mapping[str, Any], became: Mapping[str, Any]) -> list[str]:
    return [
        f"variable {name}: {_short(was.get(name))} then, {_short(became.get(name))} now"
        for name in sorted({*was, *became})
        if was.get(name) != became.get(name)
    ]


def _short(value: Any) -> str:
    text = "not set" if value is None or value == "" else str(value)
    return text if len(text) <= 80 else text[:79] + "…"


@dataclass(frozen=True, slots=True)
class Relaunch:
    """Running the newest failing launch again where it failed."""

    launch_uuid: str
    servers: list[str]
    elsewhere: int  # servers that are not green either, but failed in other launches


def relaunch_offer(jobs: Sequence[TicketJobRow]) -> Relaunch | None:
    """Return what a relaunch would run on, from the ticket's newest jobs; None where every server is green again."""
    open_jobs = [job for job in jobs if job.cleared_at is None and job.status != JobStatus.SUCCESS.value]
    if not open_jobs:
        return None
    newest = open_jobs[0].launch_uuid
    here = sorted({job.server_name or "no server" for job in open_jobs if job.launch_uuid == newest})
    others = {job.server_name for job in open_jobs} - set(here)
    return Relaunch(newest, here, len(others - {None}))
