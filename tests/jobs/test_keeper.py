"""The keeper: one leads, chores run on their time, a lost database is waited for; workers say how they are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.jobs import keeper, watchdog, workers
from app.jobs.database_port import DatabasePort
from app.jobs.keeper import Keeper, add_chore
from app.jobs.leader import Leadership
from app.jobs.models import PlatformFlag, Run, Worker
from app.jobs.port import Carrier
from app.jobs.status import RunStatus, WorkerState
from app.jobs.watchdog import LeaseWatch
from app.jobs.workers import this_process
from config import Settings
from tests.jobs.conftest import House

pytestmark = [pytest.mark.database, pytest.mark.usefixtures("app_context")]


def test_only_one_keeper_leads_and_the_next_takes_over(house: House) -> None:
    first, second = Leadership(), Leadership()
    assert first.hold() and first.hold()
    assert not second.hold()
    first.release()
    assert second.hold()
    second.release()


def test_a_chore_runs_on_its_time_and_its_failure_stops_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "_chores", [])
    done: list[str] = []

    def broken() -> None:
        raise ValueError("on purpose")

    add_chore("broken", 0, broken)
    add_chore("often", 0, lambda: done.append("often"))
    add_chore("seldom", 3600, lambda: done.append("seldom"))
    process = Keeper("here")
    assert process.tick() and process.tick()
    assert done == ["often", "seldom", "often"]
    with unit_of_work(writes=False):
        seen = db.session.get(PlatformFlag, keeper.KEEPER_FLAG)
        assert seen is not None and seen.value == "here"
    process._leadership.release()


def test_a_keeper_without_a_database_waits(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    process = Keeper("here")

    def away(self: Any) -> bool:
        raise OperationalError("SELECT 1", {}, Exception(2003, "away"))

    monkeypatch.setattr(Leadership, "hold", away)
    process._leases.seen = {1: (1, 0.0)}
    assert not process.tick()
    assert process._leases.seen == {}  # silence is counted anew once the database is back


def test_a_run_of_a_silent_host_is_lost_after_the_lease_and_not_before(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    uuid = house.launch("a")
    claim = DatabasePort().claim(house.run_id(uuid), Carrier(this_process(), "another-host", None))
    assert claim is not None
    house.write(lambda: db.session.execute(update(Run).values(status=RunStatus.RUNNING, began_at=database_now())))
    clock = [1000.0]
    monkeypatch.setattr(watchdog.time, "monotonic", lambda: clock[0])
    watch = LeaseWatch()
    assert watch.reap() == 0
    for _ in range(3):
        clock[0] += settings.lease_seconds / 3 - 1
        assert watch.reap() == 0
    house.write(lambda: db.session.execute(update(Run).values(lease_seq=Run.lease_seq + 1)))  # it lives after all
    clock[0] += 2
    assert watch.reap() == 0
    for _ in range(2):
        clock[0] += settings.lease_seconds / 3
        assert watch.reap() == 0
    clock[0] += settings.lease_seconds / 3
    assert watch.reap() == 1
    job = house.jobs(uuid)["a"]
    assert (job.failure_code, job.log_complete) == ("lost", False)


def test_a_silent_worker_is_marked_and_comes_back_with_its_next_sign_of_life(house: House) -> None:
    workers.register("w1@here")
    with unit_of_work():
        db.session.execute(update(Worker).values(last_seen_at=database_now() - timedelta(minutes=5)))
    assert workers.mark_silent_offline() == 1
    workers.beat("w1@here")
    with unit_of_work(writes=False):
        assert db.session.scalars(select(Worker.state)).one() is WorkerState.ONLINE


def test_a_draining_worker_claims_nothing(house: House, settings: Settings) -> None:
    workers.register("w1@here")
    workers.drain("w1@here")
    uuid = house.launch("a")
    assert DatabasePort().claim(house.run_id(uuid), Carrier(this_process(), settings.host_name, "w1@here")) is None
