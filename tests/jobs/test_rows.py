"""What the database itself holds to be true of jobs, whoever writes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.core.db import db
from app.jobs.database_port import DatabasePort
from app.jobs.kinds import PreparedRun
from app.jobs.log_models import JobLogLine
from app.jobs.models import Job
from app.jobs.port import Carrier
from app.jobs.workers import this_process
from app.runners.base import RunSpec
from tests.jobs.conftest import House
from tests.jobs.test_faces import begun, end, put_lines
from tests.support.databases import TestDatabase

pytestmark = pytest.mark.database


@pytest.fixture
def root(database: TestDatabase) -> Iterator[Engine]:
    """Somebody with every right in the database."""
    engine = database.root()
    yield engine
    engine.dispose()


@pytest.mark.parametrize("status", ["pending", "running", "failed", "cancelled"])
def test_a_job_that_has_ended_keeps_its_status_whoever_writes(house: House, root: Engine, status: str) -> None:
    launch, claim, hosts = begun(house, "a")
    end(house, claim, hosts)
    with pytest.raises(DBAPIError), root.begin() as connection:
        connection.execute(
            text("UPDATE jobs SET status = :status WHERE id = :id"), {"status": status, "id": hosts["a"]}
        )
    with root.begin() as connection:
        connection.execute(text("UPDATE jobs SET error_message = 'a note' WHERE id = :id"), {"id": hosts["a"]})
    assert house.jobs(launch)["a"].status.value == "success"


def test_lines_go_with_their_job_and_what_jobs_name_stays(house: House, root: Engine) -> None:
    _, claim, hosts = begun(house, "a")
    put_lines(house, claim, hosts["a"], ["one", "two"])
    end(house, claim, hosts)
    job = house.read(lambda: db.session.get_one(Job, hosts["a"]))
    for table, number in (("playbooks", job.playbook_id), ("servers", job.server_id), ("users", job.user_id)):
        with pytest.raises(IntegrityError), root.begin() as connection:
            connection.execute(text(f"DELETE FROM {table} WHERE id = :id"), {"id": number})
    with root.begin() as connection:
        connection.execute(text("DELETE FROM jobs WHERE id = :id"), {"id": job.id})
    assert house.read(lambda: db.session.scalar(select(func.count()).select_from(JobLogLine))) == 0


def test_the_task_that_carries_a_run_is_named_by_each_of_its_jobs(house: House) -> None:
    launch = house.launch("a", "b")
    assert {job.celery_task_id for job in house.jobs(launch).values()} == {None}
    hosts = {name: job.id for name, job in house.jobs(launch).items()}
    with house.context():
        port = DatabasePort()
        claim = port.claim(house.run_id(launch), Carrier(this_process(), "here", None, "task-7"))
        assert claim is not None
        assert port.begin(claim, PreparedRun(RunSpec(claim.run_uuid, 1, "ansible", 60, {}), hosts))
    assert {job.celery_task_id for job in house.jobs(launch).values()} == {"task-7"}
