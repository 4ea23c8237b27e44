"""Reads that merging needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.tickets.models import Ticket
from app.tickets.queries import OPEN


def lock_tickets(actor: Actor, ticket_uuids: Collection[str]) -> dict[str, Ticket]:
    """Return these tickets by UUID, locked in the order of their fingerprints as runs lock them; NotFound else."""
    require(actor, Permission.TICKET_VIEW)
    statement = (
        scoped(actor, Ticket)
        .where(Ticket.ticket_id.in_(ticket_uuids))
        .order_by(func.coalesce(Ticket.fingerprint, ""), Ticket.id)
    )
    order = db.session.execute(statement.with_only_columns(Ticket.id, Ticket.ticket_id)).all()
    if len(order) != len(set(ticket_uuids)):
        raise NotFound("This ticket")
    return {
        uuid: db.session.get_one(Ticket, number, with_for_update=True, populate_existing=True) for number, uuid in order
    }


def survivor_uuid(actor: Actor, ticket_uuid: str) -> str | None:
    """Return the UUID of the ticket that this one was merged into; NotFound for an unknown one."""
    require(actor, Permission.TICKET_VIEW)
    other = aliased(Ticket)
    row = db.session.execute(
        select(Ticket.id, other.ticket_id)
        .outerjoin(other, (other.tenant_id == Ticket.tenant_id) & (other.id == Ticket.merged_into_id))
        .where(Ticket.tenant_id == actor.tenant_id, Ticket.ticket_id == ticket_uuid)
    ).one_or_none()
    if row is None:
        raise NotFound("This ticket")
    survivor: str | None = row.ticket_id
    return survivor


def merged_into(ticket_id: int) -> Sequence[Ticket]:
    """Return the tickets that were merged into this one, oldest first."""
    return db.session.scalars(select(Ticket).where(Ticket.merged_into_id == ticket_id).order_by(Ticket.id)).all()


def ticket_uuids(ticket_ids: Collection[int]) -> dict[int, str]:
    """Return the UUIDs of tickets of the current tenant by number."""
    if not ticket_ids:
        return {}
    rows = db.session.execute(select(Ticket.id, Ticket.ticket_id).where(Ticket.id.in_(ticket_ids)))
    return {row.id: row.ticket_id for row in rows}


def merge_candidates(actor: Actor, ticket: Ticket, limit: int = 10) -> Sequence[Ticket]:
    """Return open tickets that this one may be the same problem as: same task or message first, then the newest."""
    require(actor, Permission.TICKET_VIEW)
    others = scoped(actor, Ticket).where(Ticket.status.in_(OPEN), Ticket.id != ticket.id)
    found: dict[int, Ticket] = {}
    for column, value in ((Ticket.task_key, ticket.task_key), (Ticket.message_key, ticket.message_key)):
        if value is not None:
            rows = db.session.scalars(others.where(column == value).order_by(Ticket.id.desc()).limit(limit))
            found.update({row.id: row for row in rows})
    newest = db.session.scalars(others.order_by(Ticket.id.desc()).limit(limit))
    found.update({row.id: row for row in newest if row.id not in found})
    return list(found.values())[:limit]
