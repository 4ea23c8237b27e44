"""How long tickets waited for a person and for their end: real figures of the last 30 days."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.db import db
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.jobs.models import Job, Launch
from app.tickets.models import Ticket, TicketPriority

DAYS = 30
TICKET_LIMIT = 20_000  # the newest; the page says when there were more
PLAYBOOKS = 20  # those with the most tickets


@dataclass(frozen=True, slots=True)
class Figures:
    """One group of tickets; times in seconds from opening (or the last reopening)."""

    name: str
    opened: int
    acknowledged: int
    median_to_acknowledge: float | None
    late_to_acknowledge: int
    resolved: int
    median_to_resolve: float | None
    late_to_resolve: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """Figures by priority, worst first, and by playbook, most tickets first."""

    days: int
    complete: bool
    by_priority: list[Figures]
    by_playbook: list[Figures]


def statistics(actor: Actor) -> Statistics:
    """Return the figures of the tickets opened in the last DAYS days, merged ones left out; one query.

    Resolving acknowledges too: that is no time to acknowledge and does not count as one. Late is what was done
    after its time, or is still not done although its time has passed.
    """
    require(actor, Permission.TICKET_VIEW)
    now = utc_now()
    rows = db.session.execute(
        scoped(actor, Ticket)
        .join(Job, (Job.tenant_id == Ticket.tenant_id) & (Job.id == Ticket.job_id))
        .join(Launch, (Launch.tenant_id == Job.tenant_id) & (Launch.id == Job.launch_id))
        .with_only_columns(
            Ticket.priority,
            Launch.title,
            Ticket.created_at,
            Ticket.reopened_at,
            Ticket.acknowledged_at,
            Ticket.resolved_at,
            Ticket.respond_due_at,
            Ticket.due_at,
        )
        .where(Ticket.created_at >= now - timedelta(days=DAYS), Ticket.merged_into_id.is_(None))
        .order_by(Ticket.created_at.desc())
        .limit(TICKET_LIMIT + 1)
    ).all()
    complete = len(rows) <= TICKET_LIMIT
    rows = rows[:TICKET_LIMIT]
    by_priority = [
        _figures(priority.value, [row for row in rows if row.priority is priority], now)
        for priority in reversed(TicketPriority)
    ]
    groups: dict[str, list[Any]] = {}
    for row in rows:
        groups.setdefault(row.title, []).append(row)
    biggest = sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0]))[:PLAYBOOKS]
    return Statistics(DAYS, complete, by_priority, [_figures(name, mine, now) for name, mine in biggest])


def _figures(name: str, rows: list[Any], now: datetime) -> Figures:
    seen = [row for row in rows if row.acknowledged_at and row.acknowledged_at != row.resolved_at]
    ended = [row for row in rows if row.resolved_at]
    return Figures(
        name=name,
        opened=len(rows),
        acknowledged=len(seen),
        median_to_acknowledge=_median((row, row.acknowledged_at) for row in seen),
        late_to_acknowledge=sum(_late(row.respond_due_at, row.acknowledged_at or row.resolved_at, now) for row in rows),
        resolved=len(ended),
        median_to_resolve=_median((row, row.resolved_at) for row in ended),
        late_to_resolve=sum(_late(row.due_at, row.resolved_at, now) for row in rows),
    )


def _median(pairs: Iterable[tuple[Any, datetime]]) -> float | None:
    times = [max(0.0, (moment - (row.reopened_at or row.created_at)).total_seconds()) for row, moment in pairs]
    return median(times) if times else None


def _late(due: datetime | None, done: datetime | None, now: datetime) -> bool:
    return due is not None and (done or now) > due
