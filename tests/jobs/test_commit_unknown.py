"""R6: the connection to the database breaks between COMMIT and its answer; what was meant happens exactly once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from app.audit.models import AuditEntry
from app.core.db import db
from app.jobs.database_port import DatabasePort
from app.jobs.executor import execute_run
from app.jobs.log_models import JobLogLine
from app.jobs.models import Job, Run, ServerLock
from app.jobs.port import Carrier
from app.jobs.status import JobStatus, RunStatus
from app.jobs.workers import this_process
from config import Settings
from tests.jobs.conftest import House
from tests.support.databases import TestDatabase
from tests.support.processes import wait_until
from tests.support.tcp_proxy import Commit, TcpProxy

pytestmark = [
    pytest.mark.parametrize("database_kind", ["mariadb", "mysql"], indirect=True),
    pytest.mark.usefixtures("app_context"),
]
outcomes = pytest.mark.parametrize("outcome", list(Commit))
CLAIM = r"UPDATE runs SET .*status='claimed'"
BEGIN = r"UPDATE runs SET .*began_at="
SHIP = r"UPDATE runs SET .*shipped_records="
FINISH = r"UPDATE runs SET .*completed_at="


@pytest.fixture
def proxy(database: TestDatabase) -> Iterator[TcpProxy]:
    assert database.server is not None
    with TcpProxy("127.0.0.1", database.server.port, mysql=True, seed=11) as made:
        yield made


@pytest.fixture
def settings(make_settings: Callable[..., Settings], proxy: TcpProxy, database: TestDatabase) -> Settings:
    return make_settings(database_url=proxy.url(database.app_url))


@pytest.fixture
def ledger(house: House, tmp_path: Path) -> Path:
    """The file that the playbook's first task adds a line to; it then prints thirty items."""
    path = tmp_path / "ledger"
    house.playbook = f"""
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.shell: echo begun >> {path}
    - ansible.builtin.debug: msg="number {{{{ item }}}}"
      loop: "{{{{ range(1, 31) | list }}}}"
"""
    return path


def carry(house: House, settings: Settings, uuid: str) -> bool:
    carrier = Carrier(this_process(), settings.host_name, None, "task-1")
    return execute_run(DatabasePort(), house.run_id(uuid), carrier)


def ended_once(house: House, uuid: str, ledger: Path) -> Job:
    """The launch's only job, after everything that must be so was looked at."""
    job = house.jobs(uuid)["a"]
    assert (job.status, job.failure_code, job.log_complete) == (JobStatus.SUCCESS, None, True), job.error_message
    assert ledger.read_text() == "begun\n"

    def look() -> tuple[Run, list[JobLogLine], list[str], Any]:
        run = db.session.scalars(select(Run).where(Run.id == job.run_id)).one()
        lines = db.session.scalars(select(JobLogLine).order_by(JobLogLine.line_number)).all()
        events = db.session.scalars(select(AuditEntry.event).order_by(AuditEntry.seq)).all()
        return run, list(lines), list(events), db.session.scalar(select(func.count()).select_from(ServerLock))

    run, lines, events, held = house.read(look)
    assert (run.status, run.attempt) == (RunStatus.SUCCESS, 1)
    assert [line.line_number for line in lines] == list(range(1, len(lines) + 1))
    text = "\n".join(line.content for line in lines)
    assert [text.count(f'"number {number}"') for number in range(1, 31)] == [1] * 30
    assert events == ["launch:create", "run:finish"]
    assert held == 0
    return job


@outcomes
@pytest.mark.parametrize("statement", [CLAIM, BEGIN, SHIP, FINISH], ids=["claim", "begin", "ship", "finish"])
def test_a_lost_answer_of_the_engines_step_changes_nothing(
    house: House, settings: Settings, proxy: TcpProxy, ledger: Path, statement: str, outcome: Commit
) -> None:
    uuid = house.launch("a")
    fault = proxy.lose_commit(statement, outcome)
    assert carry(house, settings, uuid)
    fault.wait(1)
    ended_once(house, uuid, ledger)
    assert list(settings.spool_root.iterdir()) == []


@pytest.mark.parametrize("statement", [CLAIM, BEGIN, FINISH], ids=["claim", "begin", "finish"])
def test_a_lost_answer_and_a_database_that_stays_away_for_seconds_are_waited_for(
    house: House, settings: Settings, proxy: TcpProxy, ledger: Path, statement: str
) -> None:
    uuid = house.launch("a")
    fault = proxy.lose_commit(statement, Commit.KEPT)

    def outage() -> None:
        fault.wait(60)
        proxy.cut()
        stopped.wait(4)
        proxy.restore()

    stopped = threading.Event()  # never set: a pause
    thread = threading.Thread(target=outage)
    thread.start()
    assert carry(house, settings, uuid)
    thread.join()
    ended_once(house, uuid, ledger)


def test_every_third_commit_without_an_answer_still_ends_each_launch_once(
    house: House, settings: Settings, proxy: TcpProxy, ledger: Path
) -> None:
    uuid = house.launch("a")
    proxy.lose_commits(0.3)
    assert carry(house, settings, uuid)
    proxy.lose_commits(0)
    assert sum(proxy.commits_lost.values()) >= 2
    ended_once(house, uuid, ledger)


def test_a_claim_without_an_answer_is_the_claimers_and_nobody_elses(
    house: House, settings: Settings, proxy: TcpProxy
) -> None:
    uuid = house.launch("a")
    mine, other = (Carrier(this_process(), settings.host_name, None) for _ in range(2))
    port, run_id = DatabasePort(), house.run_id(uuid)
    claim = port.claim(run_id, mine)
    assert claim is not None
    assert port.claim(run_id, mine) == claim
    assert port.claim(run_id, other) is None
    port.release(claim, "test")
    wait_until(lambda: port.claim(run_id, mine), 20, "the pause after a claim that was given back")
    assert port.begin is not None and house.read(lambda: db.session.scalar(select(Run.attempt))) == 2
