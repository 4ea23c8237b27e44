"""The journal of begun runs: on the disk before an engine starts, and asked before one starts again."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from app.core.db import db
from app.core.table import new_uuid
from app.jobs import journal
from app.jobs.database_port import DatabasePort
from app.jobs.executor import execute_run
from app.jobs.models import Job, Launch, Run, ServerLock
from app.jobs.port import Carrier
from app.jobs.status import JobStatus, RunStatus
from app.jobs.workers import this_process
from app.runners.launcher import PreparedRun
from config import Settings
from tests.jobs.conftest import House

pytestmark = pytest.mark.usefixtures("app_context")


def carry(house: House, settings: Settings, uuid: str) -> bool:
    return execute_run(DatabasePort(), house.run_id(uuid), Carrier(this_process(), settings.host_name, None))


def forget_begin(house: House) -> None:
    """What a restore to the moment before the begin does."""

    def work() -> None:
        quiet = {"synchronize_session": False}
        db.session.execute(
            update(Run).values(status=RunStatus.PENDING, attempt=0, began_at=None), execution_options=quiet
        )
        db.session.execute(update(Job).values(status=JobStatus.PENDING), execution_options=quiet)
        db.session.execute(update(Launch).values(status=JobStatus.PENDING), execution_options=quiet)
        db.session.query(ServerLock).delete()

    house.write(work)


@pytest.mark.database
def test_a_run_is_in_the_journal_before_its_engine_starts(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[list[str]] = []
    real = PreparedRun.start
    monkeypatch.setattr(
        PreparedRun, "start", lambda self: (found.append([e.run_uuid for e in journal.entries()]), real(self))[1]
    )
    uuid = house.launch("a", "b")
    assert carry(house, settings, uuid)
    (entry,) = journal.entries()
    assert found == [[entry.run_uuid]]
    assert (entry.attempt, entry.launch_uuid, entry.host_name) == (1, uuid, settings.host_name)
    assert sorted(entry.servers) == ["a", "b"]
    assert journal.has(entry.run_uuid) and not journal.has(new_uuid())
    assert all(path.stat().st_mode & 0o077 == 0 for path in [journal.folder(), *journal.folder().iterdir()])


@pytest.mark.database
def test_a_run_whose_begin_the_database_lost_is_not_run_again_by_its_worker(
    house: House, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: object) -> None:
        raise KeyboardInterrupt

    uuid = house.launch("a")
    with monkeypatch.context() as patch:  # begun, in the journal, and then the power goes
        patch.setattr(PreparedRun, "start", killed)
        with pytest.raises(KeyboardInterrupt):
            carry(house, settings, uuid)
    forget_begin(house)
    task = f"ansible.builtin.file: path={tmp_path}/again state=touch"
    house.playbook = f"- hosts: all\n  gather_facts: false\n  tasks:\n    - {task}\n"
    assert carry(house, settings, uuid)
    job = house.jobs(uuid)["a"]
    assert (job.status, job.failure_code, job.log_complete) == (JobStatus.FAILED, "lost", False)
    assert "not run again" in (job.error_message or "")
    assert not (tmp_path / "again").exists()
    assert house.read(lambda: db.session.query(ServerLock).count()) == 0


@pytest.mark.database
def test_nothing_starts_when_the_journal_cannot_be_written(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal, "_write", full)
    uuid = house.launch("a")
    assert carry(house, settings, uuid)
    job = house.jobs(uuid)["a"]
    assert (job.status, job.failure_code) == (JobStatus.FAILED, "disk_full")
    assert "Nothing was started" in (job.error_message or "")


def test_a_torn_line_swallows_neither_its_neighbour_nor_the_file(settings: Settings) -> None:
    first, second = new_uuid(), new_uuid()
    journal.note(first, 1, new_uuid(), ["a"])
    with (journal.folder() / journal.NAME).open("ab") as file:
        file.write(b'{"run":"torn by a power c')
    journal.note(second, 1, new_uuid(), [])
    assert [entry.run_uuid for entry in journal.entries()] == [first, second]
    assert journal.has(second)


def test_the_journal_is_bounded_and_keeps_the_newer_half(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MOST_BYTES", 2_000)
    uuids = [new_uuid() for _ in range(40)]
    for uuid in uuids:
        journal.note(uuid, 1, new_uuid(), ["server"])
    kept = [entry.run_uuid for entry in journal.entries()]
    assert kept == uuids[-len(kept) :] and len(kept) >= 8
    assert all(journal.has(uuid) for uuid in kept) and not journal.has(uuids[0])
    assert sum(path.stat().st_size for path in journal.folder().iterdir()) <= 4_500


@pytest.mark.parametrize("text", [b"not a journal\n", b'{"run": 1}\n', b"\xff\xfe\n"])
def test_a_file_that_is_no_journal_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(text)
    with pytest.raises(ValueError, match="not a journal"):
        journal.read_file(path)


@given(st.binary(max_size=200))
def test_whatever_stands_in_a_line_reading_ends_in_entries_or_a_refusal(line: bytes) -> None:
    assert journal._parsed(line) is None or line.strip().startswith(b"{")


def test_a_link_in_the_place_of_the_journal_is_not_followed(settings: Settings, tmp_path: Path) -> None:
    journal.folder().mkdir(parents=True, mode=0o700)
    victim = tmp_path / "victim"
    victim.write_text("mine")
    os.symlink(victim, journal.folder() / journal.NAME)
    with pytest.raises(OSError):
        journal.note(new_uuid(), 1, new_uuid(), [])
    assert victim.read_text() == "mine"
