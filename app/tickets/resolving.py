"""Green runs: a ticket resolves itself once its problem is gone on every server that showed it.

Gone means, for a failed task: that very task ran and was ok there (not skipped, not in check mode). For what
no task caused (unreachable, lost, timeout, ...): the whole playbook succeeded there, not narrowed by tags.
Servers that are no longer active need not show anything.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import update

from app.audit import service as audit
from app.audit.resource import Resource
from app.core.actor import Actor
from app.core.db import db
from app.core.state_machine import transition
from app.core.tenancy import tenant_scope
from app.jobs.events import FinishedJob, RunFinished
from app.jobs.status import JobStatus
from app.runners.base import FailureCode, TaskStatus
from app.tickets import queries, wording
from app.tickets.fingerprint import normalise_task
from app.tickets.history import EventKind, add_event
from app.tickets.models import TICKET_TRANSITIONS, Ticket, TicketJob, TicketStatus

_DONE = frozenset({TaskStatus.OK, TaskStatus.CHANGED})
_BY_TASK = frozenset({FailureCode.TASK_FAILED})


def resolve_by_run(event: RunFinished) -> list[int]:
    """Note what a run has cleared and resolve the tickets that it completes; return the resolved ones' ids.

    Call it after ``open_for_run`` of the same event, in the same transaction.
    """
    if event.is_check or not event.jobs:
        return []
    with tenant_scope(event.tenant_id):
        servers = {job.server_id for job in event.jobs if job.server_id is not None}
        failures = queries.uncleared_failures(event.subject_type, event.subject_id, servers, event.run_id)
        by_ticket: dict[int, list[queries.OpenFailure]] = {}
        for failure in failures:
            by_ticket.setdefault(failure.ticket_id, []).append(failure)
        narrowed = queries.launch_is_narrowed(event.launch_id) if by_ticket else False
        resolved = [
            ticket_id
            for ticket_id, rows in sorted(by_ticket.items())
            if _clear(event, ticket_id, rows, narrowed=narrowed)
        ]
        db.session.flush()
        return resolved


def _clear(event: RunFinished, ticket_id: int, failures: Sequence[queries.OpenFailure], *, narrowed: bool) -> bool:
    ticket = db.session.get_one(Ticket, ticket_id)
    green = _green_servers(event, ticket, failures, narrowed=narrowed)
    cleared = [failure for failure in failures if failure.server_id in green]
    if not cleared:
        return False
    db.session.execute(
        update(TicketJob)
        .where(TicketJob.tenant_id == event.tenant_id, TicketJob.id.in_([failure.id for failure in cleared]))
        .values(cleared_at=event.completed_at)
        .execution_options(synchronize_session=False)
    )
    remaining = queries.count_uncleared(ticket_id)
    names = queries.servers_by_id({failure.server_id for failure in cleared if failure.server_id is not None})
    hosts = sorted(server.hostname for server in names.values())
    if remaining:
        add_event(
            ticket,
            EventKind.CLEARED,
            run=event.run_uuid,
            launch_id=event.launch_id,
            hosts=hosts[: wording.HOSTS_NAMED],
            hosts_total=len(hosts),
            remaining=remaining,
        )
        return False
    return _resolve(event, ticket)


def _resolve(event: RunFinished, ticket: Ticket) -> bool:
    moved = transition(
        Ticket.status,
        TICKET_TRANSITIONS,
        TicketStatus.RESOLVED,
        Ticket.tenant_id == event.tenant_id,
        Ticket.id == ticket.id,
        resolved_at=event.completed_at,
        version=Ticket.version + 1,
    )
    if not moved:
        return False
    db.session.refresh(ticket)
    add_event(ticket, EventKind.RESOLVED, run=event.run_uuid, launch_id=event.launch_id)
    audit.record(
        Actor.system(event.tenant_id, queries.system_user_id(event.tenant_id)),
        "ticket:resolve",
        Resource("ticket", ticket.id, ticket.ticket_id),
        action="UPDATE",
        details={"run": event.run_uuid, "title": ticket.title},
    )
    return True


def _green_servers(
    event: RunFinished, ticket: Ticket, failures: Sequence[queries.OpenFailure], *, narrowed: bool
) -> set[int | None]:
    """Return the servers of this run on which the ticket's problem is gone."""
    whole = {job.server_id for job in event.jobs if job.status is JobStatus.SUCCESS and not narrowed}
    if ticket.failure_code not in _BY_TASK:
        return whole
    # Where the play only stopped because of others, its success as a whole is proof enough.
    only_stopped = {failure.server_id for failure in failures if failure.job_failure_code in queries.FOLLOWING}
    only_stopped -= {failure.server_id for failure in failures if failure.job_failure_code not in queries.FOLLOWING}
    return _task_ran_ok(event, ticket, event.jobs) | (whole & only_stopped)


def _task_ran_ok(event: RunFinished, ticket: Ticket, jobs: Sequence[FinishedJob]) -> set[int | None]:
    servers = queries.servers_by_id({job.server_id for job in jobs if job.server_id is not None})
    ticket_server = queries.server_of_job(ticket.job_id)
    names = [name for server in servers.values() for name in (server.hostname, server.ip_address)]
    if ticket_server is not None:
        names += [ticket_server.hostname, ticket_server.ip_address]
    wanted = normalise_task(ticket.failed_task or "", names)
    seqs = [
        seq
        for seq, name in queries.tasks_of_run(event.run_id, ticket.failed_module or "")
        if normalise_task(name, names)[:255] == wanted
    ]
    statuses = queries.results_of_tasks([job.id for job in jobs], seqs)
    ran = {job_id for job_id, seen in statuses.items() if seen & _DONE and not seen - _DONE - {TaskStatus.SKIPPED}}
    return {job.server_id for job in jobs if job.id in ran}
