"""Everything of the first page that changes while one looks at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from redis import RedisError

from app.audit.queries import last_verification
from app.core.actor import Actor
from app.core.permissions import Permission, can
from app.dashboard import queries
from app.dashboard.health import ask_redis, present_keeper_problem
from app.jobs import queries_workers
from app.jobs.listings import job_rows, launch_rows, usual_seconds
from app.jobs.models import Launch
from app.jobs.status import JobStatus
from app.tickets.listings import ticket_rows


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the machinery: healthy, degraded or down, and why in a few words."""

    name: str
    state: str
    said: str = ""


def live_context(actor: Actor, since: datetime) -> dict[str, Any]:
    """Return what ``dashboard/_live.html`` shows; parts that the actor may not see are empty."""
    sees_jobs = can(actor, Permission.JOB_VIEW)
    counts = queries.counts(actor, since)
    workers = queries_workers.list_workers(actor) if can(actor, Permission.WORKER_VIEW) else []
    return {
        "counts": counts,
        "launches": _launches(queries.recent_launches(actor)) if sees_jobs else [],
        "waiting": job_rows(queries.waiting_jobs(actor)) if sees_jobs else [],
        "tickets": ticket_rows(queries.urgent_tickets(actor)) if can(actor, Permission.TICKET_VIEW) else [],
        "workers": workers,
        "health": health(actor, workers, counts),
    }


def _launches(launches: Sequence[Launch]) -> list[Any]:
    return [
        replace(row, usual_seconds=usual_seconds(launch)) if launch.status is JobStatus.RUNNING else row
        for row, launch in zip(launch_rows(launches), launches, strict=True)
    ]


def health(actor: Actor, workers: Sequence[queries_workers.WorkerRow], counts: queries.Counts) -> list[Part]:
    """Return the state of the machinery; that the database answers is the first line."""
    parts = [Part("Database", "healthy", "answers"), _redis()]
    if queries_workers.pause() is not None:
        parts.append(Part("Dispatch", "degraded", "paused: nothing new is started until it is resumed"))
    else:
        parts.append(Part("Dispatch", "healthy", "runs are handed to workers"))
    parts += [_workers(workers, counts), _keeper()]
    if can(actor, Permission.AUDIT_VIEW):
        parts.append(_audit(actor))
    return parts


def _redis() -> Part:
    try:
        problem = ask_redis()
    except (RedisError, OSError):
        problem = "does not answer: new runs and live lines come later than usual"
    return Part("Redis", "degraded" if problem else "healthy", problem or "answers")


def _workers(workers: Sequence[queries_workers.WorkerRow], counts: queries.Counts) -> Part:
    online = [worker for worker in workers if worker.state == "online"]
    slots = sum(worker.concurrency for worker in online)
    busy = sum(worker.running for worker in online)
    if not online:
        state, said = ("down", "none is online, so jobs wait") if counts.waiting else ("degraded", "none is online")
    elif busy >= slots and counts.waiting:
        state, said = "degraded", f"all {slots} slots are busy and jobs wait: start another worker"
    else:
        state, said = "healthy", f"{busy} of {slots} slots busy"
    return Part("Workers", state, said)


def _keeper() -> Part:
    problem = present_keeper_problem()
    if problem is not None:
        return Part("Keeper", "down", problem)
    if queries.oldest_due_ticket() is not None:
        return Part("Keeper", "degraded", "failed jobs wait for their ticket: look at its log")
    return Part("Keeper", "healthy", "leads")


def _audit(actor: Actor) -> Part:
    found = last_verification(actor)
    if found is None:
        return Part("Audit log", "healthy", "not verified yet")
    if not found.intact:
        return Part("Audit log", "down", "the chain is broken: see the audit page")
    entries = "1 entry" if found.entries == 1 else f"{found.entries:,} entries"
    return Part("Audit log", "healthy", f"{entries} verified {found.verified_at:%d %b %H:%M} UTC")
