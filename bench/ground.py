"""What rows about the log stand on: a private server that keeps its promises, an application, a run with jobs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import insert, make_url

from config import Settings

CHUNK = 100_000  # rows of one INSERT


@dataclass(frozen=True)
class Ground:
    """An empty migrated database, on a server of its own, with the tenant and the person of number 1."""

    settings: Settings
    folder: Path
    database: Any  # tests.support.databases.TestDatabase

    def connect(self) -> Any:
        """Return a connection of the driver alone, with the application's account; the caller closes it."""
        import pymysql

        parts = make_url(self.settings.database_url)
        return pymysql.connect(
            host=parts.host or "",
            port=parts.port or 3306,
            user=parts.username,
            password=parts.password or "",
            database=parts.database,
            charset="utf8mb4",
        )

    def make_run(self, jobs: int) -> tuple[int, list[int]]:
        """Store a launch of one run that waits; return the run's id and those of its jobs. Needs app context."""
        from app.core.db import unit_of_work
        from app.core.tenancy import system_scope
        from app.jobs.models import Job, Launch, Run
        from app.jobs.status import LockMode

        with system_scope("bench"), unit_of_work() as session:
            launch = Launch(
                tenant_id=1, kind="bench", subject_type="bench", subject_id=1, title="bench", user_id=1,
                source="cli", inputs={}, open_runs=1, jobs_total=jobs,
            )  # fmt: skip
            session.add(launch)
            session.flush()
            run = Run(tenant_id=1, launch_id=launch.id, kind="bench", lock_mode=LockMode.SHARED, timeout_seconds=600)
            session.add(run)
            session.flush()
            made = [Job(tenant_id=1, kind="bench", launch_id=launch.id, run_id=run.id, user_id=1) for _ in range(jobs)]
            session.add_all(made)
            session.flush()
            return run.id, [job.id for job in made]


def bulk_lines(connection: Any, count: int, job: str, number: str, *, tenant: int = 1) -> None:
    """Insert ``count`` log lines as fast as a server takes them; ``connection`` is the administrator's.

    ``job`` and ``number`` are SQL expressions of ``n``, which counts from 0: the job's id and the line's number.
    """
    from app.jobs.log_store import LINE_COLUMNS

    with connection.cursor() as cursor:
        cursor.execute("SET SESSION unique_checks = 0, foreign_key_checks = 0, sql_log_bin = 0")
        cursor.execute("CREATE TABLE bench_numbers (k INT PRIMARY KEY)")
        cursor.executemany("INSERT INTO bench_numbers VALUES (%s)", [(k,) for k in range(min(count, CHUNK))])
        for start in range(0, count, CHUNK):
            cursor.execute(
                f"INSERT INTO job_logs ({LINE_COLUMNS}) SELECT {tenant}, job, line, n, line DIV 1000 + 1, 0,"  # noqa: S608
                " CONCAT('ok: [web-17] => (item=package-', line, ') some forty further characters of output'),"
                f" 'INFO', '2026-01-01 00:00:00.25' FROM (SELECT n, {job} AS job, {number} AS line"
                f" FROM (SELECT k + {start} AS n FROM bench_numbers) AS counted) AS numbered ORDER BY n"
            )
        cursor.execute("DROP TABLE bench_numbers")
        cursor.execute("ANALYZE TABLE job_logs")


@contextmanager
def ground(kind: str = "mariadb", *options: str, **settings: Any) -> Iterator[Ground]:
    """Start a server with the settings that the installation guide asks for (a commit is on disk), and an app context.

    ``options`` are further ones of the server's command line, ``settings`` of the application.
    """
    from app import create_app
    from app.accounts.models import Tenant, User
    from app.core.db import unit_of_work
    from app.core.tenancy import system_scope
    from tests.support import servers
    from tests.support.databases import create_on_server, migrate
    from tests.support.environment import KEYS, PREFIX

    begin = {"mariadb": servers.start_mariadb, "mysql": servers.start_mysql}[kind]
    server = begin(durable=True, options=options)
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            database = create_on_server(server, "bench")
            migrate(database, folder / "data")
            values: dict[str, Any] = {key.removeprefix(PREFIX).lower(): value for key, value in KEYS.items()}
            values |= {"redis_url": "redis://127.0.0.1:1/0", **settings}
            made = Settings(database_url=database.app_url, data_dir=folder / "data", **values)
            with create_app(made).app_context():
                with system_scope("bench"), unit_of_work() as session:
                    session.execute(insert(Tenant).values(id=1, name="bench", slug="bench", uuid="0" * 36))
                    session.add(User(id=1, tenant_id=1, username="b", email="b@b", password_hash="!"))  # noqa: S106
                yield Ground(made, folder, database)
    finally:
        server.stop()
