"""Locks on servers: all or none, shared or exclusive, fair, explained."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from app.core.db import db
from app.core.db_time import database_now
from app.jobs import dispatch, locks
from app.jobs.database_port import DatabasePort
from app.jobs.models import Launch, PlatformFlag, Run, Worker
from app.jobs.port import Carrier, Claim
from app.jobs.status import LockMode, WorkerState
from app.jobs.waiting import waiting_because
from app.jobs.workers import this_process
from config import Settings
from tests.jobs.conftest import House

pytestmark = [pytest.mark.database, pytest.mark.usefixtures("app_context")]


def claim(house: House, settings: Settings, uuid: str) -> Claim | None:
    return DatabasePort().claim(house.run_id(uuid), Carrier(this_process(), settings.host_name, None))


def why(house: House, uuid: str) -> str | None:
    run_id = house.run_id(uuid)
    return house.read(lambda: waiting_because(db.session.scalars(select(Run).where(Run.id == run_id)).one()))


def online(house: House, slots: int = 4) -> None:
    def work() -> None:
        now = database_now()
        db.session.add(
            Worker(
                name="w1",
                host_name="h",
                boot_id="b",
                pid=1,
                pid_start=1,
                version="0",
                protocol=1,
                concurrency=slots,
                state=WorkerState.ONLINE,
                started_at=now,
                last_seen_at=now,
            )
        )

    house.write(work)


def age(house: House, uuid: str, seconds: int) -> None:
    run_id = house.run_id(uuid)
    house.write(
        lambda: db.session.execute(
            update(Run).where(Run.id == run_id).values(created_at=database_now() - timedelta(seconds=seconds))
        )
    )


def test_shared_runs_overlap_and_keep_an_exclusive_one_waiting(house: House, settings: Settings) -> None:
    shared = [house.launch("a", lock_mode=LockMode.SHARED) for _ in range(2)]
    exclusive = house.launch("a")
    claims = [claim(house, settings, uuid) for uuid in shared]
    assert all(claims)
    assert claim(house, settings, exclusive) is None
    for held in claims:
        assert held is not None
        DatabasePort().release(held, "test")
    assert claim(house, settings, exclusive) is not None


def test_a_run_takes_all_of_its_servers_or_none(house: House, settings: Settings) -> None:
    first, fleet = house.launch("b"), house.launch("a", "b", "c")
    held = claim(house, settings, first)
    assert held is not None and claim(house, settings, fleet) is None
    other = house.launch("a")
    assert claim(house, settings, other) is not None  # the fleet took nothing, so "a" is free


def test_a_young_fleet_launch_is_overtaken_and_an_old_one_is_not(house: House, settings: Settings) -> None:
    first, fleet, small = house.launch("b"), house.launch("a", "b"), house.launch("a")
    assert claim(house, settings, first) is not None
    age(house, fleet, settings.lock_ageing_seconds + 1)
    assert claim(house, settings, small) is None
    age(house, fleet, 0)
    assert claim(house, settings, small) is not None


def test_waiting_says_who_is_in_the_way(house: House, settings: Settings) -> None:
    first, second = house.launch("a"), house.launch("a")
    assert "No worker is online" in (why(house, second) or "")
    online(house, slots=2)
    assert claim(house, settings, first) is not None
    number = house.read(lambda: db.session.scalars(select(Launch.id).where(Launch.uuid == first)).one())
    assert why(house, second) == f"a is in use by launch #{number} (Test playbook)."
    assert why(house, first) == "A worker has taken it and prepares it."


def test_waiting_says_that_all_places_are_taken(house: House, settings: Settings) -> None:
    online(house, slots=1)
    first, second, third = house.launch("a"), house.launch("b"), house.launch("c")
    assert claim(house, settings, first) is not None
    assert why(house, third) == "All 1 places of the workers are taken; 1 run ahead of it."
    assert why(house, second) == "All 1 places of the workers are taken; 0 runs ahead of it."


def test_waiting_says_that_the_only_worker_has_no_disk_left(house: House) -> None:
    uuid = house.launch("a")
    online(house)
    house.write(lambda: db.session.execute(update(Worker).values(message="takes nothing: only 3 MiB of disk are free")))
    assert why(house, uuid) == (
        "No worker that is online takes anything; w1 takes nothing: only 3 MiB of disk are free."
    )


def test_waiting_says_that_redis_takes_no_doorbells_while_that_is_so(house: House) -> None:
    uuid = house.launch("a")
    online(house)
    assert why(house, uuid) == "It is about to start."
    house.write(lambda: db.session.execute(update(Run).values(dispatched_at=None)))
    assert dispatch.sweep() == 0  # nobody listens where these tests' Redis should be
    assert (why(house, uuid) or "").startswith("Redis takes no messages")
    old = database_now() - timedelta(seconds=60)
    house.write(lambda: db.session.execute(update(PlatformFlag).values(set_at=old)))
    assert why(house, uuid) == "It is about to start."


def test_a_paused_dispatch_claims_and_rings_nothing_and_says_so(house: House, settings: Settings) -> None:
    uuid = house.launch("a")
    online(house)
    house.write(lambda: db.session.add(PlatformFlag(name="dispatch_paused", value="restore", set_at=database_now())))
    assert claim(house, settings, uuid) is None
    assert dispatch.sweep() == 0
    assert (why(house, uuid) or "").startswith("Dispatch is paused: restore.")


def test_a_lost_doorbell_is_rung_again_only_for_runs_that_could_start(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[int] = []
    monkeypatch.setattr("app.core.queue.ring", lambda run_id, _to: bool(rung.append(run_id)) or True)
    first, blocked, free = house.launch("a"), house.launch("a"), house.launch("b")
    rung.clear()
    online(house)
    assert claim(house, settings, first) is not None
    assert dispatch.sweep() == 0  # the web rang a moment ago
    house.write(lambda: db.session.execute(update(Run).values(dispatched_at=None)))
    assert dispatch.sweep() == 1
    assert rung == [house.run_id(free)]
    assert house.run_id(blocked) not in rung


def test_many_that_wait_for_one_server_hide_nobody_from_the_sweep(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[int] = []
    monkeypatch.setattr("app.core.queue.ring", lambda run_id, _to: bool(rung.append(run_id)) or True)
    monkeypatch.setattr(dispatch, "SWEEP_LIMIT", 2)
    holder, blocked = house.launch("a"), [house.launch("a") for _ in range(3)]
    house.launch("a", lock_mode=LockMode.SHARED)
    free = house.launch("b")
    online(house)
    held = claim(house, settings, holder)
    assert held is not None
    house.write(lambda: db.session.execute(update(Run).values(dispatched_at=None)))
    rung.clear()
    assert dispatch.sweep() == 1
    assert rung == [house.run_id(free)]
    holding = house.run_id(holder)
    freed = house.write(lambda: locks.release(db.session.get_one(Run, holding)))
    assert list(freed) == [house.run_id(blocked[0])]  # one for the server, however many wait; the sweep finds the next
    house.write(lambda: db.session.execute(update(Run).values(dispatched_at=None)))
    rung.clear()
    assert dispatch.sweep() == 2
    assert rung == [house.run_id(uuid) for uuid in blocked[:2]]


@pytest.mark.parametrize("mode", list(LockMode))
def test_all_whose_doorbell_found_a_server_held_are_rung_by_the_first_sweep_after_its_end(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch, mode: LockMode
) -> None:
    rung: list[int] = []
    monkeypatch.setattr("app.core.queue.ring", lambda run_id, _to: bool(rung.append(run_id)) or True)
    holder, waiting = house.launch("a"), [house.launch("a", lock_mode=mode) for _ in range(3)]
    online(house)
    held = claim(house, settings, holder)
    assert held is not None
    assert [claim(house, settings, uuid) for uuid in waiting] == [None] * 3  # a moment after their doorbells
    rung.clear()
    assert dispatch.sweep() == 0
    holding = house.run_id(holder)
    house.write(lambda: locks.release(db.session.get_one(Run, holding)))
    assert dispatch.sweep() == 3  # as many as there are places; who finds it taken again waits for the next end
    assert rung == [house.run_id(uuid) for uuid in waiting]
    first, *others = [claim(house, settings, uuid) for uuid in waiting]
    assert first is not None
    assert all(others) if mode is LockMode.SHARED else not any(others)


def test_a_run_that_cannot_be_started_five_times_ends_as_failed(house: House, settings: Settings) -> None:
    uuid = house.launch("a")
    for _ in range(5):
        house.write(lambda: db.session.execute(update(Run).values(not_before=None)))
        held = claim(house, settings, uuid)
        assert held is not None
        DatabasePort().release(held, "no inventory today")
    job = house.jobs(uuid)["a"]
    assert (job.status.value, job.failure_code) == ("failed", "poison")
    assert "no inventory today" in (job.error_message or "")
