"""Gathers what the page of one ticket shows; a constant number of queries."""

from __future__ import annotations

from typing import Any

from app.core.actor import Actor
from app.core.permissions import Permission, can
from app.tickets import listings, queries_list, queries_merge, queries_page, queries_similar, timeline
from app.tickets.models import TICKET_TRANSITIONS, Ticket, TicketStatus

# Order of the buttons: what one does next comes first.
_NEXT = (TicketStatus.IN_PROGRESS, TicketStatus.RESOLVED, TicketStatus.CLOSED, TicketStatus.OPEN)


def ticket_context(actor: Actor, ticket: Ticket) -> dict[str, Any]:
    """Return the context of ``tickets/ticket.html`` but for what was typed."""
    jobs = queries_list.jobs_of(ticket)
    error = listings.first_error(jobs)
    sees_jobs = error is not None and can(actor, Permission.JOB_VIEW)
    merged = ticket.merged_into_id is not None
    return {
        "ticket": listings.ticket_rows([ticket])[0],
        "first_error": error,
        "lines": queries_page.log_excerpt(actor, error.job_id, error.line) if error and sees_jobs else [],
        "green": queries_page.since_green(actor, error.job_id) if error and sees_jobs else None,
        "days": queries_page.occurrences_by_day(ticket) if ticket.occurrences > 1 else [],
        "relaunch": None if ticket.status in queries_list.ENDED else queries_page.relaunch_offer(jobs),
        "jobs": jobs,
        "jobs_more": max(0, queries_list.count_jobs(ticket) - len(jobs)),
        "events": timeline.event_rows(queries_list.history_of(ticket)),
        "similar": queries_similar.similar_tickets(actor, ticket),
        "took_in": listings.ticket_rows(queries_merge.merged_into(ticket.id)),
        "next_statuses": [] if merged else [w.value for w in _NEXT if w in TICKET_TRANSITIONS[ticket.status]],
        "people": [(user.id, user.username) for user in queries_list.possible_assignees(actor)],
    }
