"""Whatever happens to tickets in whatever order, some things stay true."""

from __future__ import annotations

import itertools
import os
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import func, select, update

from app.core.clock import utc_now
from app.core.db import db, unit_of_work
from app.core.errors import Conflict
from app.core.tenancy import system_scope, tenant_scope
from app.tickets import service_merge, service_triage
from app.tickets.keeping import close_resolved, watch_clocks
from app.tickets.models import Ticket, TicketFingerprint, TicketJob
from app.tickets.opening import open_for_run
from app.tickets.queries import ENDED, OPEN
from app.tickets.resolving import resolve_by_run
from app.tickets.service_triage import Act, Order
from tests.tickets.world import FAILED, GREEN, Outcome, World

EXAMPLES = int(os.environ.get("MILLWRIGHT_TEST_EXAMPLES", "5"))
ERRORS = ("No space left on device", "Permission denied by the policy", "Unable to start the service")
ANY = st.integers(0, 30)  # which ticket: counted round
_count = itertools.count(1)


class Tickets(RuleBasedStateMachine):
    """Failures, green runs, people and the keeper against one tenant."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(f"machine-{next(_count)}")
        self.servers = self.world.servers("web1", "web2")
        self.actor = self.world.actor()
        self.failures = 0

    def rows(self) -> list[Ticket]:
        with unit_of_work(writes=False), tenant_scope(self.world.tenant_id):
            found = list(db.session.scalars(select(Ticket).order_by(Ticket.id)))
            db.session.expunge_all()
            return found

    def pick(self, number: int) -> str:
        rows = self.rows()
        return rows[number % len(rows)].ticket_id

    def attempt(self, work: Any, *arguments: Any, **more: Any) -> None:
        """Do something that the state may forbid, and then has to leave no trace."""
        before = self.picture()
        try:
            with tenant_scope(self.world.tenant_id), unit_of_work():
                work(self.actor, *arguments, **more)
        except Conflict:
            assert self.picture() == before

    def picture(self) -> list[tuple[Any, ...]]:
        return [
            (t.id, t.status, t.occurrences, t.version, t.merged_into_id, t.snoozed_until, t.resolved_at)
            for t in self.rows()
        ]

    @rule(error=st.sampled_from(ERRORS), on=st.sets(st.integers(0, 1), min_size=1))
    def a_run_fails(self, error: str, on: set[int]) -> None:
        outcome = Outcome(error=error, tasks=FAILED.tasks)
        event = self.world.run({self.servers[n]: outcome for n in sorted(on)})
        with unit_of_work(), system_scope("test"):
            assert len(open_for_run(event)) == 1
            open_for_run(event)  # twice is once
            resolve_by_run(event)
        self.failures += 1

    @rule(on=st.sets(st.integers(0, 1), min_size=1))
    def a_run_is_green(self, on: set[int]) -> None:
        event = self.world.run({self.servers[n]: GREEN for n in sorted(on)})
        with unit_of_work(), system_scope("test"):
            resolve_by_run(event)

    @precondition(lambda self: self.failures)
    @rule(number=ANY, act=st.sampled_from([act for act in Act if act is not Act.ASSIGN]))
    def somebody_acts(self, number: int, act: Act) -> None:
        order = Order(act, note="because", until=utc_now() + timedelta(hours=1))
        self.attempt(service_triage.triage_ticket, self.pick(number), order)

    @precondition(lambda self: len(self.rows()) > 1)
    @rule(number=ANY, other=ANY)
    def somebody_merges(self, number: int, other: int) -> None:
        one, two = self.pick(number), self.pick(other)
        if one != two:
            self.attempt(service_merge.merge_ticket, one, two)

    @precondition(lambda self: any(row.merged_into_id for row in self.rows()))
    @rule(number=ANY)
    def somebody_splits(self, number: int) -> None:
        merged = [row.ticket_id for row in self.rows() if row.merged_into_id]
        self.attempt(service_merge.split_ticket, merged[number % len(merged)])

    @rule(days=st.sampled_from([1, 30]))
    def time_passes_and_the_keeper_works(self, days: int) -> None:
        with unit_of_work(), system_scope("test"):
            for column in (Ticket.resolved_at, Ticket.snoozed_until, Ticket.due_at):
                past = utc_now() - timedelta(days=days)
                own = Ticket.tenant_id == self.world.tenant_id
                db.session.execute(update(Ticket).where(column.is_not(None), own).values({column: past}))
        for chore in (watch_clocks, close_resolved):
            with unit_of_work(), system_scope("test"):
                chore()

    @invariant()
    def one_problem_has_one_open_ticket(self) -> None:
        with unit_of_work(writes=False), tenant_scope(self.world.tenant_id):
            leads = {row.fingerprint: row.leads_to for row in db.session.scalars(select(TicketFingerprint))}
        assert not set(leads) & set(leads.values()), "a fingerprint leads on to one that leads on"
        problems = [
            leads.get(row.fingerprint, row.fingerprint) for row in self.rows() if row.status in OPEN and row.fingerprint
        ]
        assert len(problems) == len(set(problems))

    @invariant()
    def no_occurrence_and_no_job_is_lost(self) -> None:
        assert sum(row.occurrences for row in self.rows() if row.merged_into_id is None) == self.failures
        with unit_of_work(writes=False), tenant_scope(self.world.tenant_id):
            held = db.session.scalars(select(TicketJob.ticket_id).distinct()).all()
            jobs = db.session.scalar(select(func.count()).select_from(TicketJob)) or 0
        assert jobs >= self.failures
        assert not set(held) & {row.id for row in self.rows() if row.merged_into_id}

    @invariant()
    def moments_and_states_agree(self) -> None:
        rows = {row.id: row for row in self.rows()}
        for row in rows.values():
            assert (row.status in ENDED) == (row.resolved_at is not None)
            assert row.snoozed_until is None or row.status in OPEN
            assert row.occurrences >= 1
            if row.merged_into_id is not None:
                assert row.status.value == "closed"
                assert rows[row.merged_into_id].merged_into_id is None


def test_any_order_of_events_keeps_tickets_whole(app_context: object) -> None:
    run_state_machine_as_test(
        Tickets,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
