"""Reads of the first page. Every query is bounded by an index, a time range or a cap; their number is constant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, false, func, literal, select, true, union_all

from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.db import db
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.inventory.models import Server
from app.jobs.models import Job, Launch
from app.jobs.status import JobStatus
from app.playbooks.models import Playbook
from app.tickets.models import Ticket, TicketPriority
from app.tickets.queries import OPEN

COUNT_LIMIT = 10_000  # no counter counts further; the page then says "10,000+"
RECENT = 10
WAITING = 5
TICKETS = 8


@dataclass(frozen=True, slots=True)
class Counts:
    """The counters on top; each stops at COUNT_LIMIT."""

    running: int
    waiting: int
    failed_since: int
    since: datetime
    open_tickets: int
    critical_tickets: int
    overdue_tickets: int
    servers: int


def _count(actor: Actor, model: type[Job] | type[Ticket] | type[Server], *where: ColumnElement[bool]) -> int:
    part = scoped(actor, model).with_only_columns(model.id).where(*where).limit(COUNT_LIMIT)
    return db.session.scalar(select(func.count()).select_from(part.subquery())) or 0


def counts(actor: Actor, since: datetime) -> Counts:
    """Return the counters; ``since`` is when this person looked last."""
    require(actor, Permission.DASHBOARD_VIEW)
    # As the list behind the counter: what somebody snoozed needs nobody now.
    attention = (Ticket.status.in_(OPEN), Ticket.snoozed_until.is_(None))
    return Counts(
        running=_count(actor, Job, Job.status == JobStatus.RUNNING),
        waiting=_count(actor, Job, Job.status == JobStatus.PENDING),
        failed_since=_count(actor, Job, Job.status == JobStatus.FAILED, Job.created_at >= since),
        since=since,
        open_tickets=_count(actor, Ticket, *attention),
        critical_tickets=_count(actor, Ticket, *attention, Ticket.priority == TicketPriority.CRITICAL),
        overdue_tickets=_count(actor, Ticket, Ticket.status.in_(OPEN), Ticket.due_at < utc_now()),
        servers=_count(actor, Server, Server.is_active == true()),
    )


def recent_launches(actor: Actor) -> Sequence[Launch]:
    """Return the newest launches."""
    require(actor, Permission.JOB_VIEW)
    return db.session.scalars(scoped(actor, Launch).order_by(Launch.id.desc()).limit(RECENT)).all()


def waiting_jobs(actor: Actor) -> Sequence[Job]:
    """Return the jobs that wait longest."""
    require(actor, Permission.JOB_VIEW)
    statement = scoped(actor, Job).where(Job.status == JobStatus.PENDING)
    return db.session.scalars(statement.order_by(Job.created_at, Job.id).limit(WAITING)).all()


def urgent_tickets(actor: Actor) -> Sequence[Ticket]:
    """Return the open tickets that nobody snoozed, worst first, then oldest."""
    require(actor, Permission.TICKET_VIEW)
    # For each status and priority an index holds the oldest in order; sorting all that are open would read them all.
    oldest = [
        scoped(actor, Ticket)
        .with_only_columns(Ticket.id, literal(rank).label("rank"))
        .where(Ticket.status == status, Ticket.priority == priority, Ticket.snoozed_until.is_(None))
        .order_by(Ticket.id)
        .limit(TICKETS)
        .subquery()
        for rank, priority in enumerate(TicketPriority)
        for status in OPEN
    ]
    worst = union_all(*[select(few.c.id, few.c.rank) for few in oldest]).subquery()
    statement = scoped(actor, Ticket).join(worst, worst.c.id == Ticket.id)
    return db.session.scalars(statement.order_by(worst.c.rank.desc(), Ticket.id).limit(TICKETS)).all()


@dataclass(frozen=True, slots=True)
class Steps:
    """What of the first steps is done."""

    has_server: bool
    has_playbook: bool
    has_launch: bool


def first_steps(actor: Actor) -> Steps | None:
    """Return how far a new tenant has come, None once something has run."""
    require(actor, Permission.DASHBOARD_VIEW)
    if db.session.scalar(scoped(actor, Launch).with_only_columns(Launch.id).limit(1)) is not None:
        return None
    server = db.session.scalar(
        scoped(actor, Server).with_only_columns(Server.id).where(Server.is_controller == false()).limit(1)
    )
    playbook = db.session.scalar(scoped(actor, Playbook).with_only_columns(Playbook.id).limit(1))
    return Steps(server is not None, playbook is not None, False)


def oldest_due_ticket() -> datetime | None:
    """Return when the oldest job of this tenant ended whose ticket is overdue by a minute: the keeper is away."""
    return db.session.scalar(
        select(Job.completed_at)
        .where(Job.ticket_due == true(), Job.completed_at < utc_now() - timedelta(minutes=1))
        .order_by(Job.id)
        .limit(1)
    )
