"""R9: a worker that is cut off stops its run before it is given up, and its late word changes nothing."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.process import BaseProcess
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select, text

from app.audit.models import AuditEntry
from app.core.db import IDLE_CONNECTION_SECONDS, db, unit_of_work
from app.jobs import self_fence
from app.jobs.models import Run
from app.jobs.self_fence import SelfFence
from app.jobs.status import JobStatus, RunStatus
from app.jobs.watchdog import LeaseWatch
from app.runners.process import census
from config import Settings
from tests.jobs.conftest import House
from tests.jobs.test_executor import _carry_in_child
from tests.support.databases import TestDatabase
from tests.support.processes import wait_until
from tests.support.tcp_proxy import TcpProxy

FENCE, LEASE = 6, 26
servers = pytest.mark.parametrize("database_kind", ["mariadb", "mysql"], indirect=True)
# Prints for minutes: lines that come after the cut are in the spool only.
CHATTY = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.debug: msg="{{ item }}"
      loop: "{{ range(1, 3000) | list }}"
"""


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(lease_seconds=LEASE)


@pytest.fixture
def proxy(database: TestDatabase) -> Iterator[TcpProxy]:
    assert database.server is not None
    with TcpProxy("127.0.0.1", database.server.port) as made:
        yield made


@pytest.fixture
def elsewhere(
    house: House, make_settings: Callable[..., Settings], proxy: TcpProxy, database: TestDatabase, tmp_path: Any
) -> Iterator[Callable[[str], BaseProcess]]:
    """Carry a launch in a process that stands for another host and reaches the database through the proxy."""
    far = make_settings(
        database_url=proxy.url(database.app_url),
        data_dir=tmp_path / "far",
        host_name="far-host",
        lease_seconds=LEASE,
        self_fence_seconds=FENCE,
    )
    started: list[BaseProcess] = []

    def carry(uuid: str) -> BaseProcess:
        child = multiprocessing.get_context("spawn").Process(
            target=_carry_in_child, args=(far, house.run_id(uuid), replace(house, app=None))
        )
        child.start()
        started.append(child)
        wait_until(lambda: house.jobs(uuid)["a"].log_lines >= 3, 150, "the first lines")
        return child

    yield carry
    for child in started:
        child.kill()
        child.join()


def the_run(house: House) -> Run:
    return house.read(lambda: db.session.scalars(select(Run)).one())  # type: ignore[no-any-return]


def late_results(house: House) -> list[AuditEntry]:
    statement = select(AuditEntry).where(AuditEntry.event == "run:late_result")
    return house.read(lambda: list(db.session.scalars(statement)))  # type: ignore[no-any-return]


def hang_up(database: TestDatabase, proxy: TcpProxy) -> None:
    """End the server's side of what the proxy holds, as wait_timeout does after two minutes: else it holds locks."""
    ports = proxy.server_ports()
    assert database.server is not None
    connection = database.server.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW PROCESSLIST")
            for process_id, _user, host, *_rest in cursor.fetchall():
                if str(host).rpartition(":")[2] in {str(port) for port in ports}:
                    cursor.execute(f"KILL {process_id}")
    finally:
        connection.close()


# Half a minute each: either fault on one of the servers.
@pytest.mark.parametrize(
    ("database_kind", "fault"), [("mariadb", "cut"), ("mysql", "freeze")], indirect=["database_kind"]
)
def test_r9_a_worker_cut_off_stops_before_the_lease_ends_and_its_late_result_is_an_entry(
    house: House,
    elsewhere: Callable[[str], BaseProcess],
    proxy: TcpProxy,
    database: TestDatabase,
    fault: str,
    app_context: object,
) -> None:
    house.playbook = CHATTY
    uuid = house.launch("a")
    child = elsewhere(uuid)
    run = the_run(house)
    marker = f"{run.uuid}.{run.attempt}"
    keeper = LeaseWatch()
    getattr(proxy, fault)()
    began, stopped_after, lost_after = time.monotonic(), 0.0, 0.0
    while not lost_after and time.monotonic() - began < LEASE + 20:
        if not stopped_after and not census(marker):
            stopped_after = time.monotonic() - began
            hang_up(database, proxy)
        if keeper.reap():
            lost_after = time.monotonic() - began
        time.sleep(0.2)
    assert FENCE - 2 <= stopped_after <= FENCE + 12
    assert stopped_after < lost_after and lost_after >= LEASE - 2
    job = house.jobs(uuid)["a"]
    assert (job.status, job.failure_code, job.log_complete) == (JobStatus.FAILED, "lost", False)
    assert late_results(house) == []
    stored = the_run(house)
    proxy.restore()
    child.join(90)
    assert child.exitcode == 0
    entries = late_results(house)
    assert [entry.outcome for entry in entries] == ["refused"]
    details = entries[0].details
    assert (details["attempt"], details["host"], details["failure_code"]) == (1, "far-host", "lost")
    assert details["stopped_by"] == "cut_off" and details["records_not_stored"] >= 1
    after = the_run(house)
    assert (after.status, after.message, after.shipped_records) == (
        RunStatus.FAILED,
        stored.message,
        stored.shipped_records,
    )


@servers
def test_a_worker_back_before_the_lease_ends_says_itself_that_it_stopped_the_run(
    house: House, elsewhere: Callable[[str], BaseProcess], proxy: TcpProxy, app_context: object
) -> None:
    house.playbook = CHATTY
    uuid = house.launch("a")
    child = elsewhere(uuid)
    run = the_run(house)
    proxy.cut()
    wait_until(lambda: not census(f"{run.uuid}.{run.attempt}"), FENCE + 12, "the end of the run's processes")
    proxy.restore()
    child.join(60)
    job = house.jobs(uuid)["a"]
    assert (job.status, job.failure_code, job.log_complete) == (JobStatus.FAILED, "lost", True)
    assert "cut off from the database and stopped the run by itself" in (job.error_message or "")
    assert late_results(house) == []


@servers
def test_a_connection_whose_other_end_vanished_holds_its_locks_for_two_minutes_at_most(app_context: object) -> None:
    with unit_of_work(writes=False):
        told = db.session.execute(text("SHOW SESSION VARIABLES LIKE 'wait_timeout'")).one()
    assert int(told[1]) == IDLE_CONNECTION_SECONDS <= 120


def test_a_fence_that_is_off_watches_nothing() -> None:
    before = threading.active_count()
    with SelfFence(0, self_fence.lease_clock() - 1000, lambda: pytest.fail("stopped")):
        assert threading.active_count() == before


def test_a_machine_that_slept_through_its_lease_stops_as_soon_as_it_wakes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [5000.0]
    monkeypatch.setattr(self_fence, "lease_clock", lambda: clock[0])
    monkeypatch.setattr(self_fence, "CHECK_SECONDS", 0.02)
    stopped = threading.Event()
    with SelfFence(240, clock[0], stopped.set) as fence:
        clock[0] += 200
        fence.renewed(clock[0])
        clock[0] += 200
        assert not stopped.wait(0.2)
        clock[0] += 3600
        assert stopped.wait(10)


@pytest.mark.parametrize(
    ("fence", "lease", "good"), [(0, 10, True), (240, 300, True), (281, 300, False), (400, 300, False)]
)
def test_a_start_is_refused_when_the_fence_is_not_well_below_the_lease(
    make_settings: Callable[..., Settings], fence: int, lease: int, good: bool
) -> None:
    if good:
        assert make_settings(self_fence_seconds=fence, lease_seconds=lease)
        return
    with pytest.raises(ValidationError, match="MILLWRIGHT_SELF_FENCE_SECONDS must be"):
        make_settings(self_fence_seconds=fence, lease_seconds=lease)
