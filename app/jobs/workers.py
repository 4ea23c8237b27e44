"""What workers say of themselves: registration, heartbeat, draining. Rows of the whole platform."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from app.core.db import db, unit_of_work
from app.core.db_time import database_now, db_now
from app.core.queue import PROTOCOL, RUN_QUEUE
from app.core.runtime import settings
from app.core.version import VERSION
from app.jobs import engine_list, host_load, places
from app.jobs.database_port import STOPPING_NOW
from app.jobs.models import Worker
from app.jobs.status import WorkerState
from app.runners.process import ProcessIdentity, identify

BEAT_SECONDS = 5
DRAINED_BY_HAND = "an administrator drains it: finishes what runs, takes nothing new"
SILENT_SECONDS = 30  # a worker silent this long counts as offline


def this_process() -> ProcessIdentity:
    """Return the identity of the calling process."""
    identity = identify(os.getpid())
    assert identity is not None
    return identity


def register(name: str, served: Sequence[str] = (RUN_QUEUE,), has: places.WorkerPlaces | None = None) -> None:
    """Announce a worker under its Celery node name, with its queues; a row of an earlier life is taken over.

    ``has``: its places, counted before it started its processes; counted now when not given.
    """
    process, has = this_process(), has or places.of_worker(served)
    values = {
        "host_name": settings().host_name,
        "boot_id": process.boot_id,
        "pid": process.pid,
        "pid_start": process.start_ticks,
        "version": VERSION,
        "protocol": PROTOCOL,
        "concurrency": has.concurrency,
        "queues": list(served),
        "queue_places": has.as_json(),
        "engines": engine_list.announcement(),
        "state": WorkerState.ONLINE,
        "message": None,
    }
    try:
        _upsert(name, values)
    except IntegrityError:  # two processes with one name at the same moment: the later one wins
        _upsert(name, values)


def _upsert(name: str, values: dict[str, object]) -> None:
    with unit_of_work():
        now = database_now()
        worker = db.session.scalars(select(Worker).where(Worker.name == name)).one_or_none()
        if worker is None:
            db.session.add(Worker(name=name, started_at=now, last_seen_at=now, **values))
            return
        for key, value in values.items():
            setattr(worker, key, value)
        _keep_drained(worker)
        worker.started_at = worker.last_seen_at = now


def beat(name: str) -> None:
    """Renew a worker's sign of life and say how its machine is; a full disk is said here, and claims stop by it."""
    load = host_load.measure()
    free = load["disk_free"]
    low = free < settings().minimum_free_bytes
    with unit_of_work():
        worker = db.session.scalars(select(Worker).where(Worker.name == name)).one_or_none()
        if worker is None:
            return
        worker.last_seen_at = database_now()
        worker.host_load = dict(load)
        if worker.state is WorkerState.OFFLINE:  # it was silent for a while, not gone
            worker.state = WorkerState.ONLINE
            _keep_drained(worker)
        if worker.state is WorkerState.ONLINE:
            worker.message = _low_disk(free) if low else None


def _keep_drained(worker: Worker) -> None:
    if worker.drain_requested_at is not None:
        worker.state, worker.message = WorkerState.DRAINING, DRAINED_BY_HAND


def _free_bytes() -> int:
    path = settings().data_dir
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def _low_disk(free: int) -> str:
    return f"takes nothing: only {free // 1_048_576} MiB of disk are free"


def has_room() -> bool:
    """Say whether this machine has the disk to take a run."""
    return _free_bytes() >= settings().minimum_free_bytes


def drain(name: str) -> None:
    """Take nothing new; what runs gets ``drain_seconds``."""
    _say(name, WorkerState.DRAINING, "finishes what runs, takes nothing new")


def stop_now(name: str) -> None:
    """The time of draining is over: executors stop their engines at the next heartbeat."""
    _say(name, WorkerState.DRAINING, STOPPING_NOW)


def leave(name: str) -> None:
    """Say goodbye."""
    _say(name, WorkerState.OFFLINE, "stopped")


def _say(name: str, state: WorkerState, message: str) -> None:
    with unit_of_work():
        db.session.execute(
            update(Worker).where(Worker.name == name).values(state=state, message=message, last_seen_at=db_now())
        )


def mark_silent_offline() -> int:
    """Mark workers that have been silent; return how many. For the keeper."""
    with unit_of_work():
        silent = database_now() - timedelta(seconds=SILENT_SECONDS)
        rows = db.session.scalars(
            select(Worker).where(Worker.state != WorkerState.OFFLINE, Worker.last_seen_at < silent)
        ).all()
        for worker in rows:
            worker.state = WorkerState.OFFLINE
            worker.message = "silent; it may be stopped, or cannot reach the database"
        return len(rows)
