"""What the keeper does for tickets: open what was left due, wake, note what is overdue, close what stayed resolved."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, select, update

from app.accounts.models import Tenant
from app.audit import service as audit
from app.audit.resource import Resource
from app.core.actor import Actor
from app.core.db import db
from app.core.db_time import database_now
from app.core.runtime import settings
from app.core.state_machine import transition
from app.core.tenancy import system_scope, tenant_scope
from app.jobs import closing
from app.jobs.events import RunFinished
from app.jobs.models import Launch, Run
from app.tickets import queries, queries_clocks
from app.tickets.history import EventKind, add_event
from app.tickets.models import TICKET_TRANSITIONS, Ticket, TicketStatus
from app.tickets.opening import open_for_run

log = logging.getLogger(__name__)


def open_due_tickets(limit: int = 200) -> int:
    """Open the tickets of failed jobs that are marked ``ticket_due``; return for how many runs it worked.

    Looks at ``limit`` jobs. Runs inside the caller's unit of work, each run in a savepoint of its own: one that
    cannot be done is logged and stays due. Doing a run twice changes nothing.
    """
    with system_scope("tickets that are due"):
        due = queries.due_jobs(limit)
    done = 0
    for tenant_id, run_id in due:
        try:
            with db.session.begin_nested(), tenant_scope(tenant_id):
                open_for_run(finished_event(run_id))
            done += 1
        except Exception:
            log.exception("ticket of a failed run could not be opened", extra={"run_id": run_id})
    return done


def finished_event(run_id: int) -> RunFinished:
    """Return what ``run_finished`` said of a run of the current tenant, rebuilt from its rows."""
    run = db.session.get_one(Run, run_id)
    launch = db.session.get_one(Launch, run.launch_id)
    return closing.payload(run, launch, queries.final_jobs(run_id), run.completed_at or database_now())


def close_resolved(limit: int = 200) -> int:
    """Close up to ``limit`` tickets of each tenant that stayed resolved for ``ticket_close_days``; return how many."""
    days = settings().ticket_close_days
    before = database_now() - timedelta(days=days)
    return _for_each_tenant(lambda: sum(_close(ticket, days) for ticket in queries.resolved_before(before, limit)))


def watch_clocks(limit: int = 200) -> int:
    """Wake up to ``limit`` tickets of each tenant and note as many that became overdue; return how many changed.

    Each is noted once: being overdue again needs a new clock (reopening, another priority).
    """
    now = database_now()

    def work() -> int:
        woken = sum(_wake(ticket) for ticket in queries_clocks.snooze_ended(now, limit))
        return woken + sum(_note_overdue(ticket, now) for ticket in queries_clocks.became_overdue(now, limit))

    return _for_each_tenant(work)


def _for_each_tenant(work: Callable[[], int]) -> int:
    with system_scope("tenants, to look after their tickets"):
        tenants = db.session.scalars(select(Tenant.id)).all()
    done = 0
    for tenant_id in tenants:
        with tenant_scope(tenant_id):
            done += work()
            db.session.flush()
    return done


def _set_once(ticket: Ticket, condition: ColumnElement[bool], **values: Any) -> bool:
    changed = db.session.execute(
        update(Ticket)
        .where(Ticket.tenant_id == ticket.tenant_id, Ticket.id == ticket.id, condition)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    db.session.expire(ticket)
    return bool(cast(CursorResult[Any], changed).rowcount)


def _wake(ticket: Ticket) -> bool:
    woken = _set_once(ticket, Ticket.snoozed_until == ticket.snoozed_until, snoozed_until=None)
    if woken:
        add_event(ticket, EventKind.WOKEN, why="time")
    return woken


def _note_overdue(ticket: Ticket, now: datetime) -> bool:
    due = ticket.due_at
    late = _set_once(ticket, Ticket.overdue_at.is_(None) & (Ticket.due_at == due), overdue_at=now)
    if late and due is not None:
        add_event(ticket, EventKind.OVERDUE, due=due.isoformat())
    return late


def _close(ticket: Ticket, days: int) -> bool:
    moved = transition(
        Ticket.status,
        {TicketStatus.RESOLVED: TICKET_TRANSITIONS[TicketStatus.RESOLVED]},
        TicketStatus.CLOSED,
        Ticket.tenant_id == ticket.tenant_id,
        Ticket.id == ticket.id,
        version=Ticket.version + 1,
    )
    if moved:
        add_event(ticket, EventKind.CLOSED, days=days)
        audit.record(
            Actor.system(ticket.tenant_id, queries.system_user_id(ticket.tenant_id)),
            "ticket:close",
            Resource("ticket", ticket.id, ticket.ticket_id),
            action="UPDATE",
            details={"resolved_days": days},
        )
        db.session.expire(ticket)
    return bool(moved)
