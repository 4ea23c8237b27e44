"""Reading a log of 1,000,000 lines in a table of 10,000,000, on MariaDB and MySQL: pages by cursor, and search.

Ten jobs wrote at the same time, a hundred lines in turn, as their shippers would. Pages are read by the REST API of the
product in this process (query, rows to JSON, no network); "ours" is the dearest of the first, middle and last
page, the baseline the first. Search is asked as the page asks: part by part, until the whole log was looked through.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from bench.ground import Ground, ground
from bench.rows import Row, make_row

JOBS, LINES, TURN = 10, 1_000_000, 100  # LINES of each job
CHUNK = 100_000  # rows of one INSERT
PAGES = 15  # read at each place
SIZES = ("--innodb-buffer-pool-size=256M", "--tmp-table-size=64M", "--max-heap-table-size=64M")
LOGS = {"mariadb": "--innodb-log-file-size=512M", "mysql": "--innodb-redo-log-capacity=1G"}
PAGES_NAME, SEARCH_NAME, SIZE_NAME = "log pages", "log search", "log on disk"


def fill(place: Ground) -> list[str]:
    """Store JOBS times LINES lines as the administrator of the server; return the UUIDs of the jobs. Needs app context."""
    from sqlalchemy import select

    from app.core.db import db, unit_of_work
    from app.core.tenancy import system_scope
    from app.jobs.log_store import LINE_COLUMNS
    from app.jobs.models import Job

    run_id, jobs = place.make_run(JOBS)
    first = jobs[0]
    connection = place.database.server.connect(place.database.name)
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION unique_checks = 0, foreign_key_checks = 0, sql_log_bin = 0")
        cursor.execute("CREATE TABLE bench_numbers (n INT PRIMARY KEY)")
        cursor.executemany("INSERT INTO bench_numbers VALUES (%s)", [(n,) for n in range(CHUNK)])
        for start in range(0, JOBS * LINES, CHUNK):
            number = f"(({start} + n) DIV {JOBS * TURN} * {TURN} + ({start} + n) MOD {TURN} + 1)"
            cursor.execute(
                f"INSERT INTO job_logs ({LINE_COLUMNS}) SELECT 1, {first} + ({start} + n) DIV {TURN} MOD {JOBS},"  # noqa: S608
                f" {number}, {start} + n, {number} DIV 1000 + 1, 0,"
                f" CONCAT('ok: [web-17] => (item=package-', {number}, ') some forty further characters of output'),"
                " 'INFO', '2026-01-01 00:00:00.25' FROM bench_numbers ORDER BY n"
            )
        cursor.execute("ANALYZE TABLE job_logs")
        cursor.execute(
            "UPDATE jobs SET log_lines = %s, status = 'success', started_at = NOW(6), completed_at = NOW(6)", (LINES,)
        )
    connection.close()
    with system_scope("bench"), unit_of_work(writes=False):
        return list(db.session.scalars(select(Job.job_id).where(Job.run_id == run_id).order_by(Job.id)))


def _milliseconds(act: Callable[[], Any]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1000


def _reader(place: Ground) -> Callable[..., Any]:
    """Return a function that reads a path of the REST API with a key of person 1."""
    from flask import current_app

    from app.accounts.models import User
    from app.core.db import db, unit_of_work
    from app.core.tenancy import system_scope
    from tests import factories

    with system_scope("bench"), unit_of_work(writes=False):
        person = db.session.get(User, 1)
    headers = factories.bearer(factories.make_key(person))
    client = current_app.test_client()

    def read(path: str, **query: Any) -> Any:
        answer = client.get(f"/api/v1{path}", query_string=query, headers=headers)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:500]}")
        return answer.get_json()

    return read
