"""Ended tickets like one, and how they were resolved: by equality of stored keys, so it is fast at any size."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select

from app.core.actor import Actor
from app.core.db import db
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.tickets import queries_list
from app.tickets.history import EventKind
from app.tickets.models import Ticket, TicketEvent
from app.tickets.queries import ENDED

SIMILAR_LIMIT = 5  # tickets of each likeness


@dataclass(frozen=True, slots=True)
class Similar:
    """An ended ticket. ``how``: its resolution note, else its last comment, else None (resolved by a green run)."""

    ticket_id: str
    number: int
    title: str
    status: str
    likeness: str
    resolved_at: datetime | None
    how: str | None
    how_by: str | None


def similar_tickets(actor: Actor, ticket: Ticket) -> list[Similar]:
    """Return ended tickets with the same fingerprint, then of the same task, then with the same kind of message.

    At most SIMILAR_LIMIT of each, newest first, each ticket once. Five queries at most.
    """
    require(actor, Permission.TICKET_VIEW)
    found: dict[int, tuple[Ticket, str]] = {}
    for likeness, condition in _conditions(ticket):
        for other in _ended(actor, ticket, condition):
            found.setdefault(other.id, (other, likeness))
    comments = _last_comments(found)
    names = queries_list.names_of_users({comment.user_id for comment in comments.values()})
    rows = []
    for other, likeness in found.values():
        comment = comments.get(other.id)
        noted = comment if comment is not None and not other.resolution else None
        rows.append(
            Similar(
                ticket_id=other.ticket_id,
                number=other.id,
                title=other.title,
                status=other.status.value,
                likeness=likeness,
                resolved_at=other.resolved_at,
                how=other.resolution or (noted.body if noted else None),
                how_by=names.get(noted.user_id) if noted and noted.user_id else None,
            )
        )
    return rows


def _conditions(ticket: Ticket) -> list[tuple[str, ColumnElement[bool]]]:
    wanted: list[tuple[str, ColumnElement[bool]]] = []
    if ticket.fingerprint:
        wanted.append(("same problem", Ticket.fingerprint == ticket.fingerprint))
    if ticket.task_key:
        wanted.append(("same task", Ticket.task_key == ticket.task_key))
    if ticket.message_key:
        wanted.append(("same message", Ticket.message_key == ticket.message_key))
    return wanted


def _ended(actor: Actor, ticket: Ticket, condition: ColumnElement[bool]) -> list[Ticket]:
    # A ticket that this one took in is on its page already.
    statement = scoped(actor, Ticket).where(
        condition,
        Ticket.id != ticket.id,
        Ticket.status.in_(ENDED),
        func.coalesce(Ticket.merged_into_id, 0) != ticket.id,
    )
    return list(db.session.scalars(statement.order_by(Ticket.id.desc()).limit(SIMILAR_LIMIT)))


def _last_comments(ticket_ids: Collection[int]) -> dict[int, TicketEvent]:
    if not ticket_ids:
        return {}
    newest = (
        select(func.max(TicketEvent.id))
        .where(TicketEvent.ticket_id.in_(ticket_ids), TicketEvent.kind == EventKind.COMMENT.value)
        .group_by(TicketEvent.ticket_id)
    )
    rows = db.session.scalars(select(TicketEvent).where(TicketEvent.id.in_(newest)))
    return {row.ticket_id: row for row in rows}
