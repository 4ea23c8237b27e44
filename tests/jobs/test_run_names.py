"""Runs of one name: one after the other, in the order in which they were asked for."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select, update

from app.core.db import db
from app.jobs import closing, dispatch, service
from app.jobs.database_port import DatabasePort
from app.jobs.models import Run, RunLock
from app.jobs.port import Carrier, Claim
from app.jobs.status import LockMode
from app.jobs.workers import this_process
from app.runners.base import FailureCode, RunResult
from config import Settings
from tests.jobs.conftest import House
from tests.jobs.test_locks import claim, online, why

pytestmark = [pytest.mark.database, pytest.mark.usefixtures("app_context")]


def end(house: House, uuid: str) -> None:
    run_id = house.run_id(uuid)

    def work() -> None:
        run = db.session.get_one(Run, run_id)
        assert closing.finish_run(run, RunResult(None, FailureCode.ENGINE_ERROR), hosts_by_job={}, log_complete=True)

    house.write(work)


def test_the_second_of_a_name_waits_for_the_first_and_says_for_whom(house: House, settings: Settings) -> None:
    first, second = house.launch("a", lock_name="w"), house.launch("b", lock_name="w")
    online(house)
    assert claim(house, settings, second) is None  # although nobody holds the name yet
    assert "asked for earlier in the same queue and goes first" in (why(house, second) or "")
    assert claim(house, settings, first) is not None
    assert claim(house, settings, second) is None
    assert "is under way in the same queue; this one follows" in (why(house, second) or "")
    end(house, first)
    assert claim(house, settings, second) is not None


def test_other_names_and_none_do_not_wait(house: House, settings: Settings) -> None:
    first = house.launch("a", lock_name="w")
    other, without = house.launch("b", lock_name="x"), house.launch("b", lock_mode=LockMode.SHARED)
    assert claim(house, settings, first) is not None
    assert claim(house, settings, without) is not None
    assert claim(house, settings, other) is None  # for its server; its name is free
    end(house, without)
    assert claim(house, settings, other) is not None


def test_a_name_is_one_of_its_tenant(house: House, settings: Settings) -> None:
    first = house.launch("a", lock_name="w")
    assert claim(house, settings, first) is not None
    taken = house.read(lambda: db.session.scalars(select(RunLock)).one())
    assert (taken.tenant_id, taken.name) == (house.actor.tenant_id, "w")


def test_the_next_of_a_name_is_rung_at_the_end_and_a_cancelled_one_is_passed_over(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[int] = []
    monkeypatch.setattr("app.core.queue.ring", lambda run_id, _to: bool(rung.append(run_id)) or True)
    first, second, third = (house.launch(server, lock_name="w") for server in ("a", "b", "a"))
    assert claim(house, settings, first) is not None
    house.write(lambda: service.cancel_launch(house.actor, second))
    rung.clear()
    end(house, first)
    assert rung == [house.run_id(third)]
    assert claim(house, settings, third) is not None


def test_a_run_that_is_given_back_gives_its_name_back_and_is_still_the_first(house: House, settings: Settings) -> None:
    first, second = house.launch("a", lock_name="w"), house.launch("b", lock_name="w")
    held = claim(house, settings, first)
    assert held is not None
    assert DatabasePort().release(held, "no disk")
    assert house.read(lambda: db.session.scalars(select(RunLock)).all()) == []
    assert claim(house, settings, second) is None  # the first is tried again in a moment, and goes first
    house.write(lambda: db.session.execute(update(Run).values(not_before=None)))
    assert claim(house, settings, first) is not None


def test_many_of_one_name_hide_nobody_from_the_sweep(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[int] = []
    monkeypatch.setattr("app.core.queue.ring", lambda run_id, _to: bool(rung.append(run_id)) or True)
    monkeypatch.setattr(dispatch, "SWEEP_LIMIT", 2)
    named = [house.launch("a", lock_name="w") for _ in range(4)]
    free = house.launch("b")
    online(house)
    house.write(lambda: db.session.execute(update(Run).values(dispatched_at=None)))
    rung.clear()
    assert dispatch.sweep() == 2
    assert rung == [house.run_id(named[0]), house.run_id(free)]


def test_claims_of_one_name_at_the_same_moment_give_it_to_one(house: House, settings: Settings) -> None:
    runs = [house.launch(server, lock_name="w") for server in ("a", "b")]
    got: list[Claim | None] = []
    start = threading.Barrier(2)

    def work(uuid: str) -> None:
        run_id = house.run_id(uuid)
        start.wait()
        with house.context():
            got.append(DatabasePort().claim(run_id, Carrier(this_process(), settings.host_name, None)))
            db.session.remove()

    house.write(lambda: db.session.execute(update(Run).values(cancel_requested_at=None)))
    threads = [threading.Thread(target=work, args=(uuid,)) for uuid in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [held.run_id for held in got if held is not None] == [house.run_id(runs[0])]
