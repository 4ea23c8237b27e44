"""How runs and jobs end, whoever ends them: final statuses, counts, locks, audit, tickets, in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, case, inspect, literal, or_, select, update

from app.audit import service as audit
from app.audit.resource import Resource
from app.core import queue
from app.core.actor import Actor
from app.core.db import after_commit, db
from app.core.db_time import database_now
from app.core.state_machine import transition
from app.core.wake import wake
from app.inventory import last_jobs
from app.jobs import figures, kinds, locks
from app.jobs.events import FinishedJob, RunFinished, run_finished
from app.jobs.models import Job, Launch, Run
from app.jobs.status import JOB_FINAL, JOB_TRANSITIONS, RUN_TRANSITIONS, JobStatus, RunStatus
from app.runners.base import FailureCode, HostResult, RunResult

log = logging.getLogger(__name__)

MESSAGES: dict[FailureCode, str] = {
    FailureCode.LOST: "The run began and its end is unknown: its worker died or lost contact. "
    "Look at the server before you launch again; part of the work may be done.",
    FailureCode.TIMEOUT: "The run was stopped because it took longer than its timeout.",
    FailureCode.CANCELLED: "Cancelled.",
    FailureCode.SHUTDOWN: "The worker was stopped while this ran; the run was ended with it.",
    FailureCode.DISK_FULL: "The worker's disk is full; the run was stopped before log lines could be lost.",
    FailureCode.MEMORY_LIMIT: "The run was stopped at its memory limit.",
    FailureCode.PROCESS_LIMIT: "The run was stopped at its limit of processes.",
    FailureCode.NOT_REACHED: "The play stopped before it reached this server.",
    FailureCode.INCOMPLETE: "The play stopped before it had finished on this server.",
    FailureCode.NO_HOSTS: "The playbook matches none of the servers of this launch. Check its 'hosts:' line.",
}


def run_topic(run_id: int) -> str:
    """Return the wake-up topic of a run: new lines, results and statuses of all its jobs."""
    return f"run:{run_id}"


def job_outcome(result: RunResult, host: HostResult | None) -> tuple[JobStatus, HostResult]:
    """Return a job's final status from its run's result and its host's part of it (None: no word of it)."""
    if host is not None and host.failure_code is None:
        return JobStatus.SUCCESS, host
    if result.failure_code is FailureCode.CANCELLED and (
        host is None or host.failure_code in (FailureCode.NOT_REACHED, FailureCode.INCOMPLETE, FailureCode.CANCELLED)
    ):
        return JobStatus.CANCELLED, HostResult(FailureCode.CANCELLED, MESSAGES[FailureCode.CANCELLED])
    if host is not None:
        return JobStatus.FAILED, host
    code = result.failure_code or FailureCode.NOT_REACHED
    return JobStatus.FAILED, HostResult(code, result.message or MESSAGES.get(code, ""))


def finish_run(run: Run, result: RunResult, *, hosts_by_job: Mapping[int, str], log_complete: bool) -> bool:
    """Give a claimed, running or pending run and all its open jobs their final status. One transaction.

    ``hosts_by_job`` maps job ids to the names in ``result.hosts``. False when the run was already final: the
    database keeps the first answer. Rings the runs that waited for the servers once committed.
    """
    status = {None: RunStatus.SUCCESS, FailureCode.CANCELLED: RunStatus.CANCELLED}.get(
        result.failure_code, RunStatus.FAILED
    )
    now = database_now()
    moved = transition(
        Run.status,
        RUN_TRANSITIONS,
        status,
        Run.tenant_id == run.tenant_id,
        Run.id == run.id,
        Run.attempt == run.attempt,
        failure_code=result.failure_code,
        message=(result.message or None) and result.message[:4000],
        exit_code=result.exit_code,
        engine_version=result.engine_version[:100] or None,
        completed_at=now,
        log_complete=log_complete,
    )
    if not moved:
        return False
    db.session.expire(run)
    outcomes = _finish_jobs(run, result, hosts_by_job, now, log_complete)
    _note_last_jobs(run, outcomes, now)
    figures.note_end(run, len(outcomes))
    launch = _count_down(run, outcomes, now)
    _audit_end(run, launch, outcomes)
    _announce(run, launch, outcomes, now)
    _after_end(run)
    return True


Outcome = tuple[Job, JobStatus, HostResult]


def _finish_jobs(
    run: Run, result: RunResult, hosts_by_job: Mapping[int, str], now: datetime, log_complete: bool
) -> list[Outcome]:
    jobs = db.session.scalars(
        select(Job).where(Job.tenant_id == run.tenant_id, Job.run_id == run.id, Job.status.not_in(JOB_FINAL))
    ).all()
    outcomes: list[Outcome] = []
    rows = []
    for job in jobs:
        name = hosts_by_job.get(job.id)
        status, host = job_outcome(result, result.hosts.get(name) if name else None)
        message = host.message or (MESSAGES.get(host.failure_code, "") if host.failure_code else "")
        if host.failure_code is FailureCode.LOST:
            message = f"{message} {kinds.after_loss(run.kind)}".strip()
        outcomes.append((job, status, host))
        rows.append(
            {
                "b_id": job.id,
                "b_tenant": job.tenant_id,
                "status": status,
                "failure_code": host.failure_code,
                "error_message": message[:8000] or None,
                "failed_task": host.failed_task[:255] or None,
                "failed_module": host.failed_module[:255] or None,
                "task_counts": dict(host.counts) or None,
                "completed_at": now,
                "log_complete": log_complete,
                "ticket_due": status is JobStatus.FAILED,
            }
        )
    if rows:
        table = Job.__table__
        names = [name for name in rows[0] if not name.startswith("b_")]
        db.session.connection().execute(
            update(table)  # type: ignore[arg-type]
            .where(table.c.id == bindparam("b_id"), table.c.tenant_id == bindparam("b_tenant"))
            # Not IN (...): an expanding list cannot go with executemany.
            .where(or_(table.c.status == JobStatus.PENDING, table.c.status == JobStatus.RUNNING))
            .values({name: bindparam(name) for name in names}),
            rows,
        )
        db.session.expire_all()
    return outcomes


def _note_last_jobs(run: Run, outcomes: list[Outcome], now: datetime) -> None:
    # The identity, not ``job.id``: the rows are expired, and each would be read again by itself.
    ids = {identity[0]: status for job, status, _host in outcomes if (identity := inspect(job).identity)}
    if not ids:
        return
    rows = db.session.execute(
        select(Job.id, Job.job_id, Job.server_id).where(
            Job.tenant_id == run.tenant_id, Job.run_id == run.id, Job.server_id.is_not(None)
        )
    ).all()
    ended = [last_jobs.Ended(row.server_id, row.id, row.job_id, ids[row.id].value) for row in rows if row.id in ids]
    last_jobs.note_ended(run.tenant_id, ended, now)


def _count_down(run: Run, outcomes: list[Outcome], now: datetime) -> Launch:
    counts = {status: sum(1 for outcome in outcomes if outcome[1] is status) for status in JOB_FINAL}
    db.session.execute(
        update(Launch)
        .where(Launch.tenant_id == run.tenant_id, Launch.id == run.launch_id)
        .values(
            open_runs=Launch.open_runs - 1,
            jobs_success=Launch.jobs_success + counts[JobStatus.SUCCESS],
            jobs_failed=Launch.jobs_failed + counts[JobStatus.FAILED],
            jobs_cancelled=Launch.jobs_cancelled + counts[JobStatus.CANCELLED],
        )
        .execution_options(synchronize_session=False)
    )
    db.session.execute(
        update(Launch)
        .where(
            Launch.tenant_id == run.tenant_id,
            Launch.id == run.launch_id,
            Launch.open_runs <= 0,
            Launch.status.not_in(JOB_FINAL),
        )
        .values(
            completed_at=now,
            status=case(
                (Launch.jobs_failed > 0, JobStatus.FAILED),
                (Launch.jobs_cancelled > 0, JobStatus.CANCELLED),
                # A failing play on localhost fails the run although no server of it failed.
                (literal(run.status is RunStatus.FAILED), JobStatus.FAILED),
                else_=JobStatus.SUCCESS,
            ),
        )
        .execution_options(synchronize_session=False)
    )
    return db.session.scalars(
        select(Launch)
        .where(Launch.tenant_id == run.tenant_id, Launch.id == run.launch_id)
        .execution_options(populate_existing=True)
    ).one()


def _audit_end(run: Run, launch: Launch, outcomes: list[Outcome]) -> None:
    counts = {status.value: sum(1 for outcome in outcomes if outcome[1] is status) for status in JOB_FINAL}
    audit.record(
        Actor.system(run.tenant_id),
        "run:finish",
        Resource("run", run.id, run.uuid),
        action="UPDATE",
        details={
            "launch": launch.uuid,
            "status": run.status.value,
            "failure_code": run.failure_code,
            "attempt": run.attempt,
            "jobs": {name: number for name, number in counts.items() if number},
        },
    )


def payload(run: Run, launch: Launch, jobs: Sequence[Job], now: datetime) -> RunFinished:
    """Return what receivers of ``run_finished`` get, from rows that are already final."""
    return RunFinished(
        tenant_id=run.tenant_id,
        run_id=run.id,
        run_uuid=run.uuid,
        launch_id=launch.id,
        kind=run.kind,
        subject_type=launch.subject_type,
        subject_id=launch.subject_id,
        title=launch.title,
        is_check=launch.is_check,
        user_id=launch.user_id,
        completed_at=now,
        failure_code=run.failure_code,
        jobs=[
            FinishedJob(
                id=job.id,
                job_uuid=job.job_id,
                server_id=job.server_id,
                playbook_id=job.playbook_id,
                status=job.status,
                failure_code=job.failure_code,
                error_message=job.error_message,
                failed_task=job.failed_task,
                failed_module=job.failed_module,
            )
            for job in jobs
        ],
    )


def _announce(run: Run, launch: Launch, outcomes: list[Outcome], now: datetime) -> None:
    if not outcomes:
        return
    ids = [job.id for job, *_ in outcomes]
    jobs = list(db.session.scalars(select(Job).where(Job.tenant_id == run.tenant_id, Job.id.in_(ids))))
    event = payload(run, launch, jobs, now)
    try:
        with audit.savepoint():
            run_finished.send(event)
    except Exception:
        # The end of a run is never held up by what follows it: its failed jobs stay ticket_due.
        log.exception("receiver of run_finished failed", extra={"run_id": run.id})


def _after_end(run: Run) -> None:
    waiting = locks.release(run)
    run_id_ended = run.id

    def tell() -> None:
        wake(run_topic(run_id_ended))
        for run_id, to in waiting.items():
            queue.ring(run_id, to)

    after_commit(tell)


def cancel_pending_run(run: Run) -> bool:
    """End a run that nobody has claimed, with all its jobs; False when it is not pending any more."""
    moved = transition(
        Run.status,
        {RunStatus.PENDING: frozenset({RunStatus.CANCELLED})},
        RunStatus.CANCELLED,
        Run.tenant_id == run.tenant_id,
        Run.id == run.id,
        failure_code=FailureCode.CANCELLED,
        completed_at=database_now(),
        log_complete=True,
    )
    if not moved:
        return False
    db.session.expire(run)
    now = database_now()
    cancelled = RunResult(None, FailureCode.CANCELLED, MESSAGES[FailureCode.CANCELLED])
    outcomes = _finish_jobs(run, cancelled, {}, now, True)
    figures.note_end(run, len(outcomes))
    launch = _count_down(run, outcomes, now)
    _audit_end(run, launch, outcomes)
    _after_end(run)
    return True


def cancel_pending_job(job: Job) -> bool:
    """Leave one pending job out of its run; False when it is not pending any more. The run goes on without it."""
    now = database_now()
    moved = transition(
        Job.status,
        {JobStatus.PENDING: frozenset({JobStatus.CANCELLED})},
        JobStatus.CANCELLED,
        Job.tenant_id == job.tenant_id,
        Job.id == job.id,
        failure_code=FailureCode.CANCELLED,
        error_message=MESSAGES[FailureCode.CANCELLED],
        completed_at=now,
        log_complete=True,
    )
    if moved:
        db.session.execute(
            update(Launch)
            .where(Launch.tenant_id == job.tenant_id, Launch.id == job.launch_id)
            .values(jobs_cancelled=Launch.jobs_cancelled + 1)
            .execution_options(synchronize_session=False)
        )
        run_id = job.run_id
        after_commit(lambda: wake(run_topic(run_id)))
    return bool(moved)


def begin_jobs(run: Run, now: datetime) -> int:
    """Move the run's pending jobs to running and its launch with them; return how many jobs moved."""
    moved = transition(
        Job.status,
        JOB_TRANSITIONS,
        JobStatus.RUNNING,
        Job.tenant_id == run.tenant_id,
        Job.run_id == run.id,
        started_at=now,
        celery_task_id=run.celery_task_id,
    )
    transition(
        Launch.status,
        {JobStatus.PENDING: frozenset({JobStatus.RUNNING})},
        JobStatus.RUNNING,
        Launch.tenant_id == run.tenant_id,
        Launch.id == run.launch_id,
        started_at=now,
    )
    return moved
