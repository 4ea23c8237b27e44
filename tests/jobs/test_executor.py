"""One run from claim to end, with the real engine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.audit.models import AuditEntry
from app.core.db import db
from app.inventory.models import Server
from app.inventory.models_kept import ServerFacts, ServerFactValue, ServerLastJob
from app.jobs import log_queries, queries, service, watchdog
from app.jobs.database_port import DatabasePort
from app.jobs.executor import execute_run
from app.jobs.log_models import JobLogLine
from app.jobs.models import Job, Run, ServerLock
from app.jobs.port import Carrier
from app.jobs.status import JobStatus, RunStatus
from app.jobs.workers import this_process
from app.runners.process import census
from config import Settings
from tests.jobs.conftest import House
from tests.support.processes import wait_until

pytestmark = [pytest.mark.database, pytest.mark.usefixtures("app_context")]


def carrier(settings: Settings) -> Carrier:
    return Carrier(this_process(), settings.host_name, None, "task-1")


def carry(house: House, settings: Settings, uuid: str) -> bool:
    return execute_run(DatabasePort(), house.run_id(uuid), carrier(settings))


def lines(house: House, job: Job) -> list[str]:
    def work() -> list[str]:
        rows = db.session.scalars(
            select(JobLogLine).where(JobLogLine.job_id == job.id).order_by(JobLogLine.line_number)
        ).all()
        assert [row.line_number for row in rows] == list(range(1, len(rows) + 1))
        return [row.content for row in rows]

    return house.read(work)


def test_a_launch_on_one_server_ends_green_with_its_whole_log(house: House, settings: Settings) -> None:
    uuid = house.launch("a")
    assert carry(house, settings, uuid)
    job = house.jobs(uuid)["a"]
    assert job.status is JobStatus.SUCCESS, job.error_message
    assert job.log_complete and job.started_at <= job.completed_at
    assert any("hello" in line for line in lines(house, job))
    launch = house.read(lambda: queries.get_launch(house.actor, uuid))
    assert (launch.status, launch.jobs_success, launch.open_runs) == (JobStatus.SUCCESS, 1, 0)
    assert list(settings.spool_root.iterdir()) == []
    assert list(settings.workspace_root.iterdir()) == []


def test_each_server_of_a_serial_play_gets_its_own_true_status(house: House, settings: Settings) -> None:
    house.playbook = """
- hosts: all
  serial: 1
  gather_facts: false
  tasks:
    - ansible.builtin.debug: msg="on {{ inventory_hostname }}"
    - ansible.builtin.command: /bin/false
      when: inventory_hostname == 'b'
"""
    uuid = house.launch("a", "b", "c", "d")
    carry(house, settings, uuid)
    found = {name: (job.status.value, job.failure_code) for name, job in house.jobs(uuid).items()}
    assert found == {
        "a": ("success", None),
        "b": ("failed", "task_failed"),
        "c": ("failed", "not_reached"),
        "d": ("failed", "not_reached"),
    }
    jobs = house.jobs(uuid)
    assert jobs["b"].failed_module and jobs["b"].ticket_due
    first_failure = jobs["b"].first_failure_line
    assert first_failure is not None
    assert any(line.startswith("fatal: [b]") for line in lines(house, jobs["b"])[first_failure - 1 :])
    assert lines(house, jobs["c"]) == []
    launch = house.read(lambda: queries.get_launch(house.actor, uuid))
    assert (launch.status, launch.jobs_success, launch.jobs_failed) == (JobStatus.FAILED, 1, 3)


def test_a_second_delivery_of_a_doorbell_runs_nothing(house: House, settings: Settings, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    house.playbook = f"- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.shell: echo x >> {ledger}\n"
    uuid = house.launch("a")
    assert [carry(house, settings, uuid) for _ in range(5)] == [True, False, False, False, False]
    assert ledger.read_text() == "x\n"


def test_the_lines_of_a_task_are_found_by_its_result(house: House, settings: Settings) -> None:
    house.playbook = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.debug: msg=one
    - ansible.builtin.command: echo two
"""
    uuid = house.launch("a")
    carry(house, settings, uuid)
    job = house.jobs(uuid)["a"]
    tasks = house.read(lambda: list(log_queries.tasks(job)))
    assert [(task["task"] or task["module"], task["status"]) for task in tasks][-1][1] == "changed"
    text = lines(house, job)
    for task in tasks:
        part = text[task["first_line"] - 1 : task["last_line"]]
        assert part and (("one" in "".join(part)) or part[0].startswith("changed"))
    run_log = house.read(
        lambda: "".join(log_queries.launch_text(queries.launch_of(job), queries.runs_of(queries.launch_of(job))))
    )
    assert run_log.index("PLAY [") < run_log.index("one") < run_log.index("PLAY RECAP")


def test_two_runs_on_one_server_do_not_overlap(house: House, settings: Settings) -> None:
    first, second = house.launch("a", "b"), house.launch("b")
    port = DatabasePort()
    claim = port.claim(house.run_id(first), carrier(settings))
    assert claim is not None
    assert port.claim(house.run_id(second), carrier(settings)) is None
    port.release(claim, "test")
    assert port.claim(house.run_id(second), carrier(settings)) is not None


def test_a_cancelled_pending_launch_never_runs_and_leaves_an_audit_entry(house: House, settings: Settings) -> None:
    uuid = house.launch("a")
    run_id = house.run_id(uuid)
    house.write(lambda: service.cancel_launch(house.actor, uuid))
    assert not execute_run(DatabasePort(), run_id, carrier(settings))
    assert house.jobs(uuid)["a"].status is JobStatus.CANCELLED
    events = house.read(lambda: list(db.session.scalars(select(AuditEntry.event).order_by(AuditEntry.seq))))
    assert events == ["launch:create", "launch:cancel", "run:finish"]


def test_a_running_launch_is_cancelled_within_seconds_and_nothing_of_it_lives(
    house: House, settings: Settings, app: Flask
) -> None:
    house.playbook = (
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.shell: trap '' TERM; echo on; sleep 300\n"
    )
    uuid = house.launch("a")
    run_id = house.run_id(uuid)

    def cancel_when_running() -> None:
        with app.app_context():
            wait_until(lambda: house.jobs(uuid)["a"].status is JobStatus.RUNNING, 30, "the job to run")
            house.write(lambda: service.cancel_launch(house.actor, uuid))

    helper = threading.Thread(target=cancel_when_running)
    helper.start()
    execute_run(DatabasePort(), run_id, carrier(settings))
    helper.join()
    job = house.jobs(uuid)["a"]
    assert (job.status, job.failure_code) == (JobStatus.CANCELLED, "cancelled")
    run = house.read(lambda: queries.run_of(job))
    assert census(f"{run.uuid}.{run.attempt}") == set()


def test_a_run_over_its_time_ends_as_timeout(house: House, settings: Settings) -> None:
    house.playbook = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.command: sleep 300\n"
    uuid = house.launch("a", timeout_seconds=5)
    carry(house, settings, uuid)
    job = house.jobs(uuid)["a"]
    assert (job.status, job.failure_code) == (JobStatus.FAILED, "timeout"), job.error_message


def _carry_in_child(settings: Settings, run_id: int, house: House) -> None:
    from app import create_app
    from tests.jobs.conftest import PlaybookText

    app = create_app(settings)
    from app.jobs import kinds

    kinds.register(PlaybookText(house))
    with app.app_context():
        execute_run(DatabasePort(), run_id, carrier(settings))


def test_an_executor_killed_in_the_middle_leaves_a_lost_job_with_a_gapless_log(
    house: House, settings: Settings, app: Flask
) -> None:
    house.playbook = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.debug: msg="line {{ item }}"
      loop: "{{ range(1, 41) | list }}"
    - ansible.builtin.command: sleep 300
"""
    uuid = house.launch("a")
    run_id = house.run_id(uuid)
    child = multiprocessing.get_context("spawn").Process(
        target=_carry_in_child, args=(settings, run_id, replace(house, app=None))
    )
    child.start()
    wait_until(lambda: house.jobs(uuid)["a"].log_lines >= 120, 60, "forty items of three lines")
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    wait_until(lambda: watchdog.reap_this_host() == 1, 30, "the watchdog to reap")
    job = house.jobs(uuid)["a"]
    assert (job.status, job.failure_code, job.log_complete) == (JobStatus.FAILED, "lost", True)
    text = [line for line in lines(house, job) if "line " in line]
    assert len(text) >= 40
    run = house.read(lambda: queries.run_of(job))
    assert census(f"{run.uuid}.{run.attempt}") == set()
    assert house.read(lambda: db.session.scalar(select(func.count()).select_from(ServerLock))) == 0


def test_a_claim_whose_process_died_before_begin_is_given_back(house: House, settings: Settings) -> None:
    uuid = house.launch("a")
    dead = this_process()
    gone = Carrier(type(dead)(dead.pid, dead.start_ticks + 1, dead.boot_id), settings.host_name, None)
    claim = DatabasePort().claim(house.run_id(uuid), gone)
    assert claim is not None
    assert watchdog.reap_this_host() == 1
    run = house.read(lambda: db.session.scalars(select(Run)).one())
    assert (run.status, run.attempt) == (RunStatus.PENDING, 1)
    assert house.read(lambda: db.session.scalar(select(func.count()).select_from(ServerLock))) == 0


def test_facts_of_a_run_are_kept_with_its_lines_and_the_last_job_is_noted(house: House, settings: Settings) -> None:
    house.playbook = "- hosts: all\n  gather_facts: true\n  tasks: []\n"
    uuid = house.launch("a", "b")
    assert carry(house, settings, uuid)
    jobs = house.jobs(uuid)
    assert {job.status for job in jobs.values()} == {JobStatus.SUCCESS}
    kept = house.read(lambda: {row.server_id: row for row in db.session.scalars(select(ServerFacts)).all()})
    assert {row.job_uuid for row in kept.values()} == {job.job_id for job in jobs.values()}
    names = house.read(lambda: db.session.scalars(select(ServerFactValue.name)).all())
    assert names.count("distribution") == names.count("kernel") == 2
    last = house.read(lambda: db.session.scalars(select(ServerLastJob)).all())
    assert {(row.server_id, row.job_uuid, row.status) for row in last} == {
        (house.servers[name], job.job_id, "success") for name, job in jobs.items()
    }
    systems = house.read(lambda: set(db.session.scalars(select(Server.os_type).where(Server.hostname.in_(["a", "b"])))))
    assert systems and "unknown" not in systems
