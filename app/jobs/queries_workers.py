"""Reads of the machinery: workers with their load, whether dispatch is paused."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from app.core.actor import Actor
from app.core.db import db
from app.core.db_time import database_now
from app.core.errors import NotFound
from app.core.permissions import Permission, can, require
from app.core.tenancy import scoped, system_scope
from app.jobs import queues
from app.jobs.database_port import PAUSED_FLAG
from app.jobs.lost_begins import RESTORED_FLAG
from app.jobs.models import Job, Launch, PlatformFlag, Run, Worker
from app.jobs.status import RunStatus, WorkerState
from app.jobs.workers import SILENT_SECONDS

MOST = 200  # workers on one page; more than one platform has
CARRIED = (RunStatus.CLAIMED, RunStatus.RUNNING)

Load = dict[int | None, Counter[str]]  # worker -> runs that it carries, by queue


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One queue that a worker serves: how many runs of it at once and now, and why that many (None: all its places)."""

    name: str
    places: int
    running: int
    because: str | None


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker with its load. ``state`` is offline when it has been silent; ``running`` counts runs of all tenants."""

    id: int
    name: str
    host_name: str
    version: str
    state: str
    message: str | None
    running: int
    concurrency: int
    started_at: datetime
    last_seen_at: datetime
    is_drained: bool
    run_limits: str | None  # what it enforces on a run, in a sentence; None: it does not say
    host_load: dict[str, Any] | None  # as host_load.Load; None: not told (yet), by an older worker
    queues: list[QueueRow]


@dataclass(frozen=True, slots=True)
class CarriedRun:
    """A run of the actor's own tenant that a worker carries now."""

    worker_id: int
    launch_uuid: str
    launch_number: int
    title: str
    began_at: datetime | None
    servers: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Why and since when nothing is started. ``restored``: only ``flask ops resume`` ends it."""

    reason: str
    since: datetime
    restored: bool


def list_workers(actor: Actor, *, days: int = 1) -> list[WorkerRow]:
    """Return the workers that are on duty or were in the last ``days``, by state and name; two queries."""
    require(actor, Permission.WORKER_VIEW)
    now = database_now()
    rows = db.session.scalars(
        select(Worker)
        .where(Worker.last_seen_at >= now - timedelta(days=days))
        .order_by(Worker.state, Worker.name)
        .limit(MOST)
    ).all()
    load = _load()
    return [_row(row, load, now) for row in rows]


def worker_row(actor: Actor, worker_id: int) -> WorkerRow:
    """Return one worker with its load. Raises NotFound."""
    return _row(get_worker(actor, worker_id), _load(), database_now())


def _row(row: Worker, load: Load, now: datetime) -> WorkerRow:
    silent = now - timedelta(seconds=SILENT_SECONDS)
    carried = load.get(row.id, Counter())
    return WorkerRow(
        row.id,
        row.name,
        row.host_name,
        row.version,
        (WorkerState.OFFLINE if row.last_seen_at < silent else row.state).value,
        row.message,
        carried.total(),
        row.concurrency,
        row.started_at,
        row.last_seen_at,
        row.drain_requested_at is not None,
        (row.host_load or {}).get("run_limits"),
        row.host_load,
        [_queue(row, name, carried[name]) for name in queues.queues_of(row)],
    )


def _queue(row: Worker, name: str, running: int) -> QueueRow:
    told = (row.queue_places or {}).get(name) or {}
    return QueueRow(name, queues.places_in(row, name), running, told.get("because"))


def get_worker(actor: Actor, worker_id: int) -> Worker:
    """Return one worker. Raises NotFound."""
    require(actor, Permission.WORKER_VIEW)
    found = db.session.get(Worker, worker_id) if worker_id < 2**31 else None
    if found is None:
        raise NotFound("This worker")
    return found


def _load() -> Load:
    """Runs per worker and queue of the whole platform: a worker's load is no tenant's secret, what it runs is."""
    counts = select(Run.worker_id, Run.queue, func.count()).where(Run.status.in_(CARRIED))
    load: Load = {}
    with system_scope("load of the workers"):
        for worker_id, queue, number in db.session.execute(counts.group_by(Run.worker_id, Run.queue)):
            load.setdefault(worker_id, Counter())[queue] = number
    return load


def carried_runs(actor: Actor) -> list[CarriedRun]:
    """Return what the workers carry for the actor's tenant, oldest first; at most MOST."""
    require(actor, Permission.JOB_VIEW)
    servers = (
        select(func.count())
        .select_from(Job)
        .where(Job.tenant_id == actor.tenant_id, Job.run_id == Run.id)
        .scalar_subquery()
    )
    rows = db.session.execute(
        scoped(actor, Run)
        .with_only_columns(Run.worker_id, Launch.uuid, Launch.id, Launch.title, Run.began_at, servers)
        .join(Launch, (Launch.tenant_id == Run.tenant_id) & (Launch.id == Run.launch_id))
        .where(Run.status.in_(CARRIED), Run.worker_id.is_not(None))
        .order_by(Run.id)
        .limit(MOST)
    )
    return [CarriedRun(*row) for row in rows]


def carried_by_worker(actor: Actor) -> dict[int, list[CarriedRun]]:
    """Return what each worker carries for the actor's tenant; nothing for who may not see jobs."""
    found: dict[int, list[CarriedRun]] = {}
    for run in carried_runs(actor) if can(actor, Permission.JOB_VIEW) else []:
        found.setdefault(run.worker_id, []).append(run)
    return found


def pause() -> Pause | None:
    """Return why dispatch is switched off, None when it is not."""
    flag = db.session.get(PlatformFlag, PAUSED_FLAG)
    if flag is None:
        return None
    return Pause(flag.value, flag.set_at, db.session.get(PlatformFlag, RESTORED_FLAG) is not None)
