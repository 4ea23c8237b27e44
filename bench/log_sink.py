"""The log sink: a spool of lines shipped to MariaDB, against one raw PyMySQL client.

Both insert the same columns into the same table in batches of 1,000 rows, one COMMIT each; ours also reads and parses
the spool, numbers the lines, moves the job's counters and the run's position in the same transactions.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import pymysql
from sqlalchemy import insert, make_url

from bench.rows import Row, make_row
from config import Settings

LINES = 200_000
BATCH = 1_000
TEXT = "ok: [web-17] => (item=package-{:06d}) some forty further characters of output"
NAME = "log sink"


def _rows(tenant: int, job: int) -> list[tuple[Any, ...]]:
    moment = "2026-01-01 00:00:00.250000"
    return [(tenant, job, n + 1, n + 1, 1, 0, TEXT.format(n), "INFO", moment) for n in range(LINES)]


def _raw(url: str, tenant: int, job: int) -> float:
    from app.jobs.log_store import LINE_COLUMNS

    parts = make_url(url)
    connection = pymysql.connect(
        host=parts.host or "",
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
        database=parts.database,
        charset="utf8mb4",
    )
    rows = _rows(tenant, job)
    statement = f"INSERT INTO job_logs ({LINE_COLUMNS}) VALUES ({', '.join(['%s'] * 9)})"  # noqa: S608
    began = time.monotonic()
    with connection.cursor() as cursor:
        for start in range(0, LINES, BATCH):
            cursor.executemany(statement, rows[start : start + BATCH])
            connection.commit()
    took = time.monotonic() - began
    connection.close()
    return LINES / took


def _ship(settings: Settings, folder: Path) -> tuple[float, float]:
    """Return lines a second, ours and raw."""
    from app import create_app
    from app.accounts.models import Tenant, User
    from app.core.db import db, unit_of_work
    from app.core.tenancy import system_scope
    from app.jobs.database_port import DatabasePort
    from app.jobs.kinds import PreparedRun
    from app.jobs.log_sink import LogSink
    from app.jobs.models import Job, Launch, Run
    from app.jobs.port import Carrier
    from app.jobs.status import LockMode
    from app.jobs.workers import this_process
    from app.runners.base import RunSpec
    from app.runners.spool import SPOOL_NAME

    with create_app(settings).app_context():
        with system_scope("bench"), unit_of_work() as session:
            session.execute(insert(Tenant).values(id=1, name="bench", slug="bench", uuid="0" * 36))
            session.add(User(id=1, tenant_id=1, username="b", email="b@b", password_hash="!"))  # noqa: S106
            session.flush()
            launch = Launch(
                tenant_id=1, kind="bench", subject_type="bench", subject_id=1, title="bench", user_id=1,
                source="cli", inputs={}, open_runs=1, jobs_total=2,
            )  # fmt: skip
            session.add(launch)
            session.flush()
            run = Run(tenant_id=1, launch_id=launch.id, kind="bench", lock_mode=LockMode.SHARED, timeout_seconds=60)
            session.add(run)
            session.flush()
            jobs = [Job(tenant_id=1, kind="bench", launch_id=launch.id, run_id=run.id, user_id=1) for _ in range(2)]
            session.add_all(jobs)
            session.flush()
            run_id, ours, raw = run.id, jobs[0].id, jobs[1].id
        with (folder / SPOOL_NAME).open("w", encoding="utf-8") as spool:
            spool.writelines(
                json.dumps({"k": "line", "h": "a", "s": 1, "v": "INFO", "x": TEXT.format(n), "t": 1_767_225_600.25})
                + "\n"
                for n in range(LINES)
            )
        port = DatabasePort()
        claim = port.claim(run_id, Carrier(this_process(), "bench", None))
        assert claim is not None
        port.begin(claim, PreparedRun(RunSpec(claim.run_uuid, 1, "ansible", 60, {}), {"a": ours, "b": raw}))
        baseline = _raw(settings.database_url, 1, raw)
        began = time.monotonic()
        LogSink(port, claim, folder, {"a": ours}).ship_all()
        took = time.monotonic() - began
        with system_scope("bench"), unit_of_work(writes=False):
            stored = db.session.get(Job, ours)
            assert stored is not None and stored.log_lines == LINES
        return LINES / took, baseline


def log_sink() -> Row:
    """Measure on a private MariaDB."""
    from tests.support.databases import Databases
    from tests.support.environment import KEYS, PREFIX

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        databases = Databases(folder)
        try:
            database = databases.migrated("mariadb")
            values: dict[str, Any] = {key.removeprefix(PREFIX).lower(): value for key, value in KEYS.items()}
            settings = Settings(database_url=database.app_url, data_dir=folder / "data", **values)
            ours, baseline = _ship(settings, folder)
        finally:
            databases.stop()
    return make_row(NAME, ours, baseline, "lines/s", aim="ratio 0.7")


ROWS = {NAME: log_sink}
