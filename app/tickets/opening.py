"""Opening tickets for failed runs: one open ticket per problem, repeats join, recent ones come back.

Runs inside the transaction that finishes the run. Two such transactions may meet the same new problem at the
same moment: whoever has to open a ticket locks the row of the tenant's system user first and looks again; the
unique key on ``open_fingerprint`` stands behind that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, insert, update
from sqlalchemy.exc import IntegrityError

from app.audit import service as audit
from app.audit.resource import Resource
from app.core.actor import Actor
from app.core.db import db
from app.core.runtime import settings
from app.core.state_machine import transition
from app.core.tenancy import tenant_scope
from app.jobs.events import FinishedJob, RunFinished
from app.jobs.models import Job
from app.jobs.status import JobStatus
from app.tickets import queries, wording
from app.tickets.history import EventKind, add_event, is_worth_telling
from app.tickets.models import TICKET_TRANSITIONS, Ticket, TicketJob, TicketStatus
from app.tickets.priority import due_at, priority_for
from app.tickets.problems import Problem, ServerNames, find_problems, host_names


class NoSystemUser(RuntimeError):
    """The tenant has no ``system`` user to open tickets for; the job stays due until there is one."""


class TicketVanished(RuntimeError):
    """The ticket was opened and ended by others in between; the keeper tries again."""


@dataclass
class _Opening:
    """What one run brings, and what has to be audited once all of it is written."""

    event: RunFinished
    servers: ServerNames
    creator: int
    to_record: list[tuple[str, str, Ticket]] = field(default_factory=list)


def open_for_run(event: RunFinished) -> list[int]:
    """Open, join or reopen the tickets of a run's failures; return their ids.

    Works inside the caller's transaction and may raise: the caller rolls back to its savepoint and leaves
    ``ticket_due``, which this clears. Doing it again for the same run changes nothing.
    """
    failed = [job for job in event.jobs if job.status is JobStatus.FAILED]
    if not failed:
        return []
    with tenant_scope(event.tenant_id):
        servers = queries.servers_by_id({job.server_id for job in event.jobs if job.server_id is not None})
        problems = find_problems(event, servers)
        tickets = _settle(event, problems, servers) if problems else []
        _clear_due(event, failed)
        return tickets


def _settle(event: RunFinished, problems: Sequence[Problem], servers: ServerNames) -> list[int]:
    known = queries.tickets_of_jobs([job.id for problem in problems for job in problem.all_jobs])
    found = queries.open_ticket_ids([problem.fingerprint for problem in problems])
    # Locked before any ticket row: every transaction takes the two kinds of lock in this order.
    lock = any(problem.fingerprint not in found for problem in problems)
    creator = queries.system_user_id(event.tenant_id, lock=lock)
    if creator is None:
        raise NoSystemUser(f"tenant {event.tenant_id} has no user with is_system; add one, then the ticket opens")
    opening = _Opening(event, servers, creator)
    tickets = []
    for problem in problems:
        earlier = [known[job.id] for job in problem.all_jobs if job.id in known]
        # A run that has been counted before is not counted again.
        ticket_id = min(earlier) if earlier else _ticket_for(opening, problem)
        _attach(event, ticket_id, [job for job in problem.all_jobs if job.id not in known])
        tickets.append(ticket_id)
    db.session.flush()
    for what, action, ticket in opening.to_record:  # last: what is rolled back must not be told
        audit.record(
            Actor.system(event.tenant_id, creator),
            what,
            Resource("ticket", ticket.id, ticket.ticket_id),
            action=action,
            details={"run": event.run_uuid, "title": ticket.title, "priority": ticket.priority.value},
        )
    return tickets


def _ticket_for(opening: _Opening, problem: Problem) -> int:
    ticket = (
        _join(opening, problem)
        or _reopen(opening, problem)
        or _open(opening, problem)
        or _join(opening, problem)  # somebody was faster
    )
    if ticket is None:
        raise TicketVanished(problem.fingerprint)
    return ticket.id


def _about(opening: _Opening, problem: Problem) -> dict[str, Any]:
    hosts = host_names(problem.jobs, opening.servers)
    return {
        "run": opening.event.run_uuid,
        "launch_id": opening.event.launch_id,
        "job": problem.jobs[0].job_uuid,
        "hosts": hosts[: wording.HOSTS_NAMED],
        "hosts_total": len(hosts),
        "stopped_total": len(problem.stopped),
    }


def _join(opening: _Opening, problem: Problem) -> Ticket | None:
    event = opening.event
    moved = db.session.execute(
        update(Ticket)
        .where(Ticket.tenant_id == event.tenant_id, Ticket.open_fingerprint == problem.fingerprint)
        .values(occurrences=Ticket.occurrences + 1, last_seen_at=event.completed_at)
        .execution_options(synchronize_session=False)
    )
    if not cast(CursorResult[Any], moved).rowcount:
        return None
    ticket = queries.open_ticket(problem.fingerprint)
    if ticket is not None and is_worth_telling(ticket.occurrences):
        add_event(ticket, EventKind.JOINED, occurrences=ticket.occurrences, **_about(opening, problem))
    return ticket


def _reopen(opening: _Opening, problem: Problem) -> Ticket | None:
    event = opening.event
    since = event.completed_at - timedelta(days=settings().ticket_reopen_days)
    ticket = queries.last_ended_ticket(problem.fingerprint, since)
    if ticket is None:
        return None
    try:
        with db.session.begin_nested():
            moved = transition(
                Ticket.status,
                TICKET_TRANSITIONS,
                TicketStatus.OPEN,
                Ticket.tenant_id == event.tenant_id,
                Ticket.id == ticket.id,
                Ticket.status.in_(queries.ENDED),
                occurrences=Ticket.occurrences + 1,
                last_seen_at=event.completed_at,
                resolved_at=None,
                acknowledged_at=None,
                reopened_at=event.completed_at,
                due_at=due_at(ticket.priority, event.completed_at),
                version=Ticket.version + 1,
            )
    except IntegrityError:
        return None
    if not moved:
        return None
    db.session.refresh(ticket)
    add_event(ticket, EventKind.REOPENED, occurrences=ticket.occurrences, **_about(opening, problem))
    opening.to_record.append(("ticket:reopen", "UPDATE", ticket))
    return ticket


def _open(opening: _Opening, problem: Problem) -> Ticket | None:
    event, servers = opening.event, opening.servers
    ticket = _new_ticket(opening, problem)
    environments = {key: server.environment for key, server in servers.items()}
    ticket.priority = priority_for(
        [environments.get(job.server_id or 0) for job in problem.all_jobs],
        [environments.get(job.server_id or 0) for job in event.jobs],
    )
    ticket.due_at = due_at(ticket.priority, event.completed_at)
    try:
        with db.session.begin_nested():
            db.session.add(ticket)
    except IntegrityError:
        return None
    add_event(ticket, EventKind.OPENED, **_about(opening, problem))
    opening.to_record.append(("ticket:open", "CREATE", ticket))
    return ticket


def _new_ticket(opening: _Opening, problem: Problem) -> Ticket:
    event, servers = opening.event, opening.servers
    return Ticket(
        tenant_id=event.tenant_id,
        job_id=problem.jobs[0].id,
        created_by=opening.creator,
        title=wording.title(event.title, problem.code, problem.task),
        description=wording.description(
            code=problem.code,
            task=problem.task,
            module=problem.module,
            error=problem.error,
            hosts=host_names(problem.jobs, servers),
            stopped=host_names(problem.stopped, servers),
        ),
        fingerprint=problem.fingerprint,
        last_seen_at=event.completed_at,
        source="job",
        failed_task=problem.task[:255] or None,
        failed_module=problem.module[:255] or None,
        failure_code=problem.code,
    )


def _attach(event: RunFinished, ticket_id: int, jobs: Sequence[FinishedJob]) -> None:
    if jobs:
        rows = [
            {"tenant_id": event.tenant_id, "ticket_id": ticket_id, "job_id": job.id, "server_id": job.server_id}
            for job in jobs
        ]
        db.session.execute(insert(TicketJob), rows)


def _clear_due(event: RunFinished, failed: Sequence[FinishedJob]) -> None:
    db.session.execute(
        update(Job)
        .where(Job.tenant_id == event.tenant_id, Job.run_id == event.run_id, Job.id.in_([job.id for job in failed]))
        .values(ticket_due=False)
        .execution_options(synchronize_session=False)
    )
