"""Reads of tickets for pages and the API: lists, one ticket, its jobs and history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select

from app.accounts.models import User
from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.db import db
from app.core.errors import NotFound
from app.core.pagination import Page, paginate
from app.core.tenancy import scoped
from app.inventory.models import Server
from app.jobs.models import Job, Launch
from app.tickets.models import Ticket, TicketEvent, TicketJob, TicketPriority, TicketStatus
from app.tickets.queries import ENDED as ENDED
from app.tickets.queries import OPEN as OPEN

HISTORY_LIMIT = 500  # newest rows of history on one page
JOBS_LIMIT = 200  # newest joined jobs on one page
BOARD_LIMIT = 50  # cards of one column


@dataclass(frozen=True, slots=True)
class TicketFilter:
    """Conditions of a list; None means any.

    ``assignee_id`` 0 means nobody. ``text`` is looked for in titles, and "#12" finds ticket 12.
    """

    status: TicketStatus | None = None
    priority: TicketPriority | None = None
    assignee_id: int | None = None
    job_id: str | None = None  # the job's UUID
    server_id: int | None = None
    playbook_id: int | None = None
    overdue: bool | None = None
    is_open: bool | None = None
    text: str | None = None


def _like(text: str) -> str:
    for character in ("\\", "%", "_"):
        text = text.replace(character, f"\\{character}")
    return f"%{text}%"


def _about(actor: Actor, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Tickets whose first job, or any joined one, meets a condition on jobs."""
    first = select(Job.id).where(Job.tenant_id == actor.tenant_id, condition)
    joined = (
        select(TicketJob.ticket_id)
        .join(Job, Job.id == TicketJob.job_id)
        .where(TicketJob.tenant_id == actor.tenant_id, condition)
    )
    return or_(Ticket.id.in_(joined), Ticket.job_id.in_(first))


def tickets_statement(actor: Actor, wanted: TicketFilter) -> Select[Ticket]:
    """Return the SELECT of the tickets that the actor may see and ``wanted`` asks for, without order."""
    where: list[ColumnElement[bool]] = []
    if wanted.status is not None:
        where.append(Ticket.status == wanted.status)
    if wanted.is_open is not None:
        where.append(Ticket.status.in_(OPEN if wanted.is_open else ENDED))
    if wanted.priority is not None:
        where.append(Ticket.priority == wanted.priority)
    if wanted.assignee_id is not None:
        where.append(Ticket.assignee_id == wanted.assignee_id if wanted.assignee_id else Ticket.assignee_id.is_(None))
    if wanted.overdue is not None:
        now = utc_now()
        late = (Ticket.due_at < now) & Ticket.status.in_(OPEN)
        in_time = or_(Ticket.due_at.is_(None), Ticket.due_at >= now, Ticket.status.in_(ENDED))
        where.append(late if wanted.overdue else in_time)
    if wanted.job_id is not None:
        where.append(_about(actor, Job.job_id == wanted.job_id))
    if wanted.server_id is not None:
        where.append(_about(actor, Job.server_id == wanted.server_id))
    if wanted.playbook_id is not None:
        where.append(_about(actor, Job.playbook_id == wanted.playbook_id))
    if wanted.text:
        number = wanted.text.lstrip("#")
        match: ColumnElement[bool] = Ticket.title.like(_like(wanted.text), escape="\\")
        where.append(or_(match, Ticket.id == int(number)) if _is_number(number) else match)
    return scoped(actor, Ticket).where(*where)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def list_tickets(
    actor: Actor, wanted: TicketFilter, *, page: int = 1, page_size: int = 50, after: int | None = None
) -> Page[Ticket]:
    """Return a page of tickets, newest first."""
    return paginate(tickets_statement(actor, wanted), Ticket.id, page=page, page_size=page_size, after=after)


def board(actor: Actor, wanted: TicketFilter) -> dict[TicketStatus, Sequence[Ticket]]:
    """Return the newest BOARD_LIMIT tickets of each status that ``wanted`` lets through; one query per column."""
    columns = {}
    for status in TicketStatus:
        statement = tickets_statement(actor, wanted).where(Ticket.status == status)
        columns[status] = db.session.scalars(statement.order_by(Ticket.id.desc()).limit(BOARD_LIMIT)).all()
    return columns


def get_ticket(actor: Actor, ticket_uuid: str, *, lock: bool = False) -> Ticket:
    """Return a ticket by its UUID; NotFound for an unknown or foreign one. ``lock`` keeps others from changing it."""
    statement = scoped(actor, Ticket).where(Ticket.ticket_id == ticket_uuid)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    ticket = db.session.scalars(statement).one_or_none()
    if ticket is None:
        raise NotFound("This ticket")
    return ticket


def names_of_users(ids: set[int | None]) -> dict[int, str]:
    """Return user names by id, those of other tenants left out."""
    wanted = {user_id for user_id in ids if user_id is not None}
    if not wanted:
        return {}
    rows = db.session.execute(select(User.id, User.username).where(User.id.in_(wanted)))
    return {row.id: row.username for row in rows}


def possible_assignees(actor: Actor) -> Sequence[User]:
    """Return the active people of the tenant by name, 500 at most."""
    statement = scoped(actor, User).where(User.is_active, User.is_system.is_(False))
    return db.session.scalars(statement.order_by(User.username).limit(500)).all()


@dataclass(frozen=True, slots=True)
class TicketJobRow:
    """A job of a ticket for people. ``cleared_at``: its server has been green since."""

    id: int
    uuid: str
    status: str
    failure_code: str | None
    failed_task: str | None
    error_message: str | None
    first_failure_line: int | None
    server_id: int | None
    hostname: str | None
    is_active: bool | None
    completed_at: datetime | None
    cleared_at: datetime | None
    launch_uuid: str
    launch_id: int


def _job_columns() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Job.id,
            Job.job_id,
            Job.status,
            Job.failure_code,
            Job.failed_task,
            Job.error_message,
            Job.first_failure_line,
            Job.server_id,
            Server.hostname,
            Server.is_active,
            Job.completed_at,
            TicketJob.cleared_at,
            Launch.uuid,
            Launch.id,
        )
        .select_from(Job)
        .join(Launch, Launch.id == Job.launch_id)
        .outerjoin(Server, Server.id == Job.server_id)
    )


def jobs_of(ticket: Ticket) -> list[TicketJobRow]:
    """Return the newest JOBS_LIMIT jobs that showed the ticket's problem; of one opened by hand, its job."""
    statement = _job_columns()
    if ticket.fingerprint is None:
        statement = statement.outerjoin(TicketJob, TicketJob.job_id == Job.id).where(Job.id == ticket.job_id)
    else:
        statement = (
            statement.join(TicketJob, TicketJob.job_id == Job.id)
            .where(TicketJob.ticket_id == ticket.id)
            .order_by(TicketJob.id.desc())
            .limit(JOBS_LIMIT)
        )
    return [TicketJobRow(*row) for row in db.session.execute(statement)]


def count_jobs(ticket: Ticket) -> tuple[int, int]:
    """Return (jobs that joined, different servers among them)."""
    row = db.session.execute(
        select(func.count(), func.count(TicketJob.server_id.distinct())).where(TicketJob.ticket_id == ticket.id)
    ).one()
    return row[0], row[1]


def history_of(ticket: Ticket) -> Sequence[TicketEvent]:
    """Return a ticket's newest HISTORY_LIMIT events, oldest of them first."""
    rows = db.session.scalars(
        select(TicketEvent)
        .where(TicketEvent.ticket_id == ticket.id)
        .order_by(TicketEvent.id.desc())
        .limit(HISTORY_LIMIT)
    ).all()
    return list(reversed(rows))
