"""How urgent a ticket is and until when it should be solved. Rules in one place, no I/O."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from app.tickets.models import TicketPriority

PRODUCTION = frozenset({"production", "prod", "live"})  # values of servers.environment, compared in lower case
CRITICAL_SHARE = 0.5  # of the run's production servers; at least two, one server alone is never critical

# Time from opening (or reopening) to the expected solution, round the clock. Our own defaults, in the range of
# usual support agreements; no document of this project prescribes any.
SOLVE_WITHIN: dict[TicketPriority, timedelta] = {
    TicketPriority.CRITICAL: timedelta(hours=4),
    TicketPriority.HIGH: timedelta(hours=8),
    TicketPriority.MEDIUM: timedelta(days=3),
    TicketPriority.LOW: timedelta(days=10),
}


def is_production(environment: str | None) -> bool:
    """Say whether a server's environment is the one that customers see."""
    return (environment or "").strip().lower() in PRODUCTION


def priority_for(hit: Collection[str | None], taking_part: Collection[str | None]) -> TicketPriority:
    """Return the priority from the environments of the servers hit and of all servers of the run.

    Production is high, and critical when at least two and at least half of the run's production servers are
    hit; everything else is medium.
    """
    hit_production = sum(map(is_production, hit))
    if not hit_production:
        return TicketPriority.MEDIUM
    all_production = max(hit_production, sum(map(is_production, taking_part)))
    if hit_production >= 2 and hit_production / all_production >= CRITICAL_SHARE:
        return TicketPriority.CRITICAL
    return TicketPriority.HIGH


def due_at(priority: TicketPriority, since: datetime) -> datetime:
    """Return until when a ticket of this priority should be solved."""
    return since + SOLVE_WITHIN[priority]
