"""The log sink: a spool of lines shipped to MariaDB, against one raw PyMySQL client.

Both insert the same columns into the same table in batches of 1,000 rows, one COMMIT each, in turns of TURN rows so
that a machine that changes its mind is fair to both; ours also reads and parses the spool, numbers the lines, moves the
job's counters and the run's position in the same transactions. The raw client has its rows ready and its statement made
by ``executemany``; in the second row even the SQL text is ready and it only sends: what the server itself can take.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.ground import Ground, ground
from bench.rows import Row, make_row

TURNS, TURN, BATCH = 5, 40_000, 1_000
LINES = TURNS * TURN
TEXT = "ok: [web-17] => (item=package-{:06d}) some forty further characters of output"
MOMENT = 1_767_225_600.25
NAME, BARE = "log sink", "log sink beside ready SQL"


def line_rows(tenant: int, job: int) -> list[tuple[Any, ...]]:
    """Return LINES rows in the order of log_store.LINE_COLUMNS."""
    moment = "2026-01-01 00:00:00.250000"
    return [(tenant, job, n + 1, n + 1, 1, 0, TEXT.format(n), "INFO", moment) for n in range(LINES)]


def write_spool(folder: Path, host: str) -> None:
    """Write a spool of LINES lines of one host."""
    from app.runners.spool import SPOOL_NAME

    line = {"k": "line", "h": host, "s": 1, "v": "INFO", "t": MOMENT}
    with (folder / SPOOL_NAME).open("w", encoding="utf-8") as spool:
        spool.writelines(json.dumps({**line, "x": TEXT.format(n)}) + "\n" for n in range(LINES))


def _statement() -> str:
    from app.jobs.log_store import LINE_COLUMNS

    return f"INSERT INTO job_logs ({LINE_COLUMNS}) VALUES ({', '.join(['%s'] * 9)})"  # noqa: S608


def _timed(act: Callable[[], None]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _measure(place: Ground) -> tuple[float, float, float]:
    """Return the seconds of ours, of ``executemany`` and of ready SQL, each for LINES lines."""
    from app.core.db import db, unit_of_work
    from app.core.tenancy import system_scope
    from app.jobs.database_port import DatabasePort
    from app.jobs.kinds import PreparedRun
    from app.jobs.log_sink import LogSink
    from app.jobs.models import Job
    from app.jobs.port import Carrier
    from app.jobs.workers import this_process
    from app.runners.base import RunSpec

    run_id, (ours, raw, bare) = place.make_run(3)
    write_spool(place.folder, "a")
    port = DatabasePort()
    claim = port.claim(run_id, Carrier(this_process(), "bench", None))
    assert claim is not None
    spec = RunSpec(claim.run_uuid, 1, "ansible", 60, {})
    assert port.begin(claim, PreparedRun(spec, {"a": ours, "b": raw, "c": bare}))
    sink = LogSink(port, claim, place.folder, {"a": ours})
    connection = place.connect()
    cursor = connection.cursor()
    statement = _statement()
    rows = line_rows(1, raw)
    start = statement.index("(", statement.index("VALUES"))
    ready = [
        statement[:start] + ",".join(cursor.mogrify(statement[start:], row) for row in batch)
        for batch in _batches(line_rows(1, bare))
    ]

    def ship() -> None:
        shipped = 0
        while shipped < TURN:
            shipped += sink.ship_available()

    def insert_many(turn: int) -> None:
        for batch in _batches(rows[turn * TURN : (turn + 1) * TURN]):
            cursor.executemany(statement, batch)
            connection.commit()

    def send(turn: int) -> None:
        for text in ready[turn * TURN // BATCH : (turn + 1) * TURN // BATCH]:
            cursor.execute(text)
            connection.commit()

    seconds = [0.0, 0.0, 0.0]
    for turn in range(TURNS):
        acts: list[Callable[[], None]] = [ship, lambda turn=turn: insert_many(turn), lambda turn=turn: send(turn)]  # type: ignore[misc]
        for number in (turn % 3, (turn + 1) % 3, (turn + 2) % 3):
            seconds[number] += _timed(acts[number])
    connection.close()
    sink.close()
    with system_scope("bench"), unit_of_work(writes=False):
        stored = db.session.get(Job, ours)
        assert stored is not None and stored.log_lines == LINES
    return seconds[0], seconds[1], seconds[2]


def _batches(rows: list[tuple[Any, ...]]) -> list[list[tuple[Any, ...]]]:
    return [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]


def log_sink() -> list[Row]:
    """Measure on a private MariaDB."""
    with ground() as place:
        ours, raw, bare = (LINES / seconds for seconds in _measure(place))
    return [
        make_row(NAME, ours, raw, "lines/s", aim="ratio 0.8"),
        make_row(BARE, ours, bare, "lines/s"),
    ]


ROWS = {NAME: log_sink}
