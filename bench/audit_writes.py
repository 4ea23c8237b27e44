"""Audited writes a second: 8 writers of one tenant on MariaDB, against the same rows without a chain.

Ours is a whole unit of work per entry (begin, record, lock the head, insert, move the head, COMMIT) in 8 processes.
The baseline inserts the same columns by raw PyMySQL in 8 processes, one COMMIT each: what the database itself can do.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pymysql
from sqlalchemy import make_url

from bench.rows import Row, make_row
from config import Settings

WRITERS = 8
ENTRIES = 400  # per writer
NAME = "audited writes"


def _prepare(url: str, settings: dict[str, Any]) -> None:
    from sqlalchemy import insert

    from app import create_app
    from app.accounts.models import Tenant
    from app.core.db import unit_of_work

    with create_app(Settings(database_url=url, **settings)).app_context(), unit_of_work() as session:
        session.execute(insert(Tenant).values(id=1, name="bench", slug="bench"))


def _ours(url: str, settings: dict[str, Any], writer: int, barrier: Barrier) -> None:
    from app import create_app
    from app.audit.service import Resource, record
    from app.core.actor import Actor
    from app.core.db import unit_of_work

    actor = Actor.system(1, writer + 1)
    with create_app(Settings(database_url=url, **settings)).app_context():
        with unit_of_work():
            record(actor, "server:update", Resource("server", 1))
        barrier.wait()
        for place in range(ENTRIES):
            with unit_of_work():
                record(actor, "server:update", Resource("server", place), details={"hostname": ["web-1", "web-2"]})
    barrier.wait()


def _baseline(url: str, _settings: dict[str, Any], writer: int, barrier: Barrier) -> None:
    parts = make_url(url)
    connection = pymysql.connect(
        host=parts.host or "", port=parts.port or 3306, user=parts.username, password=parts.password or "",
        database=parts.database,
    )  # fmt: skip
    statement = (
        "INSERT INTO audit_logs (tenant_id, seq, user_id, action, event, outcome, resource_type, resource_id, details,"
        " via, timestamp, key_id, prev_hash, hash) VALUES (1, %s, %s, 'UPDATE', 'server:update', 'success', 'server',"
        " %s, '{\"hostname\": [\"web-1\", \"web-2\"]}', 'system', UTC_TIMESTAMP(6), 'k', %s, %s)"
    )
    barrier.wait()
    with connection.cursor() as cursor:
        for place in range(ENTRIES):
            seq = 1_000_000 * (writer + 1) + place
            cursor.execute(statement, (seq, writer, place, bytes(32), bytes(32)))
            connection.commit()
    connection.close()
    barrier.wait()


def _rate(work: Callable[..., None], url: str, settings: dict[str, Any]) -> float:
    """Writes a second of all writers together, starts and ends of processes aside."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(WRITERS + 1)
    writers = [context.Process(target=work, args=(url, settings, number, barrier)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    barrier.wait(120)
    began = time.monotonic()
    barrier.wait(300)
    took = time.monotonic() - began
    for writer in writers:
        writer.join(30)
    return WRITERS * ENTRIES / took


def audit_writes() -> Row:
    """Measure on a private MariaDB; its log ends up with baseline rows and is thrown away."""
    from tests.support.databases import Databases
    from tests.support.environment import KEYS, PREFIX

    with tempfile.TemporaryDirectory() as folder:
        databases = Databases(Path(folder))
        try:
            database = databases.migrated("mariadb")
            settings: dict[str, Any] = {name.removeprefix(PREFIX).lower(): key for name, key in KEYS.items()}
            settings |= {"data_dir": Path(folder) / "data", "redis_url": "redis://127.0.0.1:1/0"}
            _prepare(database.app_url, settings)
            baseline = _rate(_baseline, database.app_url, settings)
            ours = _rate(_ours, database.app_url, settings)
        finally:
            databases.stop()
    return make_row(NAME, ours, baseline, "entries/s", aim="1,000 entries/s")


ROWS = {NAME: audit_writes}
