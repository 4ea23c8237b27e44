"""Tickets whose time has come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from app.core.db import db
from app.tickets.models import Ticket
from app.tickets.queries import OPEN


def snooze_ended(now: datetime, limit: int) -> Sequence[Ticket]:
    """Return tickets of the current tenant that are to come back, those that waited longest first."""
    return db.session.scalars(
        select(Ticket).where(Ticket.snoozed_until <= now).order_by(Ticket.snoozed_until).limit(limit)
    ).all()


def became_overdue(now: datetime, limit: int) -> Sequence[Ticket]:
    """Return open tickets of the current tenant that are past their time and not noted as such."""
    found: list[Ticket] = []
    for status in OPEN:  # one status at a time: then the index is read in the order of due_at
        statement = select(Ticket).where(Ticket.status == status, Ticket.overdue_at.is_(None), Ticket.due_at <= now)
        found += db.session.scalars(statement.order_by(Ticket.due_at).limit(limit - len(found))).all()
    return found
