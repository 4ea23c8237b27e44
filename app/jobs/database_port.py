"""The executor port on the database. Claim, begin, heartbeat, ship and finish are compare-and-set updates."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, update

from app.accounts.queries_tenants import inactive_tenants
from app.core.crypto import Keyring
from app.core.db import db, unit_of_work
from app.core.db_time import database_now, db_now
from app.core.runtime import settings
from app.core.state_machine import transition
from app.core.tenancy import system_scope, tenant_scope
from app.jobs import artifacts, closing, engine_list, facts_store, kinds, late_results, locks, log_store, queues
from app.jobs.log_models import JobLogLine
from app.jobs.models import Job, Launch, PlatformFlag, Run, Worker
from app.jobs.port import Carrier, Claim, Fenced, LateResult, LogBatch, Orders, SinkState
from app.jobs.service import secret_context
from app.jobs.status import RUN_OPEN, RUN_TRANSITIONS, JobStatus, RunStatus, WorkerState
from app.runners.base import FailureCode, RunResult
from app.runners.process import ProcessIdentity

MAX_ATTEMPTS = 5  # before begin a run is tried again; at most five attempts
PAUSED_FLAG = "dispatch_paused"
STOPPING_NOW = "stopping now"  # a draining worker's message once its running runs have to end


@dataclass(frozen=True, slots=True)
class _First:
    """A launch whose kind has something to do before its runs are planned."""

    kind: str
    launch_id: int


class _GiveBack(Exception):
    """Rolls the claim's unit back: dispatch is paused, or the run is somebody else's."""


class _Spent(_GiveBack):
    """So too, and this doorbell did nothing: the worker lacks the run's engine, or another run has a server."""


class DatabasePort:
    """See ``port.EnginePort``. Stateless; one instance serves any number of runs."""

    def claim(self, run_id: int, carrier: Carrier) -> Claim | None:
        """Take a pending run and its servers' locks; None when it is not to be had now."""
        try:
            with system_scope("claim"), unit_of_work():
                return self._claim(run_id, carrier)
        except _GiveBack as error:
            mine = _claimed_before(run_id, carrier.token)
            if mine is None and isinstance(error, _Spent):
                _ring_later(run_id)
            return mine

    def _claim(self, run_id: int, carrier: Carrier) -> Claim:
        now = database_now()
        if db.session.get(PlatformFlag, PAUSED_FLAG) is not None:
            raise _GiveBack
        worker = _worker(carrier.worker_name)
        if worker is not None:
            _check_worker(worker, run_id)
        moved = transition(
            Run.status,
            RUN_TRANSITIONS,
            RunStatus.CLAIMED,
            Run.id == run_id,
            Run.status == RunStatus.PENDING,
            Run.cancel_requested_at.is_(None),
            Run.attempt < MAX_ATTEMPTS,
            Run.tenant_id.not_in(inactive_tenants()),
            may_start_at(now),
            attempt=Run.attempt + 1,
            claim_token=carrier.token,
            claimed_at=now,
            worker_id=worker.id if worker else None,
            celery_task_id=carrier.celery_task_id,
            host_name=carrier.host_name,
            boot_id=carrier.process.boot_id,
            executor_pid=carrier.process.pid,
            executor_pid_start=carrier.process.start_ticks,
            supervisor_pid=None,
            supervisor_pid_start=None,
            lease_seq=Run.lease_seq + 1,
            lease_at=now,
        )
        if not moved:
            raise _GiveBack
        run = db.session.scalars(select(Run).where(Run.id == run_id)).one()
        if not locks.take(run, now):
            raise _Spent
        return _claim_of(run)

    def plan(self, claim: Claim) -> kinds.PreparedRun:
        """Build the run's frozen spec: hashes checked, secrets opened. What has to come first is done first."""
        planned = self._plan(claim)
        if isinstance(planned, _First):
            kinds.prepare(planned.kind, claim.tenant_id, planned.launch_id)
            planned = self._plan(claim)
        if isinstance(planned, _First):
            raise kinds.PreparationError(FailureCode.ENGINE_ERROR, "The run's preparation did not come to an end.")
        return planned

    def _plan(self, claim: Claim) -> kinds.PreparedRun | _First:
        with tenant_scope(claim.tenant_id), unit_of_work(writes=False):
            run = _mine(claim)
            launch = db.session.scalars(
                select(Launch).where(Launch.tenant_id == claim.tenant_id, Launch.id == run.launch_id)
            ).one()
            if launch.inputs.get(kinds.PREPARE) is not None:
                return _First(run.kind, launch.id)
            jobs = db.session.scalars(
                select(Job)
                .where(Job.tenant_id == claim.tenant_id, Job.run_id == run.id, Job.status == JobStatus.PENDING)
                .order_by(Job.id)
            ).all()
            secrets: dict[str, Any] = {}
            if launch.secret_inputs:
                keyring = Keyring(settings().master_key.get_secret_value())
                secrets = json.loads(
                    keyring.decrypt(secret_context(launch.uuid, launch.tenant_id), launch.secret_inputs)
                )
            return kinds.get(run.kind).build_run(
                kinds.RunRequest(
                    tenant_id=claim.tenant_id,
                    run_id=run.id,
                    run_uuid=run.uuid,
                    attempt=run.attempt,
                    engine=run.engine,
                    subject_id=launch.subject_id,
                    user_id=launch.user_id,
                    inputs=dict(launch.inputs),
                    secret_inputs=secrets,
                    timeout_seconds=run.timeout_seconds,
                    is_check=launch.is_check,
                    targets=[kinds.RunTarget(job.id, job.server_id) for job in jobs],
                )
            )

    def begin(self, claim: Claim, planned: kinds.PreparedRun) -> bool:
        """Mark the run and its jobs as begun. Repeating it after an unknown commit answers the same."""
        with tenant_scope(claim.tenant_id), unit_of_work() as session:
            now = database_now()
            moved = transition(
                Run.status,
                RUN_TRANSITIONS,
                RunStatus.RUNNING,
                *_fence(claim),
                Run.status == RunStatus.CLAIMED,
                Run.cancel_requested_at.is_(None),
                began_at=now,
                lease_seq=Run.lease_seq + 1,
                lease_at=now,
                collections=dict(planned.collections) or None,
            )
            run = db.session.scalars(select(Run).where(*_fence(claim))).one_or_none()
            if run is None:
                return False
            if not moved:
                return run.status is RunStatus.RUNNING  # an earlier try was committed after all
            if closing.begin_jobs(run, now) != len(planned.jobs_by_host):
                session.rollback()  # a job was cancelled after the plan was made: plan again
                return False
            return True

    def started(self, claim: Claim, supervisor: ProcessIdentity) -> None:
        """Note which process supervises the engine."""
        with tenant_scope(claim.tenant_id), unit_of_work():
            db.session.execute(
                update(Run)
                .where(*_fence(claim))
                .values(supervisor_pid=supervisor.pid, supervisor_pid_start=supervisor.start_ticks)
            )

    def heartbeat(self, claim: Claim) -> Orders:
        """Renew the lease; hear of a cancel request and of the worker's end."""
        with tenant_scope(claim.tenant_id), unit_of_work():
            result: Any = db.session.execute(
                update(Run)
                .where(*_fence(claim), Run.status.in_(RUN_OPEN))
                .values(lease_seq=Run.lease_seq + 1, lease_at=db_now())
                .execution_options(synchronize_session=False)
            )
            if result.rowcount != 1:
                raise Fenced
            return _orders(claim)

    def listen(self, claim: Claim) -> Orders:
        """Hear of a cancel request and of the worker's end; writes nothing."""
        with tenant_scope(claim.tenant_id), unit_of_work(writes=False):
            return _orders(claim)

    def sink_state(self, claim: Claim) -> SinkState:
        """Return where shipping goes on."""
        with tenant_scope(claim.tenant_id), unit_of_work(writes=False):
            run = _mine(claim)
            jobs = db.session.scalars(
                select(Job).where(Job.tenant_id == claim.tenant_id, Job.run_id == claim.run_id)
            ).all()
            return SinkState(
                next_record=run.shipped_records,
                next_byte=run.shipped_bytes,
                line_counts={job.id: job.log_lines for job in jobs},
                first_failures={job.id: job.first_failure_line for job in jobs if job.first_failure_line},
                job_uuids={job.id: job.job_id for job in jobs},
            )

    def ship(self, claim: Claim, batch: LogBatch) -> bool:
        """Store a batch exactly once: the run's position moves in the same transaction, by compare-and-set."""
        with tenant_scope(claim.tenant_id), unit_of_work():
            result: Any = db.session.execute(
                update(Run)
                .where(*_fence(claim), Run.status.in_(RUN_OPEN), Run.shipped_records == batch.first_record)
                .values(shipped_records=batch.next_record, shipped_bytes=batch.next_byte)
                .execution_options(synchronize_session=False)
            )
            if result.rowcount != 1:
                run = db.session.scalars(select(Run).where(*_fence(claim))).one_or_none()
                if run is None or run.status not in RUN_OPEN:
                    raise Fenced
                return False
            log_store.insert_batch(claim.tenant_id, batch)
            facts_store.keep(claim.tenant_id, batch.facts)
            artifacts.keep(claim.tenant_id, claim.run_id, batch.artifacts)
            return True

    def line_range(self, claim: Claim, job_id: int, task_seq: int) -> tuple[int, int] | None:
        """Return first and last line number that a task has printed on a job so far."""
        with tenant_scope(claim.tenant_id), unit_of_work(writes=False):
            row = db.session.execute(
                select(func.min(JobLogLine.line_number), func.max(JobLogLine.line_number)).where(
                    JobLogLine.tenant_id == claim.tenant_id,
                    JobLogLine.job_id == job_id,
                    JobLogLine.task_seq == task_seq,
                )
            ).one()
            return None if row[0] is None else (row[0], row[1])

    def finish(self, claim: Claim, result: RunResult, *, hosts_by_job: dict[int, str], log_complete: bool) -> bool:
        """Give the run and its jobs their final status."""
        with tenant_scope(claim.tenant_id), unit_of_work():
            run = db.session.scalars(select(Run).where(*_fence(claim))).one_or_none()
            if run is None:
                return False
            return closing.finish_run(run, result, hosts_by_job=hosts_by_job, log_complete=log_complete)

    def release(self, claim: Claim, reason: str) -> bool:
        """Give a claimed run that has not begun back; after five attempts it ends as failed. False: it is none."""
        with tenant_scope(claim.tenant_id), unit_of_work():
            run = db.session.scalars(select(Run).where(*_fence(claim))).one_or_none()
            if run is None or run.status is not RunStatus.CLAIMED:
                return False
            return _release(run, reason)

    def late_result(self, claim: Claim, late: LateResult) -> bool:
        """Keep the word of a fenced carrier as an audit entry."""
        with tenant_scope(claim.tenant_id), unit_of_work():
            return late_results.keep(claim, late)


def may_start_at(now: datetime) -> ColumnElement[bool]:
    """Say in SQL whether a run's pause after a failed attempt is over. A clock that was set back prolongs none."""
    longest = timedelta(seconds=2**MAX_ATTEMPTS)
    return or_(Run.not_before.is_(None), Run.not_before <= now, Run.not_before > now + longest)


def _release(run: Run, reason: str) -> bool:
    """Put a claimed, unbegun run back to pending, or end it; False when it began meanwhile. Part of a unit.

    It ends when its attempts are used up, and when its cancel was asked for: nobody claims such a run again.
    """
    if run.attempt >= MAX_ATTEMPTS:
        message = f"The run could not be started in {MAX_ATTEMPTS} attempts. The last one said: {reason}"
        poison = RunResult(None, FailureCode.POISON, message)
        return closing.finish_run(run, poison, hosts_by_job={}, log_complete=True)
    now = database_now()
    moved = transition(
        Run.status,
        RUN_TRANSITIONS,
        RunStatus.PENDING,
        Run.tenant_id == run.tenant_id,
        Run.id == run.id,
        Run.status == RunStatus.CLAIMED,
        Run.attempt == run.attempt,
        Run.cancel_requested_at.is_(None),
        message=reason[:4000],
        claim_token=None,
        executor_pid=None,
        executor_pid_start=None,
        dispatched_at=None,
        not_before=now + timedelta(seconds=2**run.attempt),
    )
    if moved:
        locks.release(run)
        db.session.expire(run)
        return True
    db.session.refresh(run)
    if run.status is not RunStatus.CLAIMED or run.cancel_requested_at is None:
        return False
    cancelled = RunResult(None, FailureCode.CANCELLED, "Cancelled before it began.")
    return closing.finish_run(run, cancelled, hosts_by_job={}, log_complete=True)


def _claimed_before(run_id: int, token: str) -> Claim | None:
    """Return the claim of an earlier try whose answer was lost; it would stay claimed by somebody who lives."""
    with system_scope("claim"), unit_of_work(writes=False):
        run = db.session.scalars(
            select(Run).where(Run.id == run_id, Run.status == RunStatus.CLAIMED, Run.claim_token == token)
        ).one_or_none()
        return None if run is None else _claim_of(run)


def _claim_of(run: Run) -> Claim:
    launch_uuid = db.session.scalar(
        select(Launch.uuid).where(Launch.tenant_id == run.tenant_id, Launch.id == run.launch_id)
    )
    return Claim(run.tenant_id, run.id, run.uuid, run.attempt, run.claim_token or "", launch_uuid or "")


def _fence(claim: Claim) -> tuple[Any, ...]:
    return (
        Run.tenant_id == claim.tenant_id,
        Run.id == claim.run_id,
        Run.attempt == claim.attempt,
        Run.claim_token == claim.token,
    )


def _mine(claim: Claim) -> Run:
    run = db.session.scalars(select(Run).where(*_fence(claim))).one_or_none()
    if run is None:
        raise Fenced
    return run


def _worker(name: str | None) -> Worker | None:
    if name is None:
        return None
    return db.session.scalars(select(Worker).where(Worker.name == name)).one_or_none()


def _check_worker(worker: Worker, run_id: int) -> None:
    """Raise unless the worker takes runs at all, serves this one's queue, has its engine and a place of that queue."""
    if worker.state is not WorkerState.ONLINE:
        raise _GiveBack
    run = db.session.scalar(select(Run).where(Run.id == run_id))
    if run is None:
        return
    if not (queues.serves(worker, run) and engine_list.can_carry(worker, run) and queues.has_place(worker, run)):
        raise _Spent


def _ring_later(run_id: int) -> None:
    """Let the next sweep that finds the run able to start ring again: this doorbell is spent."""
    with system_scope("spent doorbell"), unit_of_work():
        db.session.execute(
            update(Run)
            .where(Run.id == run_id, Run.status == RunStatus.PENDING)
            .values(dispatched_at=None)
            .execution_options(synchronize_session=False)
        )


def _orders(claim: Claim) -> Orders:
    row = db.session.execute(
        select(Run.cancel_requested_at, Run.cancel_forced_at, Worker.state, Worker.message)
        .outerjoin(Worker, Worker.id == Run.worker_id)
        .where(*_fence(claim), Run.status.in_(RUN_OPEN))
    ).one_or_none()
    if row is None:
        raise Fenced
    return Orders(
        row.cancel_requested_at is not None,
        drain=_drain_is_over(row.state, row.message),
        cancel_forced=row.cancel_forced_at is not None,
    )


def _drain_is_over(state: WorkerState | None, message: str | None) -> bool:
    return state is WorkerState.DRAINING and message == STOPPING_NOW
