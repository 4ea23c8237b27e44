"""Why is it waiting: one sentence for every pending job, computed from the database."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from app.accounts.models import Tenant
from app.core.db import db
from app.core.db_time import database_now
from app.core.tenancy import system_scope
from app.inventory.models import Server
from app.jobs import engine_list, locks, queues
from app.jobs.database_port import PAUSED_FLAG
from app.jobs.dispatch import UNHEARD_FLAG, UNHEARD_SECONDS
from app.jobs.models import Launch, PlatformFlag, Run, Worker
from app.jobs.status import RunStatus, WorkerState


def waiting_because(run: Run) -> str | None:
    """Return why a run has not begun, in a sentence for people; None when it does not wait (at most 13 queries)."""
    if run.status is RunStatus.CLAIMED:
        return "A worker has taken it and prepares it."
    if run.status is not RunStatus.PENDING:
        return None
    paused = db.session.get(PlatformFlag, PAUSED_FLAG)
    if paused is not None:
        return f"Dispatch is paused: {paused.value}. An administrator resumes it on the page of workers."
    tenant = db.session.get(Tenant, run.tenant_id)
    if tenant is not None and not tenant.is_active:
        return f"The tenant {tenant.name} is deactivated. It starts when the platform's administrators reactivate it."
    now = database_now()
    if run.not_before is not None and run.not_before > now:
        seconds = max(1, int((run.not_before - now).total_seconds()))
        return f"Attempt {run.attempt} could not start ({run.message}); it is tried again in {seconds} s."
    if not queues.places():
        return "No worker is online. Start one, or see the workers on the dashboard."
    unserved = queues.unserved_because(run)
    if unserved is not None:
        return unserved
    missing = engine_list.missing_because(run)
    if missing is not None:
        return missing
    blocker = locks.find_blocker(run, now)
    if blocker is not None:
        return _blocked(run, blocker)
    refusing = _refusing()
    if refusing is not None:
        return refusing
    unheard = db.session.get(PlatformFlag, UNHEARD_FLAG)
    if unheard is not None and unheard.set_at > now - timedelta(seconds=UNHEARD_SECONDS):
        return "Redis takes no messages, so no worker hears of it. It starts by itself once Redis takes them again."
    return _queued(run)


def _refusing() -> str | None:
    """Return what the workers say when every one that is online takes nothing (a full disk)."""
    online = Worker.state == WorkerState.ONLINE
    if db.session.scalar(select(Worker.id).where(online, Worker.message.is_(None)).limit(1)) is not None:
        return None
    first = db.session.execute(select(Worker.name, Worker.message).where(online).order_by(Worker.id)).first()
    return None if first is None else f"No worker that is online takes anything; {first.name} {first.message}."


def _blocked(run: Run, blocker: locks.Blocker) -> str:
    if blocker.server_id is None:
        return _behind(run, blocker)
    row = db.session.execute(
        select(Server.hostname, Launch.title, Launch.id)
        .select_from(Run)
        .join(Launch, (Launch.tenant_id == Run.tenant_id) & (Launch.id == Run.launch_id))
        .join(Server, (Server.tenant_id == Run.tenant_id) & (Server.id == blocker.server_id))
        .where(Run.tenant_id == run.tenant_id, Run.id == blocker.run_id)
    ).first()
    if row is None:
        return "It is about to start."  # the blocker ended this moment
    if blocker.holds:
        return f"{row.hostname} is in use by launch #{row.id} ({row.title})."
    return f"Launch #{row.id} ({row.title}) has waited longer for {row.hostname} and goes first."


def _behind(run: Run, blocker: locks.Blocker) -> str:
    """Say which launch of the same name goes first."""
    row = db.session.execute(
        select(Launch.title, Launch.id)
        .join(Run, (Launch.tenant_id == Run.tenant_id) & (Launch.id == Run.launch_id))
        .where(Run.tenant_id == run.tenant_id, Run.id == blocker.run_id)
    ).first()
    if row is None:
        return "It is about to start."
    if blocker.holds:
        return f"Launch #{row.id} ({row.title}) is under way in the same queue; this one follows."
    return f"Launch #{row.id} ({row.title}) was asked for earlier in the same queue and goes first."


def _queued(run: Run) -> str:
    with system_scope("queue position"):
        free = queues.free_places().get(run.queue, 0)
        ahead = _count((Run.status == RunStatus.PENDING) & (Run.queue == run.queue) & (Run.id < run.id))
    if free <= 0:
        slots, others = queues.places().get(run.queue, 0), "" if ahead == 1 else "s"
        return f"All {slots} places of the workers are taken; {ahead} run{others} ahead of it."
    return "It is about to start."


def _count(condition: object) -> int:
    inner = select(Run.id).where(condition).limit(10_001).subquery()  # type: ignore[arg-type]
    return db.session.scalar(select(func.count()).select_from(inner)) or 0
