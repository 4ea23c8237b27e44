"""How urgent a ticket is and until when it should be solved: rules in order, the first that holds. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.tickets.models import TicketPriority

RANKS: dict[TicketPriority, int] = {priority: rank for rank, priority in enumerate(TicketPriority)}
PRODUCTION = frozenset({"production", "prod", "live"})  # values of servers.environment, compared in lower case


@dataclass(frozen=True, slots=True)
class Traits:
    """What rules look at in a server."""

    environment: str = ""  # lower case
    tags: frozenset[str] = frozenset()  # lower case


@dataclass(frozen=True, slots=True)
class Facts:
    """A problem as rules see it: the servers hit, all servers of the run, and what ran."""

    hit: Sequence[Traits]
    taking_part: Sequence[Traits]
    playbook_id: int | None
    failure_code: str
    is_check: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """Conditions, all of which have to hold, and what follows. None and an empty set mean any.

    ``environments`` and ``tag`` choose servers: at least ``min_servers`` of those hit, and at least ``min_share``
    percent of those of the run, have to be such.
    """

    name: str
    priority: TicketPriority
    id: int | None = None  # None: built in
    environments: frozenset[str] = frozenset()
    tag: str | None = None
    playbook_id: int | None = None
    failure_code: str | None = None
    check_mode: bool | None = None
    min_servers: int = 1
    min_share: int = 0
    assignee_id: int | None = None
    due_hours: int | None = None

    def holds(self, facts: Facts) -> bool:
        """Say whether every condition holds."""
        if self.playbook_id is not None and self.playbook_id != facts.playbook_id:
            return False
        if self.failure_code is not None and self.failure_code != facts.failure_code:
            return False
        if self.check_mode is not None and self.check_mode != facts.is_check:
            return False
        hit = sum(map(self._chooses, facts.hit))
        everywhere = max(hit, sum(map(self._chooses, facts.taking_part)))
        return hit >= max(1, self.min_servers) and hit * 100 >= self.min_share * everywhere

    def _chooses(self, server: Traits) -> bool:
        if self.environments and server.environment not in self.environments:
            return False
        return self.tag is None or self.tag in server.tags


# They stand behind a tenant's own rules; the last one always holds.
BUILT_IN: tuple[Rule, ...] = (
    Rule(
        "Production, at least two servers and half of them",
        TicketPriority.CRITICAL,
        environments=PRODUCTION,
        min_servers=2,
        min_share=50,
    ),
    Rule("Production", TicketPriority.HIGH, environments=PRODUCTION),
    Rule("Everything else", TicketPriority.MEDIUM),
)


def decide(rules: Sequence[Rule], facts: Facts) -> Rule:
    """Return the first of the tenant's rules, then of the built-in ones, that holds."""
    return next((rule for rule in (*rules, *BUILT_IN) if rule.holds(facts)), BUILT_IN[-1])


@dataclass(frozen=True, slots=True)
class Target:
    """Times from opening (or reopening), round the clock: to the acknowledgement and to the solution."""

    respond: timedelta
    solve: timedelta


# Our own defaults, in the range of usual support agreements; no document of this project prescribes any.
DEFAULT_TARGETS: dict[TicketPriority, Target] = {
    TicketPriority.CRITICAL: Target(timedelta(minutes=15), timedelta(hours=4)),
    TicketPriority.HIGH: Target(timedelta(hours=1), timedelta(hours=8)),
    TicketPriority.MEDIUM: Target(timedelta(hours=8), timedelta(days=3)),
    TicketPriority.LOW: Target(timedelta(days=3), timedelta(days=10)),
}
Targets = Mapping[TicketPriority, Target]


def clocks(
    targets: Targets, priority: TicketPriority, since: datetime, due_hours: int | None = None
) -> dict[str, datetime | None]:
    """Return the columns of a ticket's clocks, set anew: both moments, and that neither has been missed yet."""
    solve = targets[priority].solve if due_hours is None else timedelta(hours=due_hours)
    return {
        "respond_due_at": since + min(targets[priority].respond, solve),
        "due_at": since + solve,
        "overdue_at": None,
    }
