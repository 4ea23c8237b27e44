"""What /metrics reads of the database: a constant number of bounded queries over the whole platform, no names of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, case, exists, false, func, or_, select, union_all
from sqlalchemy.orm import Session

from app.accounts.models import Tenant
from app.accounts.queries_tenants import inactive_tenants
from app.dashboard.health import keeper_leads
from app.jobs import figures
from app.jobs.database_port import PAUSED_FLAG
from app.jobs.keeper import KEEPER_FLAG
from app.jobs.models import Job, PlatformFlag, Run, ServerLock, Worker
from app.jobs.models_operations import KeeperChore
from app.jobs.status import JobStatus, LockMode, RunStatus, WorkerState
from app.jobs.workers import SILENT_SECONDS
from app.tickets.models import Ticket, TicketPriority
from app.tickets.queries import OPEN

LOOKED_AT = 1_000  # waiting runs whose reason is looked for, the oldest; the others are "not_looked_at"
MOST_WORKERS = 200
OPEN_RUNS = (RunStatus.PENDING, RunStatus.CLAIMED, RunStatus.RUNNING)
CARRIED = (RunStatus.CLAIMED, RunStatus.RUNNING)
# Why runs wait, in the order in which a cause hides the next.
REASONS = (
    "paused",
    "tenant_inactive",
    "not_before",
    "no_worker",
    "engine_missing",
    "server_lock",
    "capacity",
    "starting",
    "not_looked_at",
)


@dataclass(frozen=True, slots=True)
class Load:
    """What a worker carries. ``lease_seconds`` is the age of the oldest lease among it."""

    running: int
    lease_seconds: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The platform at one moment; ``now`` is the database's clock."""

    now: datetime
    paused: bool
    runs: Mapping[str, int]
    waiting: Mapping[str, int]
    oldest_waiting_seconds: float
    jobs: Mapping[str, int]
    tickets: Mapping[str, int]
    workers: Sequence[Worker]
    load: Mapping[int | None, Load]
    figures: Mapping[tuple[str, ...], float]
    records: int
    bytes: int
    keeper_leads: bool
    keeper_silence_seconds: float | None
    chores: Sequence[KeeperChore]

    def is_silent(self, worker: Worker) -> bool:
        """Say whether a worker gave no sign of life lately, or said goodbye."""
        age = (self.now - worker.last_seen_at).total_seconds()
        return age > SILENT_SECONDS or worker.state is WorkerState.OFFLINE


def read(session: Session, now: datetime) -> Snapshot:
    """Read everything. Wants a system scope; 12 queries, whatever the tables hold."""
    flags = {
        row.name: row
        for row in session.scalars(select(PlatformFlag).where(PlatformFlag.name.in_([PAUSED_FLAG, KEEPER_FLAG])))
    }
    workers = session.scalars(
        select(Worker).where(Worker.last_seen_at > now - timedelta(days=1)).order_by(Worker.id).limit(MOST_WORKERS)
    ).all()
    counted = session.execute(
        select(Run.status, func.count(), func.min(Run.id)).where(Run.status.in_(OPEN_RUNS)).group_by(Run.status)
    ).all()
    runs = {status.value: count for status, count, _first in counted}
    first = next((first for status, _count, first in counted if status is RunStatus.PENDING), None)
    since = session.scalar(select(Run.created_at).where(Run.id == (first or 0)))
    load = _load(session, now)
    records, stored_bytes = figures.stored(session)
    keeper = flags.get(KEEPER_FLAG)
    return Snapshot(
        now=now,
        paused=PAUSED_FLAG in flags,
        runs={status.value: runs.get(status.value, 0) for status in OPEN_RUNS},
        waiting=_reasons(session, now, workers, load, runs.get("pending", 0), paused=PAUSED_FLAG in flags),
        oldest_waiting_seconds=0.0 if since is None else max(0.0, (now - since).total_seconds()),
        jobs=_open_jobs(session),
        tickets=_open_tickets(session),
        workers=workers,
        load=load,
        figures=figures.read(session),
        records=records,
        bytes=stored_bytes,
        keeper_leads=keeper_leads(session),
        keeper_silence_seconds=None if keeper is None else max(0.0, (now - keeper.set_at).total_seconds()),
        chores=session.scalars(select(KeeperChore).order_by(KeeperChore.name).limit(100)).all(),
    )


def _load(session: Session, now: datetime) -> dict[int | None, Load]:
    rows = session.execute(
        select(Run.worker_id, func.count(), func.min(Run.lease_at))
        .where(Run.status.in_(CARRIED))
        .group_by(Run.worker_id)
    )
    return {
        worker_id: Load(count, 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds()))
        for worker_id, count, oldest in rows
    }


def _open_jobs(session: Session) -> dict[str, int]:
    # By way of the open runs: asked by status alone, the servers read the ended jobs too.
    wanted = (JobStatus.PENDING, JobStatus.RUNNING)
    rows = session.execute(
        select(Job.status, func.count())
        .select_from(Run)
        .join(Job, and_(Job.tenant_id == Run.tenant_id, Job.run_id == Run.id))
        .where(Run.status.in_(OPEN_RUNS))
        .group_by(Job.status)
        # In this order: MySQL would read every job and ask for its run.
        .prefix_with("STRAIGHT_JOIN", dialect="mysql")
        .prefix_with("STRAIGHT_JOIN", dialect="mariadb")
    )
    found: dict[JobStatus, int] = {row[0]: row[1] for row in rows}
    return {status.value: found.get(status, 0) for status in wanted}


def _open_tickets(session: Session) -> dict[str, int]:
    # Tenant by tenant and status by status, in which order an index has them.
    parts = [
        select(Ticket.priority.label("priority"), func.count().label("number"))
        .select_from(Tenant)
        .join(Ticket, and_(Ticket.tenant_id == Tenant.id, Ticket.status == status))
        .group_by(Ticket.priority)
        for status in OPEN
    ]
    found = dict.fromkeys((priority.value for priority in TicketPriority), 0)
    for priority, number in session.execute(union_all(*parts)):
        found[priority.value] += number
    return found


def _reasons(
    session: Session,
    now: datetime,
    workers: Sequence[Worker],
    load: Mapping[int | None, Load],
    pending: int,
    *,
    paused: bool,
) -> dict[str, int]:
    """Count the waiting runs by why they wait; a run behind another that waits for the same server has capacity."""
    reasons = dict.fromkeys(REASONS, 0)
    if not pending:
        return reasons
    if paused:
        return reasons | {"paused": pending}
    oldest = (
        select(Run.id, Run.tenant_id, Run.engine, Run.lock_mode, Run.not_before)
        .where(Run.status == RunStatus.PENDING)
        .order_by(Run.id)
        .limit(LOOKED_AT)
        .subquery()
    )
    blocked = exists(
        select(Job.id)
        .join(ServerLock, and_(ServerLock.tenant_id == Job.tenant_id, ServerLock.server_id == Job.server_id))
        .where(
            Job.tenant_id == oldest.c.tenant_id,
            Job.run_id == oldest.c.id,
            Job.status == JobStatus.PENDING,
            or_(ServerLock.mode == LockMode.EXCLUSIVE, oldest.c.lock_mode == LockMode.EXCLUSIVE),
        )
    )
    state = case(
        (oldest.c.tenant_id.in_(inactive_tenants()), "tenant_inactive"),
        (func.coalesce(oldest.c.not_before > now, false()), "not_before"),
        (blocked, "server_lock"),
        else_="free",
    )
    rows = session.execute(select(state, oldest.c.engine, func.count()).group_by(state, oldest.c.engine)).all()
    online = [worker for worker in workers if worker.state is WorkerState.ONLINE]
    slots = sum(worker.concurrency for worker in online)
    busy = sum(found.running for found in load.values())
    for said, engine, count in rows:
        reasons[_reason(said, engine, online, is_full=busy >= slots)] += count
    reasons["not_looked_at"] = max(0, pending - sum(reasons.values()))
    return reasons


def _reason(said: str, engine: str, online: Sequence[Worker], *, is_full: bool) -> str:
    if said in ("tenant_inactive", "not_before"):
        return said
    if not online:
        return "no_worker"
    if not any(_has(worker, engine) for worker in online):
        return "engine_missing"
    if said == "server_lock":
        return said
    return "capacity" if is_full else "starting"


def _has(worker: Worker, engine: str) -> bool:
    """Say whether a worker has an engine; one of an older version does not tell and is taken at its word."""
    return worker.engines is None or "problem" not in worker.engines.get(engine, {"problem": "not there"})
