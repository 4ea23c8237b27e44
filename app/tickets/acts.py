"""The single acts of triage on a locked ticket: the value, its line of history, and what the audit log is told.

Callers have asked for the permission and hold the ticket's row (``lock``); ``done`` collects the audit details.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError

from app.accounts.models import User
from app.audit import service as audit
from app.audit.resource import Resource
from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.db import db
from app.core.errors import Conflict, InvalidInput, InvalidTransition
from app.core.state_machine import transition
from app.core.tenancy import scoped
from app.core.versioning import check_version
from app.tickets import queries, queries_list, queries_rules
from app.tickets.history import EventKind, add_event
from app.tickets.models import TICKET_TRANSITIONS, Ticket, TicketPriority, TicketStatus
from app.tickets.priority import clocks

NOTE_LIMIT = 2000  # characters of a reason or a resolution note


def lock(actor: Actor, ticket_uuid: str, version: int | None) -> Ticket:
    """Return a ticket with its row locked and its version counted up.

    Raises NotFound, VersionConflict, and Conflict for one that was merged: it only points to the other.
    """
    ticket = queries_list.get_ticket(actor, ticket_uuid, lock=True)
    refuse_merged(ticket)
    check_version(ticket, version)
    db.session.flush()
    return ticket


def refuse_merged(ticket: Ticket) -> None:
    """Raise Conflict for a ticket that was merged into another."""
    if ticket.merged_into_id is not None:
        raise Conflict(
            f"This ticket was merged into T-{ticket.merged_into_id}. Work on that one, or split them again first."
        )


def note_text(name: str, value: str | None) -> str | None:
    """Return a trimmed note, None for an empty one; InvalidInput for one over NOTE_LIMIT characters."""
    text = (value or "").strip()
    if len(text) > NOTE_LIMIT:
        raise InvalidInput(**{name: f"At most {NOTE_LIMIT:,} characters."})
    return text or None


def acknowledge(actor: Actor, ticket: Ticket, done: dict[str, Any]) -> None:
    """Note that somebody has seen it; a second time changes nothing."""
    if ticket.status in queries.ENDED:
        raise InvalidTransition(f"A ticket that is {ticket.status.value} needs no acknowledgement. Reopen it first.")
    if ticket.acknowledged_at is None:
        ticket.acknowledged_at, ticket.acknowledged_by = utc_now(), actor.user_id
        add_event(ticket, EventKind.ACKNOWLEDGED, user_id=actor.user_id)
        done["acknowledged"] = True


def assign(actor: Actor, ticket: Ticket, user_id: int | None, done: dict[str, Any]) -> None:
    """Give it to an active person of the tenant, or to nobody; InvalidInput for anybody else."""
    if user_id == ticket.assignee_id:
        return
    name = None
    if user_id is not None:
        user = db.session.scalars(scoped(actor, User).where(User.id == user_id)).one_or_none()
        if user is None or not user.is_active or user.is_system:
            raise InvalidInput(assignee_id="There is no active person with this id in your tenant.")
        name = user.username
    ticket.assignee_id = user_id
    add_event(ticket, EventKind.ASSIGNED, user_id=actor.user_id, assignee_id=user_id, assignee=name)
    done["assignee_id"] = user_id


def rate(
    actor: Actor, ticket: Ticket, priority: TicketPriority, done: dict[str, Any], reason: str | None = None
) -> None:
    """Set the priority; the clocks run from the opening with the new priority's targets."""
    if priority is ticket.priority:
        return
    change = {"from": ticket.priority.value, "to": priority.value}
    ticket.priority = priority
    _set_clocks(ticket, ticket.reopened_at or ticket.created_at)
    add_event(ticket, EventKind.PRIORITY, user_id=actor.user_id, body=reason, **change)
    done["priority"] = {**change, **({"reason": reason} if reason else {})}


def _set_clocks(ticket: Ticket, since: datetime) -> None:
    for name, value in clocks(queries_rules.targets(), ticket.priority, since).items():
        setattr(ticket, name, value)


def snooze(actor: Actor, ticket: Ticket, until: datetime, done: dict[str, Any]) -> None:
    """Put an open ticket out of sight until then; it keeps its status, and its clocks run on."""
    if ticket.status in queries.ENDED:
        raise InvalidTransition(f"A ticket that is {ticket.status.value} cannot be snoozed. Only open ones can.")
    ticket.snoozed_until = until
    add_event(ticket, EventKind.SNOOZED, user_id=actor.user_id, until=until.isoformat())
    done["snoozed_until"] = until.isoformat()


def wake(actor: Actor, ticket: Ticket, done: dict[str, Any]) -> None:
    """End a snooze; nothing happens where there is none."""
    if ticket.snoozed_until is not None:
        ticket.snoozed_until = None
        add_event(ticket, EventKind.WOKEN, user_id=actor.user_id, why="person")
        done["woken"] = True


def move(actor: Actor, ticket: Ticket, status: TicketStatus, done: dict[str, Any], note: str | None = None) -> None:
    """Move it by compare-and-set; ``note`` is a resolution note at an end, else the reason.

    Raises InvalidTransition where the table has no such way, Conflict where its problem has another open ticket.
    """
    was = ticket.status
    if status is was:
        return
    db.session.flush()
    if was in queries.ENDED and status in queries.OPEN:
        _refuse_second_open(ticket)
    try:
        with db.session.begin_nested():
            moved = transition(
                Ticket.status,
                TICKET_TRANSITIONS,
                status,
                Ticket.tenant_id == actor.tenant_id,
                Ticket.id == ticket.id,
                Ticket.status == was,
                **_values_of_move(actor, ticket, status, utc_now(), note),
            )
    except IntegrityError:
        raise Conflict(
            "This problem has come back since and has another open ticket. Work on that one and leave this one ended."
        ) from None
    if not moved:
        allowed = ", ".join(sorted(TICKET_TRANSITIONS[was])) or "nothing"
        raise InvalidTransition(f"A ticket that is {was.value} cannot become {status.value}. It can become: {allowed}.")
    db.session.refresh(ticket)
    change = {"from": was.value, "to": status.value}
    add_event(ticket, EventKind.STATUS, user_id=actor.user_id, body=note, **change)
    done["status"] = {**change, **({"note": note} if note else {})}


def _refuse_second_open(ticket: Ticket) -> None:
    """The unique key does not see that a merged fingerprint counts as another one."""
    if ticket.fingerprint and queries.leads_to([ticket.fingerprint]):
        raise Conflict(
            "Tickets of this problem were merged into another one, where its repeats land now. Work on that one, "
            "or split them first."
        )


def _values_of_move(
    actor: Actor, ticket: Ticket, status: TicketStatus, now: datetime, note: str | None
) -> dict[str, Any]:
    """Return what changes with a status: the moments of an end, of a return, and of the first look."""
    looked: dict[str, Any] = {}
    if ticket.acknowledged_at is None:
        looked = {"acknowledged_at": now, "acknowledged_by": actor.user_id}
    if status in queries.ENDED:
        noted = {"resolution": note} if note else {}
        return {"resolved_at": ticket.resolved_at or now, "snoozed_until": None, **looked, **noted}
    if status is TicketStatus.IN_PROGRESS:
        return looked
    if ticket.status in queries.ENDED:
        return {"resolved_at": None, "reopened_at": now, **clocks(queries_rules.targets(), ticket.priority, now)}
    return {}


def record(actor: Actor, event: str, action: str, ticket: Ticket, details: dict[str, Any]) -> None:
    """Tell the audit log about a ticket."""
    audit.record(actor, event, Resource("ticket", ticket.id, ticket.ticket_id), action=action, details=details)
