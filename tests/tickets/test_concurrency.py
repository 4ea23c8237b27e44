from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, func, insert, select, text

from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope, tenant_scope
from app.jobs.events import RunFinished
from app.tickets import acts, opening, queries_clocks, queries_merge
from app.tickets.models import Ticket, TicketEvent, TicketJob
from app.tickets.opening import open_for_run
from app.tickets.queries_similar import similar_tickets
from app.tickets.service_merge import merge_ticket
from app.tickets.service_triage import Act, Order, triage_ticket
from tests.support.processes import wait_until
from tests.tickets.world import FAILED, Outcome, World

pytestmark = pytest.mark.database


def test_transactions_that_meet_the_same_new_problem_open_one_ticket(
    app: Flask, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them look for an open ticket before any of them has opened one."""
    writers = 4
    servers = world.servers(*(f"web{n}" for n in range(writers)))
    events = [world.run({server: FAILED}) for server in servers]
    looked = threading.Barrier(writers, timeout=20)
    look = opening.queries.open_ticket_ids

    def look_together(fingerprints: list[str]) -> dict[str, int]:
        found = look(fingerprints)
        if db.engine.dialect.name != "sqlite":  # there BEGIN IMMEDIATE lets them in one by one
            looked.wait()
        return found

    monkeypatch.setattr(opening.queries, "open_ticket_ids", look_together)
    failures: list[BaseException] = []

    def work(event: RunFinished) -> None:
        try:
            with app.app_context(), unit_of_work(), system_scope("test"):
                open_for_run(event)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(event,)) for event in events]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    with unit_of_work(writes=False), tenant_scope(world.tenant_id):
        assert db.session.scalars(select(Ticket.occurrences)).all() == [writers]
        assert db.session.scalar(select(func.count()).select_from(TicketJob)) == writers


def in_threads(app: Flask, *works: Callable[[], object]) -> None:
    """Run everything at once, each in a transaction of its own; what one raises, this raises."""
    failures: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            with app.app_context():
                work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures, failures


def finish(event: RunFinished) -> None:
    with unit_of_work(), system_scope("test"):
        open_for_run(event)


def uuids(world: World) -> list[str]:
    with unit_of_work(writes=False), tenant_scope(world.tenant_id):
        return list(db.session.scalars(select(Ticket.ticket_id).order_by(Ticket.id)))


@pytest.mark.parametrize("first", ["merge", "occurrence"])
def test_an_occurrence_that_meets_a_merge_lands_on_the_ticket_that_stays(
    app: Flask, world: World, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """Both have looked before either has written; then one of them goes first."""
    (server,) = world.servers("web1")
    disk = Outcome(error="No space left on device", tasks=FAILED.tasks)
    for outcome in (FAILED, disk):
        finish(world.run({server: outcome}))
    into, gone = uuids(world)
    repeat = world.run({server: disk})
    looked, written = threading.Event(), threading.Event()
    sqlite = db.engine.dialect.name == "sqlite"  # there BEGIN IMMEDIATE lets them in one by one
    look, join = opening.queries.leads_to, opening._join

    def look_and_tell(fingerprints: list[str]) -> dict[str, str]:
        found = look(fingerprints)
        if threading.current_thread().name == "occurrence":
            looked.set()
        return found

    def join_after_the_merge(*arguments: Any) -> Ticket | None:
        if first == "merge" and not sqlite:
            assert written.wait(20)
        return join(*arguments)

    monkeypatch.setattr(opening.queries, "leads_to", look_and_tell)
    monkeypatch.setattr(opening, "_join", join_after_the_merge)

    def occur() -> None:
        threading.current_thread().name = "occurrence"
        finish(repeat)

    def merge() -> None:
        if not sqlite:
            assert looked.wait(20)
        with tenant_scope(world.tenant_id), unit_of_work():
            merge_ticket(world.actor(), gone, into)
            if first == "merge":
                written.set()  # not committed yet: the occurrence waits for the row

    in_threads(app, occur, merge)
    with unit_of_work(writes=False), tenant_scope(world.tenant_id):
        rows = {row.ticket_id: row for row in db.session.scalars(select(Ticket))}
        assert set(rows) == {into, gone}
        assert rows[into].occurrences == 3
        assert rows[gone].merged_into_id == rows[into].id
        held = db.session.scalars(select(TicketJob.ticket_id)).all()
        assert held == [rows[into].id] * 3


def an_occurrence_waits_for_its_ticket() -> bool:
    """Say whether a statement that locks or changes a ticket has not returned yet."""
    with db.engine.connect() as connection:
        running = [str(row.Info) for row in connection.execute(text("SHOW FULL PROCESSLIST"))]
    return any("tickets" in one and ("FOR UPDATE" in one or "SET occurrences" in one) for one in running)


@pytest.mark.parametrize("act", ["merge", "resolve"])
def test_an_occurrence_that_waits_for_a_ticket_that_ends_is_no_deadlock(
    app: Flask, world: World, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    """Who ends a ticket holds its row, then changes its entry in the index of fingerprints; the occurrence waits."""
    if db.engine.dialect.name == "sqlite":
        return  # there BEGIN IMMEDIATE lets them in one by one
    (server,) = world.servers("web1")
    disk = Outcome(error="No space left on device", tasks=FAILED.tasks)
    for outcome in (FAILED, disk):
        finish(world.run({server: outcome}))
    into, gone = uuids(world)
    repeat = world.run({server: disk})
    lock_two, lock_one, join = queries_merge.lock_tickets, acts.lock, opening._join
    held = threading.Event()

    def wait_for_the_occurrence(found: Any) -> Any:
        held.set()
        assert wait_until(an_occurrence_waits_for_its_ticket)
        return found

    def join_once_the_row_is_held(*arguments: Any) -> Ticket | None:
        assert held.wait(20)
        return join(*arguments)

    monkeypatch.setattr(queries_merge, "lock_tickets", lambda *a: wait_for_the_occurrence(lock_two(*a)))
    monkeypatch.setattr(acts, "lock", lambda *a: wait_for_the_occurrence(lock_one(*a)))
    monkeypatch.setattr(opening, "_join", join_once_the_row_is_held)

    def end() -> None:
        with tenant_scope(world.tenant_id), unit_of_work():
            if act == "merge":
                merge_ticket(world.actor(), gone, into)
            else:
                triage_ticket(world.actor(), gone, Order(Act.RESOLVE))

    in_threads(app, lambda: finish(repeat), end)
    with unit_of_work(writes=False), tenant_scope(world.tenant_id):
        counts = dict(map(tuple, db.session.execute(select(Ticket.ticket_id, Ticket.occurrences))))
    assert counts == ({into: 3, gone: 1} if act == "merge" else {into: 1, gone: 2})


def test_two_people_who_take_a_ticket_at_once_move_it_once(app: Flask, world: World) -> None:
    (server,) = world.servers("web1")
    finish(world.run({server: FAILED}))
    (uuid,) = uuids(world)

    def take() -> None:
        with tenant_scope(world.tenant_id), unit_of_work():
            triage_ticket(world.actor(), uuid, Order(Act.TAKE))

    in_threads(app, take, take, take)
    with unit_of_work(writes=False), tenant_scope(world.tenant_id):
        kinds = db.session.scalars(select(TicketEvent.kind).order_by(TicketEvent.id)).all()
    assert kinds == ["opened", "acknowledged", "assigned", "status"]


def test_similar_tickets_and_overdue_ones_are_found_by_index(app: Flask, world: World) -> None:
    """On MySQL and MariaDB the plan of each query that runs on every page or chore names an index it seeks in."""
    if db.engine.dialect.name == "sqlite":
        word, wanted = "EXPLAIN QUERY PLAN ", "SEARCH"
    else:
        word, wanted = "EXPLAIN ", "ix_tickets_tenant_id"
    (server,) = world.servers("web1")
    finish(world.run({server: FAILED}))
    with unit_of_work(), tenant_scope(world.tenant_id):
        first = db.session.scalars(select(Ticket)).one()
        db.session.execute(
            insert(Ticket),
            [
                {
                    "tenant_id": world.tenant_id,
                    "job_id": first.job_id,
                    "created_by": world.system_id,
                    "title": f"Problem {n}",
                    "status": "closed" if n % 50 else "open",
                    "task_key": f"{n:032}",
                    "message_key": f"{n % 500:032}",
                    "due_at": first.created_at,
                    "resolved_at": first.created_at,
                }
                for n in range(3000)
            ],
        )
    if db.engine.dialect.name != "sqlite":
        with db.engine.begin() as connection:
            connection.execute(text("ANALYZE TABLE tickets"))
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if statement.startswith("SELECT") and "FROM tickets" in statement:
            seen.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    with unit_of_work(writes=False), tenant_scope(world.tenant_id):
        ticket = db.session.scalars(select(Ticket).where(Ticket.title == "Problem 7")).one()
        seen.clear()
        similar_tickets(world.actor(), ticket)
        queries_clocks.became_overdue(ticket.created_at, 200)
        queries_clocks.snooze_ended(ticket.created_at, 200)
    event.remove(db.engine, "before_cursor_execute", note)
    assert len(seen) >= 5
    with db.engine.connect() as connection:
        for statement, parameters in seen:
            rows = connection.exec_driver_sql(word + statement, parameters).all()
            plan = " ".join(str(value) for row in rows for value in row)
            assert wanted in plan, f"{statement}\n{plan}"
