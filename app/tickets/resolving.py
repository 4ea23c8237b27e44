"""Green runs: a ticket resolves itself once its problem is gone on every server that showed it.

Gone means, for a failed task: that very task ran and was ok there (not skipped, not in check mode). For what
no task caused (unreachable, lost, timeout, ...): the whole playbook succeeded there, not narrowed by tags.
Servers that are no longer active need not show anything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import update

from app.audit import service as audit
from app.audit.resource import Resource
from app.core.actor import Actor
from app.core.db import db
from app.core.state_machine import transition
from app.core.tenancy import tenant_scope
from app.jobs.events import RunFinished
from app.jobs.status import JobStatus
from app.runners.base import FailureCode, TaskStatus
from app.tickets import queries, wording
from app.tickets.fingerprint import normalise_task
from app.tickets.history import EventKind, add_event
from app.tickets.models import TICKET_TRANSITIONS, Ticket, TicketJob, TicketStatus

_DONE = frozenset({TaskStatus.OK, TaskStatus.CHANGED})
_BY_TASK = frozenset({FailureCode.TASK_FAILED})
_Task = tuple[str, str]  # name, module


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
    green = _green_failures(event, db.session.get_one(Ticket, ticket_id), failures, narrowed=narrowed)
    cleared = [failure for failure in failures if failure.id in green]
    if not cleared:
        return False
    ticket = db.session.get_one(Ticket, ticket_id, with_for_update=True, populate_existing=True)
    if ticket.merged_into_id is not None:  # while this looked for it
        ticket_id = ticket.merged_into_id
        ticket = db.session.get_one(Ticket, ticket_id, with_for_update=True, populate_existing=True)
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
        resolution=None,
        snoozed_until=None,
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


def _green_failures(
    event: RunFinished, ticket: Ticket, failures: Sequence[queries.OpenFailure], *, narrowed: bool
) -> set[int]:
    """Return the ids of those failures whose problem is gone on their server since this run.

    A ticket that others were merged into holds failures of several tasks: each is measured by its own.
    """
    whole = {job.server_id for job in event.jobs if job.status is JobStatus.SUCCESS and not narrowed}
    own = {failure.server_id for failure in failures if failure.job_failure_code not in queries.FOLLOWING}
    tasks = {_task_of(failure) for failure in failures if failure.job_failure_code in _BY_TASK}
    if ticket.failure_code in _BY_TASK:
        tasks.add((ticket.failed_task or "", ticket.failed_module or ""))
    ran = _ran_ok(event, ticket, tasks) if tasks else {}
    anywhere = set[int | None]().union(*ran.values())
    green = set()
    for failure in failures:
        if failure.job_failure_code in queries.FOLLOWING:
            # Where the play only stopped because of others, its success as a whole is proof enough.
            gone = anywhere | (whole - own)
        else:
            gone = ran[_task_of(failure)] if failure.job_failure_code in _BY_TASK else whole
        if failure.server_id in gone:
            green.add(failure.id)
    return green


def _task_of(failure: queries.OpenFailure) -> _Task:
    return failure.failed_task, failure.failed_module


def _ran_ok(event: RunFinished, ticket: Ticket, tasks: Collection[_Task]) -> dict[_Task, set[int | None]]:
    """Return on which servers of the run each of these tasks ran and was ok; three queries."""
    servers = queries.servers_by_id({job.server_id for job in event.jobs if job.server_id is not None})
    ticket_server = queries.server_of_job(ticket.job_id)
    names = [name for server in servers.values() for name in (server.hostname, server.ip_address)]
    if ticket_server is not None:
        names += [ticket_server.hostname, ticket_server.ip_address]
    seqs: dict[_Task, set[int]] = {}
    for seq, name, module in queries.tasks_of_run(event.run_id, {module for _, module in tasks}):
        seqs.setdefault((normalise_task(name, names)[:255], module), set()).add(seq)
    statuses = queries.results_of_tasks([job.id for job in event.jobs], set().union(*seqs.values()))
    ran = {}
    for task, module in tasks:
        mine = seqs.get((normalise_task(task, names), module), set())
        ran[task, module] = {job.server_id for job in event.jobs if _is_ok(statuses.get(job.id, {}), mine)}
    return ran


def _is_ok(seen: Mapping[int, TaskStatus], task_seqs: set[int]) -> bool:
    mine = {status for seq, status in seen.items() if seq in task_seqs}
    return bool(mine & _DONE) and not mine - _DONE - {TaskStatus.SKIPPED}
