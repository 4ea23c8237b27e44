"""Reads that automatic tickets need: of tickets, and the few of other slices. Lists stand in ``queries_list``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import false, func, select, true

from app.accounts.models import User
from app.core.db import db
from app.core.tenancy import current_tenant_id
from app.inventory.models import Server
from app.jobs.log_models import RunTask, TaskResult
from app.jobs.models import Job, Launch
from app.jobs.status import JobStatus
from app.runners.base import FailureCode, TaskStatus
from app.tickets.models import Ticket, TicketFingerprint, TicketJob, TicketStatus

OPEN = (TicketStatus.OPEN, TicketStatus.IN_PROGRESS)
# Servers on which the play stopped because of another failure: they belong to that failure's ticket.
FOLLOWING = frozenset({FailureCode.NOT_REACHED, FailureCode.INCOMPLETE})
ENDED = (TicketStatus.RESOLVED, TicketStatus.CLOSED)


@dataclass(frozen=True, slots=True)
class ServerName:
    """What tickets need of a server."""

    hostname: str
    ip_address: str
    environment: str | None
    is_active: bool
    tags: tuple[str, ...] = ()


def servers_by_id(ids: Collection[int]) -> dict[int, ServerName]:
    """Return servers of the current tenant by id; one query."""
    if not ids:
        return {}
    rows = db.session.execute(
        select(Server.id, Server.hostname, Server.ip_address, Server.environment, Server.is_active, Server.tags).where(
            Server.id.in_(ids)
        )
    )
    return {
        row.id: ServerName(row.hostname, row.ip_address, row.environment, row.is_active, tuple(row.tags or ()))
        for row in rows
    }


def tickets_of_jobs(job_ids: Collection[int]) -> dict[int, int]:
    """Return which of the jobs have joined a ticket already: job id -> ticket id."""
    if not job_ids:
        return {}
    rows = db.session.execute(select(TicketJob.job_id, TicketJob.ticket_id).where(TicketJob.job_id.in_(job_ids)))
    return {row.job_id: row.ticket_id for row in rows}


def open_ticket_ids(fingerprints: Collection[str]) -> dict[str, int]:
    """Return the open tickets of these fingerprints: fingerprint -> id."""
    rows = db.session.execute(
        select(Ticket.open_fingerprint, Ticket.id).where(Ticket.open_fingerprint.in_(fingerprints))
    )
    return {fingerprint: ticket_id for fingerprint, ticket_id in rows if fingerprint}


def open_ticket(fingerprint: str) -> Ticket | None:
    """Return the open ticket of a fingerprint, read afresh."""
    statement = select(Ticket).where(Ticket.open_fingerprint == fingerprint)
    return db.session.scalars(statement.execution_options(populate_existing=True)).one_or_none()


def last_ended_ticket(fingerprint: str, since: datetime) -> Ticket | None:
    """Return the newest ticket of a fingerprint if it ended at or after ``since`` and is neither open nor merged."""
    ticket = db.session.scalars(
        select(Ticket)
        .where(Ticket.fingerprint == fingerprint, Ticket.merged_into_id.is_(None))
        .order_by(Ticket.id.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if ticket is None or ticket.status not in ENDED or ticket.resolved_at is None or ticket.resolved_at < since:
        return None
    return ticket


def leads_to(fingerprints: Collection[str]) -> dict[str, str]:
    """Return the fingerprints that count as another one since their tickets were merged."""
    rows = db.session.execute(
        select(TicketFingerprint.fingerprint, TicketFingerprint.leads_to).where(
            TicketFingerprint.fingerprint.in_(fingerprints)
        )
    )
    return {row.fingerprint: row.leads_to for row in rows}


def active_person(user_id: int) -> str | None:
    """Return the name of a user of the current tenant who can be given work, None for others."""
    tenant_id = current_tenant_id()
    return db.session.scalar(
        select(User.username).where(
            User.id == user_id, User.tenant_id == tenant_id, User.is_active, User.is_system == false()
        )
    )


def system_user_id(tenant_id: int, *, lock: bool = False) -> int | None:
    """Return the tenant's system user, the creator of automatic tickets.

    ``lock`` holds its row until the end of the transaction: whoever opens tickets in a tenant does so alone.
    """
    statement = select(User.id).where(User.tenant_id == tenant_id, User.is_system).order_by(User.id).limit(1)
    return db.session.scalar(statement.with_for_update() if lock else statement)


def last_failing_job(job_ids: Collection[int]) -> int | None:
    """Return which of these jobs of one run failed last, by the number of the failing task; None: no results."""
    return db.session.scalar(
        select(TaskResult.job_id)
        .where(
            TaskResult.job_id.in_(job_ids),
            TaskResult.status.in_([TaskStatus.FAILED, TaskStatus.UNREACHABLE]),
        )
        .order_by(TaskResult.task_seq.desc(), TaskResult.job_id)
        .limit(1)
    )


@dataclass(frozen=True, slots=True)
class OpenFailure:
    """A failed job of an open ticket whose server has not been green since."""

    id: int  # of the ticket_jobs row
    ticket_id: int
    job_id: int
    server_id: int | None
    job_failure_code: str | None
    failed_task: str
    failed_module: str


def uncleared_failures(
    subject_type: str, subject_id: int, server_ids: Collection[int], other_than_run: int
) -> Sequence[OpenFailure]:
    """Return what a run of a subject on these servers may clear, without the failures of that run itself.

    An empty ``server_ids`` asks for the failures of kinds without servers.
    """
    where = TicketJob.server_id.in_(server_ids) if server_ids else TicketJob.server_id.is_(None)
    rows = db.session.execute(
        select(
            TicketJob.id,
            TicketJob.ticket_id,
            TicketJob.job_id,
            TicketJob.server_id,
            Job.failure_code,
            func.coalesce(Job.failed_task, ""),
            func.coalesce(Job.failed_module, ""),
        )
        .join(Ticket, Ticket.id == TicketJob.ticket_id)
        .join(Job, Job.id == TicketJob.job_id)
        .join(Launch, Launch.id == Job.launch_id)
        .where(
            Ticket.status.in_(OPEN),
            TicketJob.cleared_at.is_(None),
            where,
            Job.run_id != other_than_run,
            Launch.subject_type == subject_type,
            Launch.subject_id == subject_id,
        )
        .order_by(TicketJob.ticket_id, TicketJob.id)
    )
    return [OpenFailure(*row) for row in rows]


def count_uncleared(ticket_id: int) -> int:
    """Return on how many active servers (or jobs without a server) a ticket's problem has not been green since."""
    rows = db.session.execute(
        select(TicketJob.server_id, Server.is_active)
        .outerjoin(Server, Server.id == TicketJob.server_id)
        .where(TicketJob.ticket_id == ticket_id, TicketJob.cleared_at.is_(None))
        .distinct()
    )
    return sum(1 for server_id, is_active in rows if server_id is None or is_active)


def tasks_of_run(run_id: int, modules: Collection[str]) -> list[tuple[int, str, str]]:
    """Return (task_seq, name, module) of a run's tasks of these modules."""
    rows = db.session.execute(
        select(RunTask.task_seq, RunTask.task, RunTask.module).where(
            RunTask.run_id == run_id, RunTask.module.in_(modules)
        )
    )
    return [(seq, name, module) for seq, name, module in rows]


def results_of_tasks(job_ids: Collection[int], task_seqs: Collection[int]) -> dict[int, dict[int, TaskStatus]]:
    """Return how these tasks went: job id -> task_seq -> status; jobs without a result are left out."""
    found: dict[int, dict[int, TaskStatus]] = {}
    if not job_ids or not task_seqs:
        return found
    rows = db.session.execute(
        select(TaskResult.job_id, TaskResult.task_seq, TaskResult.status).where(
            TaskResult.job_id.in_(job_ids), TaskResult.task_seq.in_(task_seqs)
        )
    )
    for job_id, task_seq, status in rows:
        found.setdefault(job_id, {})[task_seq] = status
    return found


def launch_is_narrowed(launch_id: int) -> bool:
    """Say whether a launch ran only some tasks of its playbook (tags, skipped tags)."""
    inputs = db.session.scalar(select(Launch.inputs).where(Launch.id == launch_id)) or {}
    return bool(inputs.get("tags") or inputs.get("skip_tags"))


def due_jobs(limit: int) -> list[tuple[int, int]]:
    """Return (tenant_id, run_id) of runs whose failed jobs wait for their ticket, oldest first; across tenants."""
    rows = db.session.execute(
        select(Job.tenant_id, Job.run_id).where(Job.ticket_due == true()).order_by(Job.id).limit(limit)
    )
    return list(dict.fromkeys((tenant_id, run_id) for tenant_id, run_id in rows))


def final_jobs(run_id: int) -> Sequence[Job]:
    """Return the jobs of a run that have ended, in their order."""
    final = (JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELLED)
    return db.session.scalars(select(Job).where(Job.run_id == run_id, Job.status.in_(final)).order_by(Job.id)).all()


def resolved_before(moment: datetime, limit: int) -> Sequence[Ticket]:
    """Return resolved tickets of the current tenant that were resolved before ``moment``, oldest first."""
    return db.session.scalars(
        select(Ticket)
        .where(Ticket.status == TicketStatus.RESOLVED, Ticket.resolved_at < moment)
        .order_by(Ticket.id)
        .limit(limit)
    ).all()


def server_of_job(job_id: int) -> ServerName | None:
    """Return the server of a job, None for kinds without servers."""
    row = db.session.execute(
        select(Server.hostname, Server.ip_address, Server.environment, Server.is_active)
        .join(Job, Job.server_id == Server.id)
        .where(Job.id == job_id)
    ).one_or_none()
    return None if row is None else ServerName(*row)
