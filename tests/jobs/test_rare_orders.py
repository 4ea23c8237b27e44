"""Orders of events that the simulation found (``python -m simulation``), each held by a small test of its own."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from app.core.db import db
from app.core.db_time import database_now
from app.jobs import dispatch, service, tasks, watchdog, workers
from app.jobs.database_port import DatabasePort
from app.jobs.executor import HOSTS_NAME
from app.jobs.kinds import PreparedRun
from app.jobs.models import Run, ServerLock
from app.jobs.port import Carrier
from app.jobs.status import JobStatus, RunStatus
from app.jobs.watchdog import LeaseWatch
from app.jobs.workers import this_process
from app.runners.base import RunSpec
from app.runners.process import ProcessIdentity
from config import Settings
from tests.jobs.conftest import House
from tests.jobs.test_locks import claim, online
from tests.jobs.test_log_sink import line, write

pytestmark = [pytest.mark.database, pytest.mark.usefixtures("app_context")]


def test_a_run_cancelled_between_claim_and_begin_ends_when_it_is_given_back(house: House, settings: Settings) -> None:
    uuid = house.launch("a", "b")
    held = claim(house, settings, uuid)
    assert held is not None
    house.write(lambda: service.cancel_launch(house.actor, uuid))
    assert {job.status for job in house.jobs(uuid).values()} == {JobStatus.PENDING}
    DatabasePort().release(held, "the worker died")
    assert {job.status for job in house.jobs(uuid).values()} == {JobStatus.CANCELLED}
    assert house.read(lambda: db.session.scalars(select(ServerLock)).all()) == []


def test_asking_twice_for_the_end_of_a_claimed_run_keeps_the_first_moment(house: House, settings: Settings) -> None:
    uuid = house.launch("a")
    assert claim(house, settings, uuid) is not None
    moments = []
    for _ in range(2):
        house.write(lambda: service.cancel_launch(house.actor, uuid))
        moments.append(house.read(lambda: db.session.scalars(select(Run.cancel_requested_at)).one()))
    assert moments[0] is not None and moments[0] == moments[1]


def test_a_clock_that_is_set_back_holds_up_neither_doorbell_nor_next_attempt(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.core.queue.ring", lambda _run_id, _to: True)
    uuid = house.launch("a")
    online(house)
    later = timedelta(hours=2)
    house.write(
        lambda: db.session.execute(
            update(Run).values(dispatched_at=database_now() + later, not_before=database_now() + later)
        )
    )
    assert dispatch.sweep() == 1
    assert claim(house, settings, uuid) is not None


def test_a_keeper_that_did_not_look_for_half_a_lease_counts_anew(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    uuid = house.launch("a")
    assert DatabasePort().claim(house.run_id(uuid), Carrier(this_process(), "another-host", None)) is not None
    house.write(lambda: db.session.execute(update(Run).values(status=RunStatus.RUNNING, began_at=database_now())))
    clock = [1000.0]
    monkeypatch.setattr(watchdog.time, "monotonic", lambda: clock[0])
    watch = LeaseWatch()
    assert watch.reap() == 0
    clock[0] += settings.lease_seconds + 1  # it slept, and so did the database, for all that it knows
    assert watch.reap() == 0
    assert house.jobs(uuid)["a"].status is JobStatus.PENDING


def test_a_run_that_begins_and_dies_while_the_watchdog_is_busy_keeps_its_lines(
    house: House, settings: Settings, spool_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uuid = house.launch("a")
    held = claim(house, settings, uuid)
    assert held is not None
    hosts = {name: job.id for name, job in house.jobs(uuid).items()}
    folder = spool_root / f"{held.run_uuid}.{held.attempt}"

    def begins_and_dies(_executor: ProcessIdentity) -> bool:
        if not folder.exists():  # after the watchdog read that it was claimed
            assert DatabasePort().begin(held, PreparedRun(RunSpec(held.run_uuid, 1, "ansible", 60, {}), hosts))
            write(folder, [line("a", f"line {number}") for number in range(1, 21)])
            (folder / HOSTS_NAME).write_text(json.dumps(hosts), encoding="utf-8")
        return False

    monkeypatch.setattr(watchdog, "is_alive", begins_and_dies)
    assert watchdog.reap_this_host() == 0  # what it knew is no longer true
    assert watchdog.reap_this_host() == 1
    job = house.jobs(uuid)["a"]
    assert (job.status, job.failure_code, job.log_lines, job.log_complete) == (JobStatus.FAILED, "lost", 20, True)
    assert not folder.exists()


class _Over(Exception):
    pass


def test_a_worker_that_starts_while_the_database_is_away_announces_itself_later(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def register(name: str, _served: object, _has: object) -> None:
        tried.append(name)
        if len(tried) < 3:
            raise OSError("no database yet")

    def sleep(_seconds: float) -> None:
        rounds.append(1)
        assert len(rounds) < 100, "it never came to announce itself"
        if len(tried) >= 3 and sleeps.append(1) is None and len(sleeps) > 2:
            raise _Over

    sleeps: list[int] = []
    rounds: list[int] = []
    monkeypatch.setattr(workers, "register", register)
    monkeypatch.setattr(workers, "beat", lambda _name: None)
    monkeypatch.setattr(tasks.lost_begins, "report_here", lambda: None)
    monkeypatch.setattr(tasks.lost_begins, "report_if_wanted", lambda: None)
    monkeypatch.setattr(watchdog, "reap_this_host", lambda: 0)
    monkeypatch.setattr(tasks.celery_app, "flask_app", app, raising=False)
    monkeypatch.setattr(tasks.time, "sleep", sleep)
    with pytest.raises(_Over):
        tasks.WorkerLife("w1@here").run()
    assert tried == ["w1@here"] * 3
