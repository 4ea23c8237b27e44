"""Tickets as people and programs see them: names resolved, few queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.core.clock import utc_now
from app.tickets import queries_list, queries_merge
from app.tickets.models import Ticket
from app.tickets.queries_list import TicketJobRow


@dataclass(frozen=True, slots=True)
class TicketRow:
    """A ticket with the names around it. ``job_id`` is the UUID of the first job that showed it."""

    number: int
    ticket_id: str
    title: str
    description: str | None
    status: str
    priority: str
    source: str
    occurrences: int
    servers_hit: int
    job_id: str | None
    created_by: int
    created_by_name: str
    assignee_id: int | None
    assignee_name: str | None
    failed_task: str | None
    failed_module: str | None
    failure_code: str | None
    is_overdue: bool
    created_at: datetime
    updated_at: datetime
    last_seen_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by_name: str | None
    respond_due_at: datetime | None
    due_at: datetime | None
    overdue_at: datetime | None
    snoozed_until: datetime | None
    resolved_at: datetime | None
    resolution: str | None
    reopened_at: datetime | None
    merged_into: str | None
    merged_into_number: int | None
    version: int


def ticket_rows(tickets: Sequence[Ticket]) -> list[TicketRow]:
    """Return the rows of some tickets of one tenant, in their order; four queries at most."""
    if not tickets:
        return []
    names = queries_list.names_of_users(
        {id_ for t in tickets for id_ in (t.created_by, t.assignee_id, t.acknowledged_by)}
    )
    survivors = queries_merge.ticket_uuids({t.merged_into_id for t in tickets if t.merged_into_id is not None})
    servers = queries_list.count_servers([ticket.id for ticket in tickets])
    jobs = queries_list.job_uuids({ticket.job_id for ticket in tickets})
    now = utc_now()
    return [
        TicketRow(
            number=ticket.id,
            ticket_id=ticket.ticket_id,
            title=ticket.title,
            description=ticket.description,
            status=ticket.status.value,
            priority=ticket.priority.value,
            source=ticket.source,
            occurrences=ticket.occurrences,
            servers_hit=servers.get(ticket.id, 0),
            job_id=jobs.get(ticket.job_id),
            created_by=ticket.created_by,
            created_by_name=names.get(ticket.created_by, "somebody"),
            assignee_id=ticket.assignee_id,
            assignee_name=names.get(ticket.assignee_id, "somebody") if ticket.assignee_id else None,
            failed_task=ticket.failed_task,
            failed_module=ticket.failed_module,
            failure_code=ticket.failure_code,
            is_overdue=ticket.due_at is not None and ticket.due_at < now and ticket.status in queries_list.OPEN,
            created_at=ticket.created_at,
            updated_at=ticket.updated_at,
            last_seen_at=ticket.last_seen_at,
            acknowledged_at=ticket.acknowledged_at,
            acknowledged_by_name=names.get(ticket.acknowledged_by, "somebody") if ticket.acknowledged_by else None,
            respond_due_at=ticket.respond_due_at,
            due_at=ticket.due_at,
            overdue_at=ticket.overdue_at,
            snoozed_until=ticket.snoozed_until,
            resolved_at=ticket.resolved_at,
            resolution=ticket.resolution,
            reopened_at=ticket.reopened_at,
            merged_into=survivors.get(ticket.merged_into_id) if ticket.merged_into_id else None,
            merged_into_number=ticket.merged_into_id,
            version=ticket.version,
        )
        for ticket in tickets
    ]


@dataclass(frozen=True, slots=True)
class FirstError:
    """The newest job's first error and where it stands in its log."""

    text: str
    job_id: str
    job_number: int
    launch_uuid: str
    line: int | None
    server_name: str | None


def first_error(jobs: Sequence[TicketJobRow]) -> FirstError | None:
    """Return the error to show on top: that of the newest job with one that is not green yet, else the newest."""
    told = [job for job in jobs if job.error_message]
    job = next((job for job in told if job.cleared_at is None and not job.is_follower), told[0] if told else None)
    if job is None:
        return None
    return FirstError(
        text=job.error_message or "",
        job_id=job.job_id,
        job_number=job.number,
        launch_uuid=job.launch_uuid,
        line=job.first_failure_line,
        server_name=job.server_name,
    )
