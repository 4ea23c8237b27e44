"""Triage: acknowledge, take, snooze, resolve, close, reopen; one ticket at a time or those that were ticked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from app.audit import service as audit
from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.db import db
from app.core.errors import AppError, InvalidInput, NotFound
from app.core.permissions import Permission, require
from app.tickets import acts, queries_list
from app.tickets.models import Ticket, TicketStatus
from app.tickets.queries import OPEN

LONGEST_SNOOZE = timedelta(days=90)
BULK_LIMIT = 100  # tickets in one bulk act


class Act(StrEnum):
    """What can be done to one ticket or to ticked ones."""

    ACKNOWLEDGE = "acknowledge"
    TAKE = "take"  # to me, and in progress
    ASSIGN = "assign"
    SNOOZE = "snooze"
    WAKE = "wake"
    RESOLVE = "resolve"
    CLOSE = "close"
    REOPEN = "reopen"


@dataclass(frozen=True, slots=True)
class Order:
    """An act with what it needs: ``note`` is the reason of a reopening, else a resolution note."""

    act: Act
    note: str | None = None
    until: datetime | None = None
    assignee_id: int | None = None
    start: bool = False  # with ACKNOWLEDGE: open becomes in progress


def triage_ticket(actor: Actor, ticket_uuid: str, order: Order, *, version: int | None = None) -> Ticket:
    """Carry out one act on one ticket and return it.

    Raises InvalidInput for what the order lacks, VersionConflict for a stale ``version``, InvalidTransition or
    Conflict where the ticket's state forbids it. An act that has been done already changes nothing.
    """
    require(actor, Permission.TICKET_EDIT)
    return _carry_out(actor, ticket_uuid, _checked(order), version)


@dataclass
class BulkResult:
    """What became of ticked tickets."""

    done: list[Ticket] = field(default_factory=list)
    refused: list[tuple[str, int | None, str]] = field(default_factory=list)  # UUID, number, why


def triage_tickets(actor: Actor, ticket_uuids: Sequence[str], order: Order) -> BulkResult:
    """Carry out one act on up to BULK_LIMIT tickets; one that refuses holds up no other."""
    require(actor, Permission.TICKET_EDIT)
    if not 1 <= len(set(ticket_uuids)) <= BULK_LIMIT:
        raise InvalidInput(ticket_ids=f"Tick between 1 and {BULK_LIMIT} tickets.")
    order = _checked(order)
    known = queries_list.lock_order(actor, ticket_uuids)
    if not known:
        raise NotFound("None of these tickets")
    result = BulkResult()
    for uuid, number in known:
        try:
            with audit.savepoint():
                result.done.append(_carry_out(actor, uuid, order, None))
        except AppError as error:
            if error.status == 422:
                raise
            result.refused.append((uuid, number, error.message))
    found = {uuid for uuid, _ in known}
    result.refused += [(uuid, None, "There is no such ticket.") for uuid in ticket_uuids if uuid not in found]
    return result


def _checked(order: Order) -> Order:
    acts.note_text("note", order.note)
    if order.act is Act.REOPEN and not (order.note or "").strip():
        raise InvalidInput(reason="Say why it is opened again.")
    if order.act is Act.SNOOZE:
        now = utc_now()
        if order.until is None or order.until <= now:
            raise InvalidInput(until="Choose a time in the future.")
        if order.until > now + LONGEST_SNOOZE:
            raise InvalidInput(until=f"At most {LONGEST_SNOOZE.days} days. Close it if nobody needs to look at it.")
    return order


def _carry_out(actor: Actor, ticket_uuid: str, order: Order, version: int | None) -> Ticket:
    ticket = acts.lock(actor, ticket_uuid, version)
    note, done = acts.note_text("note", order.note), dict[str, Any]()
    match order.act:
        case Act.ACKNOWLEDGE | Act.TAKE:
            acts.acknowledge(actor, ticket, done)
            if order.act is Act.TAKE:
                acts.assign(actor, ticket, actor.user_id, done)
            if order.start or order.act is Act.TAKE:
                acts.move(actor, ticket, TicketStatus.IN_PROGRESS, done)
        case Act.ASSIGN:
            acts.assign(actor, ticket, order.assignee_id, done)
        case Act.SNOOZE:
            assert order.until is not None  # _checked has seen to it
            acts.snooze(actor, ticket, order.until, done)
        case Act.WAKE:
            acts.wake(actor, ticket, done)
        case Act.RESOLVE:
            acts.move(actor, ticket, TicketStatus.RESOLVED, done, note)
        case Act.CLOSE:
            acts.move(actor, ticket, TicketStatus.CLOSED, done, note)
        case Act.REOPEN:
            if ticket.status not in OPEN:
                acts.move(actor, ticket, TicketStatus.OPEN, done, note)
    if done:
        acts.record(actor, f"ticket:{order.act.value}", "UPDATE", ticket, done)
    db.session.flush()
    return ticket
