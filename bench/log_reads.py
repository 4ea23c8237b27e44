"""Reading a log of 1,000,000 lines in a table of 10,000,000, on MariaDB and MySQL: pages, search, download, size.

Nine jobs wrote at the same time, a hundred lines in turn, as their shippers would; the tenth wrote its lines alone.
Pages are read by the REST API of the product in this process (query, rows to JSON, no network): "ours" is the dearer of
the middle and the last page, the baseline the first. Search is asked as the page asks, part by part, until the whole
log was looked through; the baseline is the one statement that does the same by line number.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from bench.ground import Ground, bulk_lines, ground
from bench.rows import Row, make_row

JOBS, LINES, TURN = 9, 1_000_000, 100  # LINES of each job
PAGES = 15  # read at each place
SIZES = ("--innodb-buffer-pool-size=256M", "--tmp-table-size=64M", "--max-heap-table-size=64M")
LOGS = {"mariadb": "--innodb-log-file-size=512M", "mysql": "--innodb-redo-log-capacity=1G"}
NAME = "log reads"


def fill(place: Ground) -> list[str]:
    """Store the lines as the administrator of the server; return the UUIDs of the jobs, the last one alone."""
    from sqlalchemy import select

    from app.core.db import db, unit_of_work
    from app.core.tenancy import system_scope
    from app.jobs.models import Job

    run_id, jobs = place.make_run(JOBS + 1)
    together = JOBS * LINES
    connection = place.database.server.connect(place.database.name)
    bulk_lines(
        connection,
        together + LINES,
        f"IF(n < {together}, {jobs[0]} + n DIV {TURN} MOD {JOBS}, {jobs[-1]})",
        f"IF(n < {together}, n DIV {JOBS * TURN} * {TURN} + n MOD {TURN} + 1, n - {together} + 1)",
    )
    with connection.cursor() as cursor:
        cursor.execute("UPDATE jobs SET log_lines = %s, status = 'running', started_at = NOW(6)", (LINES,))
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

    from app.core.actor import Role
    from tests import factories

    headers = factories.bearer(factories.make_key(factories.PersonMade(1, 1, "b", Role.VIEWER)))
    client = current_app.test_client()

    def read(path: str, **query: Any) -> Any:
        answer = client.get(f"/api/v1{path}", query_string=query, headers=headers)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:500]}")
        return answer.get_json()

    return read


def _median(acts: Iterable[Callable[[], Any]]) -> float:
    return statistics.median(_milliseconds(act) for act in acts)


def _pages(read: Callable[..., Any], path: str) -> tuple[float, float, float]:
    """Return the milliseconds of a page of 1,000 lines at the beginning, in the middle and at the end."""
    read(path, after=0)
    found = [
        _median(partial(read, path, after=start + 1000 * page) for page in range(PAGES))
        for start in (0, LINES // 2, LINES - 1000 * PAGES)
    ]
    return found[0], found[1], found[2]


def _search(read: Callable[..., Any], path: str, text: str) -> tuple[float, float, int]:
    """Search a whole log; return the milliseconds of the dearest answer and of all, and how many there were."""
    after, parts = 0, []
    while after < LINES:
        began = time.perf_counter()
        answer = read(path, q=text, after=after)
        parts.append((time.perf_counter() - began) * 1000)
        after = answer["scanned_to"]
    return max(parts), sum(parts), len(parts)


def _in_one_piece(place: Ground, number: int, text: str) -> float:
    connection = place.connect()
    statement = (
        "SELECT line_number, content FROM job_logs WHERE tenant_id = 1 AND job_id = (SELECT id FROM jobs ORDER BY id"
        " LIMIT 1 OFFSET %s) AND LOWER(content) LIKE LOWER(%s) ORDER BY line_number LIMIT 200"
    )
    with connection.cursor() as cursor:
        took = _milliseconds(lambda: cursor.execute(statement, (number, f"%{text}%")))
    connection.close()
    return took


def _bytes_of_a_line(place: Ground) -> tuple[float, float]:
    """Return the bytes of table and indexes for each line, and those of its text."""
    connection = place.database.server.connect(place.database.name)
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION information_schema_stats_expiry = 0" if place.database.kind == "mysql" else "DO 0")
        cursor.execute(
            "SELECT data_length + index_length FROM information_schema.tables"
            " WHERE table_schema = DATABASE() AND table_name = 'job_logs'"
        )
        size = cursor.fetchone()[0]
        cursor.execute("SELECT AVG(LENGTH(content)) FROM (SELECT content FROM job_logs LIMIT 100000) AS some")
        text = cursor.fetchone()[0]
    connection.close()
    return float(size) / ((JOBS + 1) * LINES), float(text)


def _download(place: Ground, uuid: str) -> tuple[float, float]:
    """Read a whole log as text; return the seconds and by how many MiB the process grew."""
    import psutil
    from sqlalchemy import select

    from app.core.db import db, unit_of_work
    from app.core.tenancy import system_scope
    from app.jobs import log_queries
    from app.jobs.models import Job

    process = psutil.Process()
    with system_scope("bench"), unit_of_work(writes=False):
        job = db.session.scalars(select(Job).where(Job.job_id == uuid)).one()
        text = log_queries.job_text(job)
        next(text)
        before = most = process.memory_info().rss
        began = time.perf_counter()
        for count, _piece in enumerate(text):
            if count % 50 == 0:
                most = max(most, process.memory_info().rss)
        took = time.perf_counter() - began
    return took, (most - before) / 1024 / 1024


def _measure(kind: str) -> list[Row]:
    with ground(kind, *SIZES, LOGS[kind], rate_limit_per_minute=1_000_000) as place:
        uuids = fill(place)
        read = _reader(place)
        first, middle, last = _pages(read, f"/jobs/{uuids[0]}/logs")
        name = f"{NAME}, {kind}"
        rows = [make_row(f"{name}: dearest page of 1,000 lines", max(middle, last), first, "ms", aim="ratio 1.3")]
        for words, place_in_list in (("alone", -1), ("among nine", 0)):
            whole = _in_one_piece(place, len(uuids) - 1 if place_in_list else 0, "nowhere")
            dearest, together, _count = _search(read, f"/jobs/{uuids[place_in_list]}/logs", "nowhere")
            rows.append(make_row(f"{name}: one answer of a search, {words}", dearest, whole, "ms", aim="1,000 ms"))
            aim = "1,000 ms" if place_in_list else ""
            rows.append(make_row(f"{name}: whole search without a hit, {words}", together, whole, "ms", aim=aim))
        size, text = _bytes_of_a_line(place)
        rows.append(make_row(f"{name}: bytes on disk for each line, of its text", size, text, "bytes"))
        if kind == "mariadb":
            _took, grown = _download(place, uuids[-1])
            rows.append(
                make_row(f"{name}: memory of a download, of the whole text", grown, LINES * text / 2**20, "MiB")
            )
    return rows


def reads_mariadb() -> list[Row]:
    """Measure on MariaDB."""
    return _measure("mariadb")


def reads_mysql() -> list[Row]:
    """Measure on MySQL."""
    return _measure("mysql")


ROWS = {f"{NAME}, mariadb": reads_mariadb, f"{NAME}, mysql": reads_mysql}
