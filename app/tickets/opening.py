"""Opening tickets for failed runs: one open ticket per problem, repeats join, recent ones come back.

Runs inside the transaction that finishes the run. Two such transactions may meet the same new problem at the
same moment: whoever has to open a ticket locks the row of the tenant's system user first and looks again; the
unique key on ``open_fingerprint`` stands behind that.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import insert, update
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
from app.tickets.judging import Judge
from app.tickets.models import TICKET_TRANSITIONS, Ticket, TicketJob, TicketStatus
from app.tickets.priority import RANKS, clocks
from app.tickets.problems import Problem, ServerNames, find_problems, follow_merges, host_names


class NoSystemUser(RuntimeError):
    """The tenant has no ``system`` user to open tickets for; the job stays due until there is one."""


class TicketVanished(RuntimeError):
    """The ticket was opened and ended by others in between; the keeper tries again."""


class _Opening:
    """What one run brings, its judge, and what has to be audited once all of it is written."""

    def __init__(self, event: RunFinished, servers: ServerNames, creator: int) -> None:
        self.event = event
        self.servers = servers
        self.creator = creator
        self.judge = Judge(event, servers)
        self.to_record: list[tuple[str, str, Ticket]] = []


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


def _settle(event: RunFinished, found_problems: Sequence[Problem], servers: ServerNames) -> list[int]:
    problems = follow_merges(found_problems, queries.leads_to([problem.fingerprint for problem in found_problems]))
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
        or _join_survivor(opening, problem)
        or _reopen(opening, problem)
        or _open(opening, problem)
        or _join(opening, problem)  # somebody was faster
    )
    if ticket is None:
        raise TicketVanished(problem.fingerprint)
    return ticket.id


def _join_survivor(opening: _Opening, problem: Problem) -> Ticket | None:
    """Join the ticket that this problem's was merged into while this transaction waited for its row."""
    other = queries.leads_to([problem.fingerprint]).get(problem.fingerprint)
    if other is None:
        return None
    problem.fingerprint = other
    return _join(opening, problem)


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
    ticket = _locked(problem.fingerprint)
    if ticket is None:
        return None
    ticket.occurrences += 1
    ticket.last_seen_at = opening.event.completed_at
    db.session.flush()
    if is_worth_telling(ticket.occurrences):
        add_event(ticket, EventKind.JOINED, occurrences=ticket.occurrences, **_about(opening, problem))
    _raise_priority(opening, problem, ticket)
    return ticket


def _locked(fingerprint: str) -> Ticket | None:
    """Return the open ticket of a problem, its row locked.

    Found first and locked by its id, as everybody else locks a ticket: whoever came by the index of fingerprints
    would hold its entry while waiting for the row, and who holds the row to end the ticket needs the entry.
    """
    seen = queries.open_ticket(fingerprint)
    if seen is None:
        return None
    ticket = db.session.get(Ticket, seen.id, with_for_update=True, populate_existing=True)
    return ticket if ticket is not None and ticket.open_fingerprint == fingerprint else None


def _raise_priority(opening: _Opening, problem: Problem, ticket: Ticket) -> None:
    """Follow the rules upwards only: past what they gave before, so that a person's lower priority holds.

    What grew more urgent wakes a snoozed ticket.
    """
    rule = opening.judge.rule_for(problem)
    rank, known = RANKS[rule.priority], ticket.rule_rank
    if rank <= (RANKS[ticket.priority] if known is None else known):
        return
    ticket.rule_rank = rank
    ticket.version += 1
    if rank > RANKS[ticket.priority]:
        was, ticket.priority = ticket.priority, rule.priority
        moments = clocks(opening.judge.targets, rule.priority, opening.event.completed_at, rule.due_hours)
        if ticket.due_at is None or cast(datetime, moments["due_at"]) < ticket.due_at:
            ticket.due_at, ticket.respond_due_at = moments["due_at"], moments["respond_due_at"]
        change: dict[str, Any] = {"from": was.value, "to": rule.priority.value, "rule": rule.name}
        add_event(ticket, EventKind.PRIORITY, **change)
    if ticket.snoozed_until is not None:
        ticket.snoozed_until = None
        add_event(ticket, EventKind.WOKEN, why="priority")


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
                acknowledged_by=None,
                snoozed_until=None,
                reopened_at=event.completed_at,
                version=Ticket.version + 1,
                **clocks(
                    opening.judge.targets, ticket.priority, event.completed_at, _due_hours(opening, problem, ticket)
                ),
            )
    except IntegrityError:
        return None
    if not moved:
        return None
    db.session.refresh(ticket)
    add_event(ticket, EventKind.REOPENED, occurrences=ticket.occurrences, **_about(opening, problem))
    _raise_priority(opening, problem, ticket)
    opening.to_record.append(("ticket:reopen", "UPDATE", ticket))
    return ticket


def _due_hours(opening: _Opening, problem: Problem, ticket: Ticket) -> int | None:
    rule = opening.judge.rule_for(problem)
    return rule.due_hours if rule.priority is ticket.priority else None


def _open(opening: _Opening, problem: Problem) -> Ticket | None:
    rule = opening.judge.rule_for(problem)
    ticket = _new_ticket(opening, problem)
    ticket.priority, ticket.rule_rank = rule.priority, RANKS[rule.priority]
    moments = clocks(opening.judge.targets, rule.priority, opening.event.completed_at, rule.due_hours)
    for column, moment in moments.items():
        setattr(ticket, column, moment)
    try:
        with db.session.begin_nested():
            db.session.add(ticket)
    except IntegrityError:
        return None
    add_event(ticket, EventKind.OPENED, **_about(opening, problem))
    name = opening.judge.assignee_name(rule)
    if name is not None:
        ticket.assignee_id = rule.assignee_id
        add_event(ticket, EventKind.ASSIGNED, assignee_id=rule.assignee_id, assignee=name, rule=rule.name)
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
        task_key=problem.task_key,
        message_key=problem.message_key,
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
