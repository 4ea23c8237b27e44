"""A ticket's history: one row per thing that happened to it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from app.core.db import db
from app.tickets.models import Ticket, TicketEvent


class EventKind(StrEnum):
    """Kinds of ``ticket_events``; ``details`` of each as said."""

    OPENED = "opened"  # {run, launch, job, hosts}; by hand: nothing
    JOINED = "joined"  # the same, and occurrences
    CLEARED = "cleared"  # green on some servers: {run, hosts, remaining}
    RESOLVED = "resolved"  # green on all: {run}
    REOPENED = "reopened"  # by a failure: {run, launch, job, hosts, occurrences}; by a person: body, the reason
    CLOSED = "closed"  # by itself, after its time: {days}
    STATUS = "status"  # {from, to}; body: a note
    PRIORITY = "priority"  # {from, to}, by a rule also {rule}; body: the reason
    ASSIGNED = "assigned"  # {assignee_id, assignee}, by a rule also {rule}; None: nobody
    ACKNOWLEDGED = "acknowledged"
    EDITED = "edited"  # {fields}
    COMMENT = "comment"  # body
    SNOOZED = "snoozed"  # {until}
    WOKEN = "woken"  # {why}: time, person, priority
    OVERDUE = "overdue"  # {due}
    MERGED = "merged"  # this one went: {into, ticket_id}; body: the reason
    TOOK_IN = "took_in"  # another came: {number, ticket_id, title, occurrences}
    SPLIT = "split"  # {number, ticket_id} of the other one


def add_event(
    ticket: Ticket, kind: EventKind, *, user_id: int | None = None, body: str | None = None, **details: Any
) -> None:
    """Add to a ticket's history; ``user_id`` None is the platform itself."""
    db.session.add(
        TicketEvent(
            tenant_id=ticket.tenant_id,
            ticket_id=ticket.id,
            user_id=user_id,
            kind=kind.value,
            body=body,
            details=details or None,
        )
    )


def is_worth_telling(occurrence: int) -> bool:
    """Say whether a repeat gets a row of its own: the 1st, 2nd, 5th, 10th, 20th, 50th, ..."""
    while occurrence >= 10 and occurrence % 10 == 0:
        occurrence //= 10
    return occurrence in (1, 2, 5)
