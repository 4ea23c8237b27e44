"""Lines go after their time, announced first; jobs stay."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.audit.models import AuditEntry
from app.core import runtime
from app.core.actor import Role
from app.core.clock import utc_now
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.jobs import retention
from app.jobs.log_models import JobLogLine, RunTask
from app.jobs.models import Job, Run
from app.jobs.status import RunStatus
from tests import factories
from tests.factories import PersonMade, bearer
from tests.jobs.conftest import House
from tests.jobs.test_faces import begun, end, put_lines

pytestmark = pytest.mark.database
LINES = 5


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several commits for a handful of lines."""
    monkeypatch.setattr(retention, "CHUNK", 2)


def finished(house: House, server: str, *, days_ago: int) -> str:
    """Return the launch of a job on a server that ended green with LINES lines, some days ago."""
    launch, claim, jobs = begun(house, server)
    put_lines(house, claim, jobs[server], [f"line {n}" for n in range(1, LINES + 1)])
    end(house, claim, jobs)
    ended = utc_now() - timedelta(days=days_ago)
    factories.set_columns(Run, claim.run_id, completed_at=ended)
    return launch


def count(house: House, table: Any) -> int:
    with house.context(), system_scope("test"), unit_of_work(writes=False):
        return db.session.scalar(select(func.count()).select_from(table)) or 0


def entries(house: House) -> list[dict[str, Any]]:
    with house.context(), system_scope("test"), unit_of_work(writes=False):
        found = db.session.scalars(select(AuditEntry.details).where(AuditEntry.event == "job_lines:remove"))
        return [dict(details or {}) for details in found]


def remove(house: House) -> int:
    with house.context():
        return retention.remove_old_lines()


def test_lines_over_their_age_go_and_younger_ones_and_all_jobs_stay(house: House) -> None:
    finished(house, "a", days_ago=91)
    finished(house, "b", days_ago=89)
    assert remove(house) == 1
    assert (count(house, JobLogLine), count(house, RunTask), count(house, Job)) == (LINES, 1, 2)
    assert [(entry["runs"], entry["lines"]) for entry in entries(house)] == [(1, LINES)]
    assert remove(house) == 0
    assert len(entries(house)) == 1


def test_lines_of_runs_that_failed_can_be_kept_longer_and_those_of_cancelled_ones_shorter(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = runtime.settings().model_copy(update={"failed_job_log_days": 365, "cancelled_job_log_days": 7})
    monkeypatch.setattr(runtime, "_settings", changed)
    left = {}
    for server, status, days in (
        ("a", RunStatus.SUCCESS, 100),
        ("b", RunStatus.FAILED, 100),
        ("c", RunStatus.FAILED, 366),
        ("d", RunStatus.CANCELLED, 8),
    ):
        launch = finished(house, server, days_ago=days)
        factories.set_columns(Run, house.run_id(launch), status=status)
        left[server] = house.jobs(launch)[server].id
    assert remove(house) == 3
    with house.context(), system_scope("test"), unit_of_work(writes=False):
        assert set(db.session.scalars(select(JobLogLine.job_id))) == {left["b"]}
    outcomes = sorted((entry["outcome"], entry["lines"]) for entry in entries(house))
    assert outcomes == [("cancelled", LINES), ("failed", LINES), ("success", LINES)]


def test_what_is_announced_and_not_yet_removed_goes_with_the_next_call(house: House) -> None:
    finished(house, "a", days_ago=200)
    with house.context():
        assert retention.announce(RunStatus.SUCCESS, utc_now() - timedelta(days=90)) == 1  # and then the keeper died
    assert count(house, JobLogLine) == LINES
    assert remove(house) == 1
    assert count(house, JobLogLine) == 0
    assert len(entries(house)) == 1


def test_a_call_stops_when_its_time_is_over_and_the_next_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(house, "a", days_ago=200)
    monkeypatch.setattr(retention, "SECONDS", -1.0)
    assert remove(house) == 0
    assert count(house, JobLogLine) == LINES - 2
    monkeypatch.setattr(retention, "SECONDS", 60.0)
    assert remove(house) == 1
    assert count(house, JobLogLine) == 0


def test_a_running_job_loses_nothing_however_old_it_is(house: House) -> None:
    _launch, claim, jobs = begun(house, "a")
    put_lines(house, claim, jobs["a"], ["still here"])
    factories.set_columns(Run, claim.run_id, created_at=utc_now() - timedelta(days=400))
    assert remove(house) == 0
    assert count(house, JobLogLine) == 1


def test_every_door_says_that_the_lines_were_removed(app: Flask, house: House) -> None:
    launch = finished(house, "a", days_ago=100)
    job_id = house.jobs(launch)["a"].job_id
    remove(house)
    person = PersonMade(house.actor.user_id or 0, house.actor.tenant_id, "ada", Role.ADMIN)
    key = bearer(factories.make_key(person))
    client = app.test_client()
    log: Any = client.get(f"/api/v1/jobs/{job_id}/logs", headers=key).json
    assert (log["lines"], log["last_line"], log["complete"]) == ([], LINES, True)
    assert log["removed_at"] is not None
    text = client.get(f"/api/v1/jobs/{job_id}/logs?format=text", headers=key).get_data(as_text=True)
    assert "removed by their age" in text
    assert "removed by their age" in client.get(f"/api/v1/launches/{launch}/logs", headers=key).get_data(as_text=True)
    stream = client.get(f"/api/v1/jobs/{job_id}/stream", headers=key)
    assert "event: end" in stream.get_data(as_text=True)
    page = factories.sign_in(app.test_client(), person).get(f"/jobs/{job_id}").get_data(as_text=True)
    assert "5 lines of this job were removed" in page and "log-viewer" not in page
