"""Journals against a restored database: hosts report, and dispatch goes on when all were heard."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from app.audit.models import AuditEntry
from app.core.clock import iso, utc_now
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.jobs import journal, lost_begins, workers
from app.jobs.database_port import PAUSED_FLAG
from app.jobs.models import PlatformFlag, Run, Worker
from app.jobs.models_operations import JournalReport, LostBegin
from app.jobs.status import JobStatus, RunStatus
from app.operations.errors import OperationStopped
from app.operations.resume import resume
from config import Settings
from tests.jobs.conftest import House

pytestmark = [pytest.mark.database, pytest.mark.usefixtures("app_context")]


def began(house: House, *names: str) -> tuple[str, str]:
    """A launch that waits in the database and was begun by the journal; its UUID and its run's."""
    launch = house.launch(*names)
    number = house.run_id(launch)
    run = str(house.read(lambda: db.session.scalar(select(Run.uuid).where(Run.id == number))))
    journal.note(run, 1, launch, list(names))
    return launch, run


def restored() -> None:
    with unit_of_work() as session:
        now = utc_now() - timedelta(seconds=1)
        session.add(PlatformFlag(name=PAUSED_FLAG, value="restored", set_at=now))
        session.add(PlatformFlag(name=lost_begins.RESTORED_FLAG, value=iso(now) or "", set_at=now))


def flags() -> set[str]:
    with unit_of_work(writes=False) as session:
        return set(session.scalars(select(PlatformFlag.name)))


def said_by(act: Callable[[Callable[[str], None]], None]) -> str:
    lines: list[str] = []
    act(lines.append)
    return "\n".join(lines)


def test_a_worker_that_finds_lost_begins_pauses_dispatch_and_reports_them(house: House) -> None:
    _launch, run = began(house, "a")
    journal.note("00000000-0000-4000-8000-000000000000", 1, "-", [])
    lost_begins.report_here()
    assert flags() == {PAUSED_FLAG, lost_begins.RESTORED_FLAG}
    assert [row.run_uuid for row in lost_begins.reported()] == [run]
    with unit_of_work(writes=False) as session:
        report = session.scalars(select(JournalReport)).one()
        assert (report.entries, report.unknown) == (2, 1)
    assert not lost_begins.report_if_wanted()


def test_a_worker_whose_journal_agrees_reports_and_pauses_nothing(house: House) -> None:
    _launch, run = began(house, "a")
    house.write(lambda: db.session.execute(update(Run).where(Run.uuid == run).values(status=RunStatus.RUNNING)))
    lost_begins.report_here()
    assert flags() == set()
    assert lost_begins.reported() == []


def test_a_worker_that_lives_on_reports_again_after_a_restore(house: House) -> None:
    lost_begins.report_here()
    restored()
    with unit_of_work() as session:
        session.execute(update(JournalReport).values(reported_at=utc_now() - timedelta(hours=1)))
    assert lost_begins.report_if_wanted()
    assert not lost_begins.report_if_wanted()


def test_resuming_ends_what_began_names_it_and_leaves_the_rest_waiting(house: House, settings: Settings) -> None:
    launch, run = began(house, "a", "b")
    other = house.launch("c")
    restored()
    assert run in said_by(lambda say: resume([], [], dry_run=True, say=say))
    assert flags() == {PAUSED_FLAG, lost_begins.RESTORED_FLAG}
    said = said_by(lambda say: resume([], [], dry_run=False, say=say))
    assert "Test playbook (2 jobs)" in said and "servers a, b" in said and "1 runs ended as lost" in said
    assert {job.failure_code for job in house.jobs(launch).values()} == {"lost"}
    assert house.jobs(other)["c"].status is JobStatus.PENDING
    assert flags() == set()
    with system_scope("test"), unit_of_work(writes=False) as session:
        entries = {row.event: row.details for row in session.scalars(select(AuditEntry))}
    assert entries["dispatch:resume"]["lost"] == 1
    assert entries["run:finish"]["failure_code"] == "lost"


def test_a_host_that_was_not_heard_stops_the_resume_until_its_journal_is_brought(
    house: House, settings: Settings, tmp_path: Path
) -> None:
    workers.register("w1@elsewhere")
    with unit_of_work() as session:
        session.execute(update(Worker).values(host_name="elsewhere"))
    restored()
    launch, run = began(house, "a")
    with pytest.raises(OperationStopped, match="elsewhere was not seen"):
        resume([], [], dry_run=False, say=lambda _text: None)
    assert house.jobs(launch)["a"].status is JobStatus.PENDING

    brought = tmp_path / "began.jsonl"
    text = (journal.folder() / journal.NAME).read_text()
    brought.write_text(text.replace(f'"host":"{settings.host_name}"', '"host":"elsewhere"'))
    (journal.folder() / journal.NAME).unlink()
    said = said_by(lambda say: resume([brought], [], dry_run=False, say=say))
    assert run in said and "on elsewhere" in said
    assert house.jobs(launch)["a"].failure_code == "lost"


def test_a_machine_that_is_gone_is_gone_without_by_name_and_the_log_says_so(house: House) -> None:
    workers.register("w1@elsewhere")
    with unit_of_work() as session:
        session.execute(update(Worker).values(host_name="elsewhere"))
    restored()
    resume([], ["elsewhere"], dry_run=False, say=lambda _text: None)
    assert flags() == set()
    with system_scope("test"), unit_of_work(writes=False) as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.event == "dispatch:resume")).one()
    assert entry.details["without"] == ["elsewhere"]


def test_what_another_host_reported_is_ended_by_whoever_resumes(house: House) -> None:
    launch, run = began(house, "a")
    (journal.folder() / journal.NAME).unlink()  # it is the other machine's
    restored()
    with unit_of_work() as session:
        session.add(LostBegin(run_uuid=run, host_name="elsewhere", began_at=utc_now()))
    assert run in said_by(lambda say: resume([], [], dry_run=False, say=say))
    assert house.jobs(launch)["a"].failure_code == "lost"
    assert lost_begins.reported() == []


def test_an_ordinary_pause_ends_without_questions(house: House) -> None:
    with unit_of_work() as session:
        session.add(PlatformFlag(name=PAUSED_FLAG, value="lunch", set_at=utc_now()))
    assert "Dispatch goes on" in said_by(lambda say: resume([], [], dry_run=False, say=say))
    assert "was not paused" in said_by(lambda say: resume([], [], dry_run=False, say=say))
