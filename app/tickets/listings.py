"""Tickets as people and programs see them: names resolved, history in sentences, few queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.core.clock import utc_now
from app.tickets import queries_list
from app.tickets.models import Ticket, TicketEvent
from app.tickets.queries_list import TicketJobRow
from app.tickets.wording import name_hosts


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
    due_at: datetime | None
    resolved_at: datetime | None
    reopened_at: datetime | None
    version: int


def ticket_rows(tickets: Sequence[Ticket]) -> list[TicketRow]:
    """Return the rows of some tickets of one tenant, in their order; three queries."""
    if not tickets:
        return []
    names = queries_list.names_of_users({*(t.created_by for t in tickets), *(t.assignee_id for t in tickets)})
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
            due_at=ticket.due_at,
            resolved_at=ticket.resolved_at,
            reopened_at=ticket.reopened_at,
            version=ticket.version,
        )
        for ticket in tickets
    ]


@dataclass(frozen=True, slots=True)
class EventRow:
    """One line of a ticket's history; ``said`` is a sentence without its author."""

    kind: str
    who: str
    at: datetime
    said: str
    body: str | None


def event_rows(events: Sequence[TicketEvent]) -> list[EventRow]:
    """Return a history for people, in its order; one query."""
    names = queries_list.names_of_users({event.user_id for event in events})
    return [
        EventRow(
            kind=event.kind,
            who=names.get(event.user_id, "somebody") if event.user_id else "Millwright",
            at=event.created_at,
            said=_sentence(event.kind, event.details or {}),
            body=event.body,
        )
        for event in events
    ]


def _where(details: Mapping[str, Any]) -> str:
    hosts = [str(host) for host in details.get("hosts", ())]
    if not hosts:
        return ""
    more = int(details.get("hosts_total", len(hosts))) - len(hosts)
    return f" on {', '.join(hosts)} and {more} more" if more > 0 else f" on {name_hosts(hosts)}"


def _words(value: Any) -> str:
    return str(value).replace("_", " ")


def _sentence(kind: str, details: Mapping[str, Any]) -> str:
    where = _where(details)
    if kind in ("joined", "reopened") and "occurrences" in details:
        verb = "Seen again" if kind == "joined" else "Came back and was reopened"
        return f"{verb}{where}, {details['occurrences']} times by now."
    if kind == "cleared":
        left = int(details.get("remaining", 0))
        return f"Green again{where}; still open on {left} {'server' if left == 1 else 'servers'}."
    if kind in ("status", "priority"):
        return f"{kind.capitalize()}: {_words(details.get('from'))} to {_words(details.get('to'))}."
    if kind == "assigned":
        return f"Assigned to {details.get('assignee') or 'nobody'}."
    if kind == "edited":
        return f"Changed the {' and the '.join(map(str, details.get('fields', ())))}."
    if kind == "closed":
        return f"Closed: it stayed resolved for {details.get('days')} days."
    return {
        "opened": f"Opened{': failed' + where if where else ''}.",
        "reopened": "Reopened.",
        "resolved": "Resolved: the problem is gone on every server that showed it.",
        "acknowledged": "Acknowledged.",
        "comment": "Commented.",
    }.get(kind, _words(kind).capitalize() + ".")


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
