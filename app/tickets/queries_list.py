"""Reads of tickets for pages and the API: lists, one ticket, its jobs and history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, Subquery, and_, false, func, or_, select, union

from app.accounts.models import User
from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.db import db
from app.core.errors import NotFound
from app.core.pagination import COUNT_CAP, Page, paginate
from app.core.permissions import Permission, require
from app.core.sorting import SortKeys
from app.core.tenancy import scoped
from app.inventory.models import Server
from app.jobs.models import Job, Launch
from app.jobs.queries import JobFilter, select_jobs
from app.tickets.models import Ticket, TicketEvent, TicketJob, TicketPriority, TicketStatus
from app.tickets.queries import ENDED as ENDED
from app.tickets.queries import FOLLOWING
from app.tickets.queries import OPEN as OPEN

HISTORY_LIMIT = 500  # newest rows of history on one page
JOBS_LIMIT = 200  # newest joined jobs on one page
SEARCH_LIMIT = 50_000  # a search in titles looks at this many tickets, the newest (a tenth of a second)
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
    snoozed: bool | None = None
    acknowledged: bool | None = None
    source: str | None = None
    failure_code: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    text: str | None = None


def _about(actor: Actor, condition: ColumnElement[bool], name: str) -> Subquery:
    """Ids of the tickets whose first job, or any joined one, meets a condition on jobs.

    A table to join: for an OR of two subqueries the servers read every ticket.
    """
    first = (
        select(Ticket.id)
        .join(Job, Job.id == Ticket.job_id)
        .where(Ticket.tenant_id == actor.tenant_id, Job.tenant_id == actor.tenant_id, condition)
    )
    joined = (
        select(TicketJob.ticket_id)
        .join(Job, Job.id == TicketJob.job_id)
        .where(TicketJob.tenant_id == actor.tenant_id, Job.tenant_id == actor.tenant_id, condition)
    )
    return union(first, joined).subquery(name)


def _search_floor(actor: Actor) -> ScalarSelect[int]:
    """Number of the last ticket that a search in titles looks at: no index holds the middle of a title."""
    newest = scoped(actor, Ticket).with_only_columns(Ticket.id).order_by(Ticket.id.desc())
    return select(func.coalesce(newest.offset(SEARCH_LIMIT).limit(1).scalar_subquery(), 0)).scalar_subquery()


def tickets_statement(actor: Actor, wanted: TicketFilter) -> Select[Ticket]:
    """Return the SELECT of the tickets that the actor may see and ``wanted`` asks for, without order."""
    where: list[ColumnElement[bool]] = []
    about: list[ColumnElement[bool]] = []
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
    if wanted.snoozed is not None:
        where.append(Ticket.snoozed_until.is_not(None) if wanted.snoozed else Ticket.snoozed_until.is_(None))
    if wanted.acknowledged is not None:
        seen = Ticket.acknowledged_at
        where.append(seen.is_not(None) if wanted.acknowledged else seen.is_(None))
    if wanted.source is not None:
        where.append(Ticket.source == wanted.source)
    if wanted.failure_code is not None:
        where.append(Ticket.failure_code == wanted.failure_code)
    if wanted.created_from is not None:
        where.append(Ticket.created_at >= wanted.created_from)
    if wanted.created_to is not None:
        where.append(Ticket.created_at < wanted.created_to)
    if wanted.job_id is not None:
        about.append(Job.job_id == wanted.job_id)
    if wanted.server_id is not None:
        about.append(Job.server_id == wanted.server_id)
    if wanted.playbook_id is not None:
        about.append(Job.playbook_id == wanted.playbook_id)
    if wanted.text:
        number = wanted.text.lstrip("#")
        named = Ticket.title.contains(wanted.text, autoescape=True)
        match = and_(named, Ticket.id > _search_floor(actor))
        where.append(or_(match, Ticket.id == int(number)) if _is_number(number) else match)
    statement = scoped(actor, Ticket).where(*where)
    aliases = [f"about_{number}" for number in range(len(about))]
    for condition, name in zip(about, aliases, strict=True):
        ids = _about(actor, condition, name)
        statement = statement.join(ids, ids.c[0] == Ticket.id)
    # MySQL, which knows no statistics of such a table, would begin with all tickets.
    return statement.prefix_with(f"/*+ JOIN_PREFIX({', '.join(aliases)}) */", dialect="mysql") if aliases else statement


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


SORTS = SortKeys(
    "-number",
    {
        "number": Ticket.id,
        "due_at": Ticket.due_at,
        "last_seen_at": Ticket.last_seen_at,
        "occurrences": Ticket.occurrences,
        "created_at": Ticket.created_at,
    },
)


def list_tickets(
    actor: Actor,
    wanted: TicketFilter,
    *,
    page: int = 1,
    page_size: int = 50,
    after: int | None = None,
    sort: str | None = None,
) -> Page[Ticket]:
    """Return a page of tickets, newest first unless ``sort`` says otherwise."""
    require(actor, Permission.TICKET_VIEW)
    return paginate(
        tickets_statement(actor, wanted),
        Ticket.id,
        page=page,
        page_size=page_size,
        after=after,
        sort=SORTS.pick(sort),
    )


def lock_order(actor: Actor, ticket_uuids: Sequence[str]) -> list[tuple[str, int]]:
    """Return (UUID, number) of those that exist, in the order in which every transaction locks tickets."""
    require(actor, Permission.TICKET_VIEW)
    rows = db.session.execute(
        scoped(actor, Ticket)
        .with_only_columns(Ticket.ticket_id, Ticket.id)
        .where(Ticket.ticket_id.in_(ticket_uuids))
        .order_by(func.coalesce(Ticket.fingerprint, ""), Ticket.id)
    )
    return [(row.ticket_id, row.id) for row in rows]


def newest_ticket_of_job(actor: Actor, job_uuid: str) -> Ticket | None:
    """Return the newest ticket that a job opened or joined, None where it showed no problem."""
    require(actor, Permission.TICKET_VIEW)
    statement = tickets_statement(actor, TicketFilter(job_id=job_uuid))
    return db.session.scalars(statement.order_by(Ticket.id.desc()).limit(1)).first()


def open_tickets_of_server(actor: Actor, server_id: int, limit: int = 5) -> Sequence[Ticket]:
    """Return the newest open tickets about a server."""
    require(actor, Permission.TICKET_VIEW)
    statement = tickets_statement(actor, TicketFilter(server_id=server_id, is_open=True))
    return db.session.scalars(statement.order_by(Ticket.id.desc()).limit(limit)).all()


def board(actor: Actor, wanted: TicketFilter) -> dict[TicketStatus, Sequence[Ticket]]:
    """Return the newest BOARD_LIMIT tickets of each status that ``wanted`` lets through; one query per column."""
    require(actor, Permission.TICKET_VIEW)
    columns = {}
    for status in TicketStatus:
        statement = tickets_statement(actor, wanted).where(Ticket.status == status)
        columns[status] = db.session.scalars(statement.order_by(Ticket.id.desc()).limit(BOARD_LIMIT)).all()
    return columns


def count_beyond_board(actor: Actor, wanted: TicketFilter, status: TicketStatus, shown: Sequence[Ticket]) -> int:
    """Return how many tickets of a column the board does not show, counted up to COUNT_CAP."""
    if len(shown) < BOARD_LIMIT:
        return 0
    part = tickets_statement(actor, wanted).with_only_columns(Ticket.id).where(Ticket.status == status)
    total = db.session.scalar(select(func.count()).select_from(part.limit(COUNT_CAP).subquery())) or 0
    return max(0, total - len(shown))


def get_ticket(actor: Actor, ticket_uuid: str, *, lock: bool = False) -> Ticket:
    """Return a ticket by its UUID; NotFound for an unknown or foreign one. ``lock`` keeps others from changing it."""
    require(actor, Permission.TICKET_VIEW)
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
    statement = scoped(actor, User).where(User.is_active, User.is_system == false())
    return db.session.scalars(statement.order_by(User.username).limit(500)).all()


@dataclass(frozen=True, slots=True)
class TicketJobRow:
    """A job of a ticket for people. ``cleared_at``: its server has been green since."""

    number: int
    job_id: str
    status: str
    failure_code: str | None
    error_message: str | None
    first_failure_line: int | None
    server_id: int | None
    server_name: str | None
    created_at: datetime
    cleared_at: datetime | None
    launch_uuid: str

    @property
    def is_follower(self) -> bool:
        """Whether the play only stopped here because of another server."""
        return self.failure_code in FOLLOWING


def _job_columns() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Job.id,
            Job.job_id,
            Job.status,
            Job.failure_code,
            Job.error_message,
            Job.first_failure_line,
            Job.server_id,
            Server.hostname,
            Job.created_at,
            TicketJob.cleared_at,
            Launch.uuid,
        )
        .select_from(Job)
        .join(Launch, Launch.id == Job.launch_id)
        .outerjoin(Server, Server.id == Job.server_id)
    )


def jobs_of(ticket: Ticket) -> list[TicketJobRow]:
    """Return the newest JOBS_LIMIT jobs that showed the ticket's problem; of one opened by hand, its job."""
    statement = _job_columns()
    joined = statement.join(TicketJob, TicketJob.job_id == Job.id).where(TicketJob.ticket_id == ticket.id)
    rows = [TicketJobRow(*row) for row in db.session.execute(joined.order_by(TicketJob.id.desc()).limit(JOBS_LIMIT))]
    if rows or ticket.source == "job":
        return rows
    first = statement.outerjoin(TicketJob, TicketJob.job_id == Job.id).where(Job.id == ticket.job_id)
    return [TicketJobRow(*row) for row in db.session.execute(first)]


def count_jobs(ticket: Ticket) -> int:
    """Return how many jobs have joined a ticket."""
    statement = select(func.count()).select_from(TicketJob).where(TicketJob.ticket_id == ticket.id)
    return db.session.scalar(statement) or 0


def count_servers(ticket_ids: Sequence[int]) -> dict[int, int]:
    """Return how many servers each ticket was seen on; those without any are left out."""
    rows = db.session.execute(
        select(TicketJob.ticket_id, func.count(TicketJob.server_id.distinct()).label("servers"))
        .where(TicketJob.ticket_id.in_(ticket_ids))
        .group_by(TicketJob.ticket_id)
    )
    return {row.ticket_id: row.servers for row in rows}


def job_uuids(job_ids: set[int]) -> dict[int, str]:
    """Return the UUIDs of jobs by id."""
    rows = db.session.execute(select(Job.id, Job.job_id).where(Job.id.in_(job_ids)))
    return {row.id: row.job_id for row in rows}


def find_job(actor: Actor, text: str) -> str | None:
    """Return the UUID of a job that a person names by number (#1412) or UUID; None when there is none."""
    name = text.strip().lstrip("#")
    match = Job.id == int(name) if _is_number(name) else Job.job_id == name
    job = db.session.scalars(scoped(actor, Job).where(match)).one_or_none()
    return None if job is None else job.job_id


def find_ticket(actor: Actor, text: str) -> Ticket | None:
    """Return the ticket that a person names by number (T-12, #12, 12) or UUID; None when there is none."""
    require(actor, Permission.TICKET_VIEW)
    name = text.strip().lower().removeprefix("t-").lstrip("#")
    match = Ticket.id == int(name) if _is_number(name) else Ticket.ticket_id == name
    return db.session.scalars(scoped(actor, Ticket).where(match)).one_or_none()


def find_jobs(actor: Actor, text: str, limit: int = 10) -> list[TicketJobRow]:
    """Return the newest jobs that a text names: number, UUID, or the beginning of a server's name."""
    require(actor, Permission.TICKET_VIEW)
    found = select_jobs(actor, JobFilter(text=text)).with_only_columns(Job.id)
    ids = db.session.scalars(found.order_by(Job.id.desc()).limit(limit)).all()
    if not ids:
        return []
    statement = _job_columns().outerjoin(TicketJob, TicketJob.job_id == Job.id).where(Job.id.in_(ids))
    return [TicketJobRow(*row) for row in db.session.execute(statement.order_by(Job.id.desc()))]


def last_job_of_server(actor: Actor, server_id: int) -> str | None:
    """Return the UUID of a server's newest job, None where it has none."""
    require(actor, Permission.TICKET_VIEW)
    statement = scoped(actor, Job).with_only_columns(Job.job_id).where(Job.server_id == server_id)
    return db.session.scalar(statement.order_by(Job.id.desc()).limit(1))


def history_of(ticket: Ticket, *, after: int | None = None, limit: int = HISTORY_LIMIT) -> Sequence[TicketEvent]:
    """Return events in the order in which they happened: the newest ``limit``, or those after the id ``after``."""
    statement = select(TicketEvent).where(TicketEvent.ticket_id == ticket.id)
    if after is not None:
        return db.session.scalars(statement.where(TicketEvent.id > after).order_by(TicketEvent.id).limit(limit)).all()
    rows = db.session.scalars(statement.order_by(TicketEvent.id.desc()).limit(limit)).all()
    return list(reversed(rows))
