"""What an administrator of the platform does with workers and dispatch: drain, give back, pause, resume."""

from __future__ import annotations

from app.audit import service as audit
from app.audit.resource import Resource
from app.core.actor import Actor
from app.core.db import db
from app.core.db_time import database_now
from app.core.errors import Conflict, InvalidInput
from app.core.permissions import Permission, require
from app.jobs import queries_workers
from app.jobs.database_port import PAUSED_FLAG
from app.jobs.lost_begins import RESTORED_FLAG
from app.jobs.models import PlatformFlag, Worker
from app.jobs.status import WorkerState
from app.jobs.workers import DRAINED_BY_HAND

MAX_REASON = 200


def drain_worker(actor: Actor, worker_id: int) -> Worker:
    """Let a worker finish what it runs and take nothing new, over restarts too, until it is given back."""
    require(actor, Permission.PLATFORM_ADMIN)
    worker = queries_workers.get_worker(actor, worker_id)
    if worker.drain_requested_at is not None:
        return worker
    worker.drain_requested_at = database_now()
    if worker.state is WorkerState.ONLINE:
        worker.state, worker.message = WorkerState.DRAINING, DRAINED_BY_HAND
    audit.record(actor, "worker:drain", Resource("worker", worker.id), action="UPDATE", details={"name": worker.name})
    return worker


def give_back_worker(actor: Actor, worker_id: int) -> Worker:
    """Let a drained worker take runs again."""
    require(actor, Permission.PLATFORM_ADMIN)
    worker = queries_workers.get_worker(actor, worker_id)
    if worker.drain_requested_at is None:
        return worker
    worker.drain_requested_at = None
    if worker.state is WorkerState.DRAINING and worker.message == DRAINED_BY_HAND:
        worker.state, worker.message = WorkerState.ONLINE, None
    audit.record(
        actor, "worker:give_back", Resource("worker", worker.id), action="UPDATE", details={"name": worker.name}
    )
    return worker


def pause_dispatch(actor: Actor, reason: str) -> None:
    """Start no further runs on the whole platform; running ones go on. ``reason`` is shown with each waiting job."""
    require(actor, Permission.PLATFORM_ADMIN)
    reason = " ".join(reason.split())
    if not 3 <= len(reason) <= MAX_REASON:
        raise InvalidInput(reason=f"Say why, in 3 to {MAX_REASON} characters: everybody who waits reads it.")
    if queries_workers.pause() is not None:
        raise Conflict("Dispatch is paused already. Resume it first to give another reason.", error="already_paused")
    db.session.add(PlatformFlag(name=PAUSED_FLAG, value=reason, set_at=database_now()))
    audit.record(actor, "dispatch:pause", Resource("platform"), action="UPDATE", details={"reason": reason})


def resume_dispatch(actor: Actor) -> None:
    """Start runs again. Conflict when dispatch is not paused, or paused by a restore: that takes a command."""
    require(actor, Permission.PLATFORM_ADMIN)
    flag = db.session.get(PlatformFlag, PAUSED_FLAG)
    if flag is None:
        raise Conflict("Dispatch is not paused.", error="not_paused")
    if db.session.get(PlatformFlag, RESTORED_FLAG) is not None:
        raise Conflict(
            "The database was restored. 'flask ops resume' compares the journals of the workers first, so that nothing "
            "that had begun runs twice; run it on a machine of the platform.",
            error="restored",
        )
    db.session.delete(flag)
    audit.record(actor, "dispatch:resume", Resource("platform"), action="UPDATE", details={"reason": flag.value})
