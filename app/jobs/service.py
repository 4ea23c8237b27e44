"""Commands on work: submit a launch, cancel a launch or a job."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, func, insert, select, update

from app.audit import service as audit
from app.audit.resource import Resource
from app.core import log_context, queue
from app.core.actor import Actor, Via
from app.core.crypto import Keyring
from app.core.db import db
from app.core.db_time import database_now, db_now
from app.core.errors import Conflict, InvalidInput, InvalidTransition
from app.core.permissions import Permission, require
from app.core.runtime import settings
from app.core.table import new_uuid
from app.jobs import closing, kinds, queries, rights
from app.jobs.models import Job, Launch, Run
from app.jobs.status import JOB_FINAL, RUN_FINAL, RUN_OPEN, JobStatus, LockMode, RunStatus

_CARRIED = RUN_OPEN - {RunStatus.PENDING}


@dataclass(frozen=True, slots=True)
class Origin:
    """What was pressed to ask for a launch: kind of thing ("saved_launch"), its UUID, its name for people."""

    type: str
    uuid: str
    title: str


@dataclass(frozen=True, slots=True)
class Submission:
    """What a slice wants to have run. ``targets`` are server ids (empty for kinds without servers: one job).

    ``extra_vars`` is what the jobs' rows show; a secret value is never in it, but in ``secret_inputs``, which
    is stored encrypted. ``title`` is the subject's name for people. Launches of one ``lock_name`` in a tenant run one
    after the other, in the order in which they were asked for.
    """

    kind: str
    subject_type: str
    subject_id: int
    title: str
    inputs: dict[str, Any]
    targets: Sequence[int]
    timeout_seconds: int
    playbook_id: int | None = None
    engine: str = "default"
    lock_mode: LockMode = LockMode.EXCLUSIVE
    lock_name: str | None = None
    is_check: bool = False
    source: str = "web"
    relaunch_of: int | None = None
    origin: Origin | None = None
    extra_vars: dict[str, Any] = field(default_factory=dict)
    secret_inputs: dict[str, Any] = field(default_factory=dict)
    noted: dict[str, Any] = field(default_factory=dict)  # more for the audit entry, e.g. a module's name


def secret_context(launch_uuid: str, tenant_id: int) -> str:
    """Return what the encrypted secret inputs of a launch are bound to."""
    return f"launches|secret_inputs|{launch_uuid}|{tenant_id}"


def submit(actor: Actor, submission: Submission) -> Launch:
    """Insert a launch with its run and jobs (all pending); ring once committed. One audit entry.

    Raises InvalidInput for no or too many targets, or a timeout over the limit.
    """
    require(actor, Permission.JOB_LAUNCH)
    limits = settings()
    targets = list(dict.fromkeys(submission.targets))
    if len(targets) > limits.max_servers_per_launch:
        raise InvalidInput(server_ids=f"At most {limits.max_servers_per_launch} servers in one launch.")
    if not 5 <= submission.timeout_seconds <= limits.job_timeout_limit_seconds:
        raise InvalidInput(timeout=f"Between 5 and {limits.job_timeout_limit_seconds} seconds.")
    if actor.user_id is None:
        raise InvalidInput("A launch needs a person or a key behind it.")
    now = database_now()  # not this machine's clock: how long a run has waited is counted from it
    launch = _insert_launch(actor, submission, len(targets) or 1, now)
    run = Run(
        tenant_id=actor.tenant_id,
        launch_id=launch.id,
        kind=submission.kind,
        engine=submission.engine,
        lock_mode=submission.lock_mode,
        lock_name=submission.lock_name,
        queue=kinds.queue_of(submission.kind),
        timeout_seconds=submission.timeout_seconds,
        created_at=now,
    )
    db.session.add(run)
    db.session.flush()
    db.session.execute(
        insert(Job),
        [
            {
                "tenant_id": actor.tenant_id,
                "job_id": new_uuid(),
                "kind": submission.kind,
                "launch_id": launch.id,
                "run_id": run.id,
                "playbook_id": submission.playbook_id,
                "server_id": target,
                "user_id": actor.user_id,
                "status": JobStatus.PENDING,
                "extra_vars": submission.extra_vars or None,
                "created_at": now,
            }
            for target in (targets or (None,))
        ],
    )
    audit.record(
        actor,
        "launch:create",
        Resource("launch", launch.id, launch.uuid),
        action="LAUNCH",
        details={
            "kind": submission.kind,
            submission.subject_type: submission.subject_id,
            "servers": len(targets),
            "server_ids": targets[:50],
            "check": submission.is_check,
            "source": submission.source,
            **submission.noted,
            **({submission.origin.type: submission.origin.uuid} if submission.origin else {}),
        },
    )
    _ring_when_committed(run)
    return launch


def _insert_launch(actor: Actor, submission: Submission, jobs: int, now: datetime) -> Launch:
    uuid = new_uuid()
    sealed = None
    if submission.secret_inputs:
        keyring = Keyring(settings().master_key.get_secret_value())
        sealed = keyring.encrypt(secret_context(uuid, actor.tenant_id), json.dumps(submission.secret_inputs))
    launch = Launch(
        tenant_id=actor.tenant_id,
        uuid=uuid,
        kind=submission.kind,
        subject_type=submission.subject_type,
        subject_id=submission.subject_id,
        title=submission.title[:255],
        user_id=actor.user_id,
        api_key_id=actor.api_key_id,
        source="api" if actor.via is Via.API_KEY else submission.source,
        inputs=submission.inputs,
        secret_inputs=sealed,
        is_check=submission.is_check,
        relaunch_of=submission.relaunch_of,
        origin_type=submission.origin.type if submission.origin else None,
        origin_uuid=submission.origin.uuid if submission.origin else None,
        origin_title=submission.origin.title[:255] if submission.origin else None,
        open_runs=1,
        jobs_total=jobs,
        created_at=now,
    )
    db.session.add(launch)
    db.session.flush()
    log_context.add(launch_uuid=uuid)
    return launch


def _ring_when_committed(run: Run) -> None:
    # Stamped now, so that the keeper's sweep does not ring a second time at once.
    run.dispatched_at = database_now()
    queue.ring_after_commit(run.id, run.queue)


def cancel_launch(actor: Actor, launch_uuid: str, *, at_once: bool = False) -> Launch:
    """Ask for the end of everything open in a launch: pending runs end now, running ones within the engine's grace.

    ``at_once``: running ones are killed, with everything that they started, without any grace. Whoever launched it
    may, whatever their role. Asking twice is fine. A launch that has ended raises InvalidTransition.
    """
    rights.require_cancel(actor)
    launch = queries.get_launch(actor, launch_uuid)
    rights.require_cancel(actor, launch.user_id)
    if launch.status in JOB_FINAL:
        raise InvalidTransition("This launch has already ended; there is nothing left to cancel.")
    if launch.cancel_requested_at is None or at_once:
        launch.cancel_requested_at = launch.cancel_requested_at or database_now()
        how = {"at_once": True} if at_once else {}
        audit.record(actor, "launch:cancel", Resource("launch", launch.id, launch.uuid), action="CANCEL", details=how)
    runs = db.session.scalars(
        select(Run).where(Run.tenant_id == actor.tenant_id, Run.launch_id == launch.id, Run.completed_at.is_(None))
    ).all()
    for run in runs:
        _cancel_run(actor, run, at_once=at_once)
    db.session.refresh(launch)
    return launch


def cancel_job(actor: Actor, job_id: str, *, at_once: bool = False) -> Job:
    """Cancel one job. Pending: it is left out of its run. Running alone: its run is stopped (``at_once``: killed).

    A job that runs together with others raises Conflict with the launch's cancel as advice, one that has
    ended InvalidTransition.
    """
    rights.require_cancel(actor)
    job = queries.get_job(actor, job_id)
    rights.require_cancel(actor, job.user_id)
    if job.status in JOB_FINAL:
        raise InvalidTransition("This job has already ended; there is nothing left to cancel.")
    run = db.session.scalars(select(Run).where(Run.tenant_id == actor.tenant_id, Run.id == job.run_id)).one()
    others = queries.count_open_jobs_of_run(run) - 1
    if others > 0 and run.status is not RunStatus.PENDING:
        launch = queries.launch_of(job)
        raise Conflict(
            f"This job runs in one process with {others} other servers. Cancel the whole launch instead: "
            f"POST /api/v1/launches/{launch.uuid}/cancel.",
            error="shared_run",
        )
    how = {"at_once": True} if at_once else {}
    audit.record(actor, "job:cancel", Resource("job", job.id, job.job_id), action="CANCEL", details=how)
    if others > 0:
        closing.cancel_pending_job(job)
    else:
        _cancel_run(actor, run, at_once=at_once)
    db.session.refresh(job)
    return job


def _cancel_run(actor: Actor, run: Run, *, at_once: bool = False) -> None:
    """End a pending run, ask for the end of one that a worker has; again when it changed hands in between."""
    while not closing.cancel_pending_run(run):
        asked = db.session.execute(
            update(Run)
            .where(Run.tenant_id == run.tenant_id, Run.id == run.id, Run.status.in_(_CARRIED))
            .values(
                cancel_requested_at=func.coalesce(Run.cancel_requested_at, db_now()),
                cancel_requested_by=func.coalesce(Run.cancel_requested_by, actor.user_id),
                **({"cancel_forced_at": func.coalesce(Run.cancel_forced_at, db_now())} if at_once else {}),
            )
            .execution_options(synchronize_session=False)
        )
        db.session.refresh(run)
        if cast(CursorResult[Any], asked).rowcount or run.status in RUN_FINAL:
            return
