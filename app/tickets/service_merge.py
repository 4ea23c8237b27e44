"""Merging: two tickets turn out to be one problem. Undone by splitting.

The merged ticket is closed and points to the other, which takes its jobs, its history and its count. Its
fingerprint from then on counts as the other's, so that repeats land there.
"""

from __future__ import annotations

import hashlib
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, delete, update

from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.db import db
from app.core.errors import Conflict, InvalidInput, InvalidTransition
from app.core.permissions import Permission, require
from app.core.versioning import check_version
from app.tickets import acts, queries, queries_merge, queries_rules
from app.tickets.history import EventKind, add_event
from app.tickets.models import Ticket, TicketEvent, TicketFingerprint, TicketJob, TicketStatus
from app.tickets.priority import clocks


def merge_ticket(
    actor: Actor, ticket_uuid: str, into_uuid: str, *, reason: str | None = None, version: int | None = None
) -> Ticket:
    """Merge a ticket into another one, which has to be open; return the other.

    Raises NotFound, InvalidInput for a ticket into itself, InvalidTransition for an ended survivor, Conflict for
    merged ones and where another open ticket has the same problem.
    """
    require(actor, Permission.TICKET_EDIT)
    text = acts.note_text("reason", reason)
    if ticket_uuid == into_uuid:
        raise InvalidInput(into="A ticket cannot be merged into itself.")
    ticket, into = _both(actor, ticket_uuid, into_uuid)
    for one in (ticket, into):
        acts.refuse_merged(one)
    check_version(ticket, version)
    into.version += 1
    if into.status not in queries.OPEN:
        raise InvalidTransition(f"T-{into.id} is {into.status.value}. Reopen it first, or merge the other way round.")
    _join_fingerprints(ticket, into)
    was, now = ticket.status, utc_now()
    _own_count_only(into_ticket=into, ticket=ticket)
    into.occurrences += ticket.occurrences
    into.last_seen_at = max(filter(None, (into.last_seen_at, ticket.last_seen_at)), default=None)
    db.session.flush()
    _move_rows(ticket, into)
    _change(
        ticket,
        Ticket.merged_into_id.is_(None),
        status=TicketStatus.CLOSED,
        resolved_at=ticket.resolved_at or now,
        snoozed_until=None,
        merged_into_id=into.id,
    )
    about = {"number": ticket.id, "ticket_id": ticket.ticket_id, "title": ticket.title}
    add_event(into, EventKind.TOOK_IN, user_id=actor.user_id, body=text, occurrences=ticket.occurrences, **about)
    add_event(ticket, EventKind.MERGED, user_id=actor.user_id, body=text, into=into.id, ticket_id=into.ticket_id)
    details = {"into": into.ticket_id, "from": was.value, "occurrences": ticket.occurrences, "reason": text}
    acts.record(actor, "ticket:merge", "UPDATE", ticket, details)
    db.session.flush()
    return into


def split_ticket(actor: Actor, ticket_uuid: str, *, version: int | None = None) -> Ticket:
    """Take a merge back: the ticket gets its jobs, its history, its count and its fingerprint again.

    It is open afterwards. What was seen since the merge stays with the other ticket. Raises Conflict for a ticket
    that is not merged, and where a ticket for its problem is open.
    """
    require(actor, Permission.TICKET_EDIT)
    ticket, into = _merged_pair(actor, ticket_uuid)
    check_version(ticket, version)
    into.version += 1
    db.session.execute(
        delete(TicketFingerprint).where(
            TicketFingerprint.tenant_id == actor.tenant_id, TicketFingerprint.ticket_id == ticket.id
        )
    )
    if ticket.fingerprint and queries.open_ticket_ids([ticket.fingerprint]):
        raise Conflict("Its problem has another open ticket. Work on that one.")
    for model in (TicketJob, TicketEvent):
        db.session.execute(
            update(model)
            .where(model.tenant_id == actor.tenant_id, model.ticket_id == into.id, model.moved_from == ticket.id)
            .values(ticket_id=ticket.id, moved_from=None)
            .execution_options(synchronize_session=False)
        )
    into.occurrences -= ticket.occurrences
    db.session.flush()
    now = utc_now()
    _change(
        ticket,
        Ticket.merged_into_id == into.id,
        status=TicketStatus.OPEN,
        resolved_at=None,
        reopened_at=now,
        merged_into_id=None,
        **clocks(queries_rules.targets(), ticket.priority, now),
    )
    add_event(into, EventKind.SPLIT, user_id=actor.user_id, number=ticket.id, ticket_id=ticket.ticket_id)
    add_event(ticket, EventKind.SPLIT, user_id=actor.user_id, number=into.id, ticket_id=into.ticket_id)
    acts.record(actor, "ticket:split", "UPDATE", ticket, {"from": into.ticket_id})
    db.session.flush()
    return ticket


def _change(ticket: Ticket, merged: ColumnElement[bool], **values: Any) -> None:
    changed = db.session.execute(
        update(Ticket)
        .where(Ticket.tenant_id == ticket.tenant_id, Ticket.id == ticket.id, Ticket.status == ticket.status, merged)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    if not cast(CursorResult[Any], changed).rowcount:
        raise Conflict("Somebody else merged or split these tickets in the meantime. Load the page again.")
    db.session.refresh(ticket)


def _both(actor: Actor, one: str, other: str) -> tuple[Ticket, Ticket]:
    # The same locks in the same order as runs that open tickets take them: see opening.py.
    queries.system_user_id(actor.tenant_id, lock=True)
    found = queries_merge.lock_tickets(actor, [one, other])
    return found[one], found[other]


def _merged_pair(actor: Actor, ticket_uuid: str) -> tuple[Ticket, Ticket]:
    queries.system_user_id(actor.tenant_id, lock=True)
    survivor = queries_merge.survivor_uuid(actor, ticket_uuid)
    if survivor is None:
        raise Conflict("This ticket was not merged into another one.")
    found = queries_merge.lock_tickets(actor, [ticket_uuid, survivor])
    ticket, into = found[ticket_uuid], found[survivor]
    if ticket.merged_into_id != into.id:
        raise Conflict("Somebody else merged or split these tickets in the meantime. Load the page again.")
    return ticket, into


def _join_fingerprints(ticket: Ticket, into: Ticket) -> None:
    if ticket.fingerprint is None:
        return
    twin = queries.open_ticket_ids([ticket.fingerprint]).get(ticket.fingerprint)
    if twin not in (None, ticket.id, into.id):
        raise Conflict(f"T-{twin} is the open ticket of this problem. Merge that one.")
    if into.fingerprint is None:  # opened by hand: it needs a name that others can lead to
        into.fingerprint = hashlib.sha256(f"ticket:{into.ticket_id}".encode()).hexdigest()
    if into.fingerprint == ticket.fingerprint or queries.leads_to([ticket.fingerprint]):
        return
    db.session.execute(
        update(TicketFingerprint)
        .where(TicketFingerprint.tenant_id == ticket.tenant_id, TicketFingerprint.leads_to == ticket.fingerprint)
        .values(leads_to=into.fingerprint)
        .execution_options(synchronize_session=False)
    )
    db.session.add(
        TicketFingerprint(
            tenant_id=ticket.tenant_id, fingerprint=ticket.fingerprint, leads_to=into.fingerprint, ticket_id=ticket.id
        )
    )


def _own_count_only(*, into_ticket: Ticket, ticket: Ticket) -> None:
    """Those merged into ``ticket`` before go on to the other one, with their counts."""
    earlier = queries_merge.merged_into(ticket.id)
    for row in earlier:
        row.merged_into_id = into_ticket.id
        ticket.occurrences -= row.occurrences
        into_ticket.occurrences += row.occurrences


def _move_rows(ticket: Ticket, into: Ticket) -> None:
    for model in (TicketJob, TicketEvent):
        for own, values in ((True, {"moved_from": ticket.id}), (False, {})):
            condition = model.moved_from.is_(None) if own else model.moved_from.is_not(None)
            db.session.execute(
                update(model)
                .where(model.tenant_id == ticket.tenant_id, model.ticket_id == ticket.id, condition)
                .values(ticket_id=into.id, **values)
                .execution_options(synchronize_session=False)
            )
