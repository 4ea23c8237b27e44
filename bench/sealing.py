"""Sealed lines: bytes, speed, reads beside rows, and a tenth of a large day.

A day is 2,000 launches of 30 servers; a job has LINES lines of JOB_RESULTS tasks. Texts are an even mix of what
playbooks print (items, packages, downloads, checksums), made from a fixed seed.
"""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import text, update

from bench.ground import Ground, ground
from bench.rows import Row, make_row

LONG = 1_000_000  # lines of the one long log
LAUNCHES, SERVERS, LINES, RESULTS = 200, 30, 100, 20  # a tenth of a day
DAY = 2_000 / LAUNCHES
BATCH = 2_000
MOMENT = "2026-01-01 00:00:00"
NEEDLE = "one-line-in-fifty-thousand"
FOREVER = 10**9

LONG_NAME, DAY_NAME, DAY_MYSQL_NAME = "sealed log of 1,000,000 lines", "a tenth of a day", "a tenth of a day, MySQL"


def texts(seed: int) -> Iterator[str]:
    """Yield lines without end."""
    chance = random.Random(seed)  # noqa: S311 - sample data
    packages = [
        f"lib{chance.choice('abcdefgh')}{chance.randrange(9999)}-{chance.choice(['dev', 'bin'])}" for _ in range(500)
    ]
    number = 0
    while True:
        number += 1
        package, kind = chance.choice(packages), chance.random()
        if number % 50_000 == 0:
            yield f"fatal: {NEEDLE} {number}"
        elif kind < 0.35:
            yield f"ok: [web-17] => (item={package})"
        elif kind < 0.6:
            version = f"{chance.randrange(9)}.{chance.randrange(40)}.{chance.randrange(99)}"
            yield f"changed: [web-17] => (item={{'name': '{package}', 'version': '{version}'}})"
        elif kind < 0.8:
            size = chance.randrange(9999)
            yield f'        "Get:{number} http://deb.example.org/debian bookworm/main amd64 {package} [{size} kB]",'
        elif kind < 0.9:
            yield f'    "md5sum": "{chance.getrandbits(128):032x}",'
        else:
            yield "skipping: [web-17]"


def _insert(connection: Any, table: str, columns: str, rows: list[tuple[Any, ...]]) -> None:
    marks = ", ".join(["%s"] * len(rows[0]))
    with connection.cursor() as cursor:
        for start in range(0, len(rows), BATCH):
            cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows[start : start + BATCH])  # noqa: S608
            connection.commit()


def _lines(job: int, count: int, source: Iterator[str]) -> list[tuple[Any, ...]]:
    found = []
    for n in range(count):
        line = next(source)
        level = "ERROR" if line.startswith("fatal") else "INFO"
        moment = f"2026-01-01 {n // 36000 % 24:02d}:{n // 600 % 60:02d}:{n // 10 % 60:02d}.{n % 10}25000"
        found.append((1, job, n + 1, n * 3 + 1, 1 + n * RESULTS // count, 0, line, level, moment))
    return found


def _end(run_id: int, job_ids: list[int], lines: int) -> None:
    """Make a run one that ended ten days ago."""
    from app.core.db import unit_of_work
    from app.core.db_time import database_now
    from app.core.tenancy import system_scope
    from app.jobs.models import Job, Run
    from app.jobs.status import JobStatus, RunStatus

    with system_scope("bench"), unit_of_work() as session:
        ended = database_now() - timedelta(days=10)
        session.execute(update(Run).where(Run.id == run_id).values(status=RunStatus.SUCCESS, completed_at=ended))
        session.execute(
            update(Job).where(Job.id.in_(job_ids)).values(status=JobStatus.SUCCESS, log_lines=lines, completed_at=ended)
        )


def _bytes(place: Ground, *tables: str) -> int:
    """Return what tables take with their indexes, by the server's own count of pages."""
    from app.core.db import unit_of_work

    with unit_of_work() as session:
        if place.database.kind == "mysql":
            session.execute(text("SET SESSION information_schema_stats_expiry = 0"))
        total = 0
        for table in tables:
            session.execute(text(f"ANALYZE TABLE {table}")).all()
            total += int(
                session.scalar(
                    text(
                        "SELECT data_length + index_length FROM information_schema.tables "
                        "WHERE table_schema = DATABASE() AND table_name = :name"
                    ),
                    {"name": table},
                )
            )
        return total


SEGMENT_TABLES = ("log_segments", "log_segment_parts", "log_segment_blobs")


def _reading(job_id: int, work: Callable[[Any], Any]) -> tuple[float, Any]:
    """Return milliseconds and result of some reading of a job."""
    from app.core.db import unit_of_work
    from app.core.tenancy import tenant_scope
    from app.jobs.models import Job

    with tenant_scope(1), unit_of_work(writes=False) as session:
        job = session.get(Job, job_id)
        began = time.monotonic()
        found = work(job)
        return (time.monotonic() - began) * 1000, found


def _page(job_id: int, after: int) -> float:
    from app.jobs import log_queries

    took = [_reading(job_id, lambda job: log_queries.tail(job, after=after, limit=500)) for _ in range(21)]
    assert len(took[0][1].lines) == 500
    return statistics.median(ms for ms, _found in took)


def _search(job_id: int) -> tuple[float, float]:
    """Return milliseconds to the first hits of a search, and of the search through the whole log."""
    from app.jobs import log_queries

    def whole(job: Any) -> list[int]:
        hits: list[int] = []
        after, more = 0, True
        while more:
            part = log_queries.search(job, NEEDLE, after=after)
            hits += [hit["n"] for hit in part.hits]
            after, more = part.scanned_to, part.more
        return hits

    first, _hits = _reading(job_id, lambda job: log_queries.search(job, NEEDLE))
    took, hits = _reading(job_id, whole)
    assert hits == list(range(50_000, LONG + 1, 50_000))
    return first, took


def long_log() -> list[Row]:
    """Seal a log of LONG lines on MariaDB; read and search it before and after."""
    from app.core.db import db
    from app.jobs import sealing

    with ground("mariadb", seal_after_days=3) as place:
        run_id, (job_id,) = place.make_run(1)
        connection, source, empty = place.connect(), texts(1), _bytes(place, "job_logs")
        _insert(connection, "job_logs", _columns(), _lines(job_id, LONG, source))
        _end(run_id, [job_id], LONG)
        row_bytes = _bytes(place, "job_logs") - empty
        places = (0, LONG // 2, LONG - 500)
        rows_ms = [_page(job_id, after) for after in places]
        rows_first, rows_whole = _search(job_id)
        began = time.monotonic()
        assert sealing.seal_old_lines(seconds=FOREVER) == LONG
        took = time.monotonic() - began
        segment_bytes = _bytes(place, *SEGMENT_TABLES)
        sealed_ms = [_page(job_id, after) for after in places]
        first, whole = _search(job_id)
        connection.close()
        db.session.remove()
    return [
        make_row("sealed page of 500: first", sealed_ms[0], rows_ms[0], "ms"),
        make_row("sealed page of 500: middle", sealed_ms[1], rows_ms[1], "ms", aim="flat"),
        make_row("sealed page of 500: last", sealed_ms[2], rows_ms[2], "ms", aim="flat"),
        make_row("sealed search of 1,000,000 lines: first hits", first, rows_first, "ms", aim="1,000 ms"),
        make_row("sealed search of 1,000,000 lines: whole", whole, rows_whole, "ms", aim="1,000 ms"),
        make_row("bytes of a line, one long log", segment_bytes / LONG, row_bytes / LONG, "bytes"),
        make_row("sealing one long log", LONG / took, LONG / took, "lines/s"),
    ]


def _columns() -> str:
    from app.jobs.log_store import LINE_COLUMNS

    return LINE_COLUMNS


class Writer(threading.Thread):
    """A worker's sink, as the bare driver: 500 lines at a time into a job that goes on. ``waits`` in milliseconds."""

    def __init__(self, place: Ground, job_id: int) -> None:
        super().__init__(daemon=True)
        self._connection, self._job, self.stopped = place.connect(), job_id, threading.Event()
        self.waits: list[float] = []

    def run(self) -> None:
        """Insert until it is stopped."""
        source, number = texts(3), 0
        while not self.stopped.wait(0.05):
            rows = [
                (1, self._job, number + n + 1, number + n, 1, 0, next(source), "INFO", "2026-01-01 00:00:00")
                for n in range(500)
            ]
            number += 500
            began = time.monotonic()
            _insert(self._connection, "job_logs", _columns(), rows)
            self.waits.append((time.monotonic() - began) * 1000)
        self._connection.close()

    def end(self) -> float:
        """Stop it and return its longest wait."""
        self.stopped.set()
        self.join()
        return max(self.waits)


def _fill(place: Ground) -> int:
    from app.jobs.log_store import RESULT_COLUMNS, TASK_COLUMNS

    connection, source, total = place.connect(), texts(2), 0
    for _ in range(LAUNCHES):
        run_id, jobs = place.make_run(SERVERS)
        rows = [row for job in jobs for row in _lines(job, LINES, source)]
        _insert(connection, "job_logs", _columns(), rows)
        tasks = [
            (1, run_id, n, n, "a play", f"task {n}", "apt", "site.yml:3", "2026-01-01 00:00:00") for n in range(RESULTS)
        ]
        _insert(connection, "run_tasks", TASK_COLUMNS, tasks)
        results = [(1, job, n, "ok", 100, n * 5 + 1, n * 5 + 5, None) for job in jobs for n in range(RESULTS)]
        _insert(connection, "task_results", RESULT_COLUMNS, results)
        _end(run_id, jobs, LINES)
        total += len(rows)
    connection.close()
    return total


def _a_tenth(kind: str, label: str) -> list[Row]:
    from app.jobs import retention, sealing

    with ground(kind, seal_after_days=3, job_log_days=5) as place:
        empty = _bytes(place, "job_logs"), _bytes(place, "task_results")
        filled = time.monotonic()
        total = _fill(place)
        filled = time.monotonic() - filled
        row_bytes = _bytes(place, "job_logs") - empty[0]
        result_bytes = (_bytes(place, "task_results") - empty[1]) / (total / LINES * RESULTS)
        _run, (busy,) = place.make_run(1)
        alone = Writer(place, busy)
        alone.start()
        time.sleep(5)
        baseline = alone.end()
        _run, (busy,) = place.make_run(1)
        beside = Writer(place, busy)
        beside.start()
        sealed_in = time.monotonic()
        moved = 0
        while part := sealing.seal_old_lines(seconds=FOREVER):
            moved += part
        sealed_in = time.monotonic() - sealed_in
        assert moved == total
        segment_bytes = _bytes(place, *SEGMENT_TABLES)
        removed_in = time.monotonic()
        emptied = 0
        while part := _remove(retention):
            emptied += part
        removed_in = time.monotonic() - removed_in
        assert emptied == LAUNCHES
        wait = beside.end()
    return [
        make_row(f"bytes of a line, small jobs{label}", segment_bytes / total, row_bytes / total, "bytes"),
        make_row(f"bytes of a result{label}", result_bytes, result_bytes, "bytes"),
        make_row(f"sealing small jobs, beside a writer{label}", total / sealed_in, total / filled, "lines/s"),
        make_row(f"a day, by ten: sealing{label}", sealed_in * DAY, 86_400, "s"),
        make_row(f"a day, by ten: retention{label}", removed_in * DAY, 86_400, "s"),
        make_row(f"a writer's longest wait beside both{label}", wait, baseline, "ms", aim="1,000 ms"),
    ]


def _remove(retention: Any) -> int:
    retention.SECONDS = FOREVER
    return int(retention.remove_old_lines())


def day() -> list[Row]:
    """A tenth of a day on MariaDB: filled, sealed, removed, beside a writer."""
    return _a_tenth("mariadb", "")


def day_mysql() -> list[Row]:
    """The same on MySQL."""
    return _a_tenth("mysql", ", MySQL")


ROWS = {LONG_NAME: long_log, DAY_NAME: day, DAY_MYSQL_NAME: day_mysql}
