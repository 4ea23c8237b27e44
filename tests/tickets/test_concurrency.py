from __future__ import annotations

import threading

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope, tenant_scope
from app.jobs.events import RunFinished
from app.tickets import opening
from app.tickets.models import Ticket, TicketJob
from app.tickets.opening import open_for_run
from tests.tickets.world import FAILED, World

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
