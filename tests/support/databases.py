"""Databases for tests: SQLite for all, and for tests marked ``database`` MariaDB and MySQL too.

Fixtures:
    database        a migrated, empty database of this test worker, fresh for every test
    bare_database   a database without any table, for tests of migrations
    database_kind   "sqlite", "mariadb" or "mysql"

Each worker process of pytest-xdist starts servers of its own, when the first test needs one. On a server
three accounts stand as in production: the migrator (DDL), the application (DML table by table; audit_logs
only SELECT and INSERT) and the archiver.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pymysql
import pytest
from sqlalchemy import URL, Engine, create_engine

from app.core.grants import VERSION_TABLE, grant_statements
from tests.support import memory, servers
from tests.support.environment import process_environment, settings_environment
from tests.support.servers import DatabaseServer, NotAvailable

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("sqlite", "mariadb", "mysql")
ACCOUNTS = ("migrator", "app", "archiver")
TRIGGERED = "SELECT DISTINCT event_object_table FROM information_schema.triggers WHERE trigger_schema = DATABASE()"


@dataclass
class TestDatabase:
    """One database. On SQLite the three accounts are the same file."""

    __test__ = False  # not a test class

    kind: str
    urls: dict[str, str]
    server: DatabaseServer | None = None
    name: str = ""
    path: Path | None = None

    @property
    def app_url(self) -> str:
        """URL of the application's account: what MILLWRIGHT_DATABASE_URL gets."""
        return self.urls["app"]

    @property
    def migrator_url(self) -> str:
        """URL of the account that may change the schema."""
        return self.urls["migrator"]

    @property
    def archiver_url(self) -> str:
        """URL of the account that may delete archived audit entries."""
        return self.urls["archiver"]

    def engine(self, account: str = "app") -> Engine:
        """A new engine without the platform's own settings, for looking from outside; dispose of it."""
        if self.kind == "sqlite":
            return create_engine(self.urls[account])
        session = {"init_command": "SET SESSION time_zone = '+00:00'"}
        return create_engine(self.urls[account], isolation_level="READ COMMITTED", connect_args=session)

    def root(self) -> Engine:
        """An engine that may do everything, triggers and grants included: the intruder of the audit tests."""
        if self.server is None:
            return self.engine()
        url = _url(self.server.port, servers.ADMIN, self.server.password, self.name)
        return create_engine(url, isolation_level="READ COMMITTED")


def _url(port: int, user: str, password: str, database: str) -> str:
    url = URL.create(
        "mysql+pymysql",
        username=user,
        password=password,
        host="127.0.0.1",
        port=port,
        database=database,
        query={"charset": "utf8mb4"},
    )
    return url.render_as_string(hide_password=False)


def create_on_server(server: DatabaseServer, name: str) -> TestDatabase:
    """An empty database with its three accounts; the application's rights come later (``grant``)."""
    password = secrets.token_hex(12)
    users = {account: f"{name}_{account[:3]}" for account in ACCOUNTS}
    server.execute(
        f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
        *(f"CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'" for user in users.values()),
        f"GRANT ALL PRIVILEGES ON `{name}`.* TO '{users['migrator']}'@'%'",
    )
    urls = {account: _url(server.port, user, password, name) for account, user in users.items()}
    return TestDatabase(server.kind, urls, server=server, name=name)


def drop_from_server(database: TestDatabase) -> None:
    """Remove a database and its accounts."""
    assert database.server is not None
    users = (f"{database.name}_{account[:3]}" for account in ACCOUNTS)
    database.server.execute(
        f"DROP DATABASE IF EXISTS `{database.name}`", *(f"DROP USER IF EXISTS '{user}'@'%'" for user in users)
    )


def create_sqlite(path: Path) -> TestDatabase:
    """A SQLite database in a file that need not exist yet."""
    return TestDatabase("sqlite", dict.fromkeys(ACCOUNTS, f"sqlite:///{path}"), path=path)


def migrate(database: TestDatabase, data_dir: Path) -> None:
    """Bring a database to the newest schema by the product's command, then give the accounts rights."""
    settings = settings_environment(database.migrator_url, data_dir)
    done = run_flask(process_environment(settings), "db", "upgrade")
    assert done.returncode == 0, f"flask db upgrade failed on {database.kind}:\n{done.stdout}{done.stderr}"
    if database.server is not None:
        grant(database)


def run_flask(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the product in a process of its own; the exit code is the caller's."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]
    return subprocess.run(command, cwd=ROOT, env=dict(environment), capture_output=True, text=True, timeout=120)


def grant(database: TestDatabase) -> None:
    """Rights of the application and the archiver, as ``flask db grants`` gives them."""
    assert database.server is not None
    application, archiver = f"{database.name}_app", f"{database.name}_arc"
    database.server.execute(
        *grant_statements(database.name, tables(database), application=application, archiver=archiver)
    )


def tables(database: TestDatabase) -> list[str]:
    """Names of the tables on a server, in alphabetical order."""
    return _column(
        database,
        "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
        " AND table_type = 'BASE TABLE' ORDER BY 1",
    )


def _column(database: TestDatabase, statement: str) -> list[str]:
    assert database.server is not None
    connection = database.server.connect(database.name)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return [row[0] for row in cursor.fetchall()]
    finally:
        connection.close()


def sqlite_reset(database: TestDatabase, template: Path) -> Callable[[], None]:
    """Return a function that makes the file equal to ``template`` again, triggers or not."""
    assert database.path is not None
    target_path = database.path

    def reset() -> None:
        source, target = sqlite3.connect(template), sqlite3.connect(target_path, timeout=10)
        try:
            source.backup(target)
        finally:
            source.close()
            target.close()

    return reset


def server_reset(database: TestDatabase) -> Callable[[], None]:
    """Return a function that empties what was filled and puts back what the migrations had inserted.

    TRUNCATE fires no trigger, so the audit log does not resist; tables without rows cost nothing. MySQL takes 20 ms
    for one TRUNCATE and 2 ms for a DELETE of a few rows: there, tables without a trigger are emptied that way, and
    their numbers go on.
    """
    assert database.server is not None
    names = [name for name in tables(database) if name != VERSION_TABLE]
    server = database.server
    kept = names if server.kind != "mysql" else _column(database, TRIGGERED)
    emptying = {name: f"TRUNCATE TABLE `{name}`" if name in kept else f"DELETE FROM `{name}`" for name in names}

    def connect() -> pymysql.connections.Connection[pymysql.cursors.Cursor]:
        made = server.connect(database.name)
        with made.cursor() as cursor:
            cursor.execute("SET SESSION foreign_key_checks = 0, lock_wait_timeout = 10")
        return made

    connection = connect()
    with connection.cursor() as cursor:
        seeded = []
        for name in names:
            cursor.execute(f"SELECT EXISTS (SELECT 1 FROM `{name}`)")
            row = cursor.fetchone()
            if row and row[0]:
                seeded.append(name)
    seeds = {name: _rows(database, name) for name in seeded}
    filled = " UNION ALL ".join(f"(SELECT '{name}' FROM `{name}` LIMIT 1)" for name in names)

    def reset() -> None:
        nonlocal connection
        try:
            connection.ping(reconnect=False)
        except pymysql.err.Error:  # a test stopped the server; a reconnected session would have lost its settings
            connection = connect()
        with connection.cursor() as cursor:
            if not filled:
                return
            cursor.execute(filled)
            for (name,) in cursor.fetchall():
                cursor.execute(emptying[name])
            for name, (columns, rows) in seeds.items():
                marks = ", ".join(["%s"] * len(columns))
                listed = ", ".join(f"`{column}`" for column in columns)
                cursor.executemany(f"INSERT INTO `{name}` ({listed}) VALUES ({marks})", rows)

    return reset


def _rows(database: TestDatabase, table: str) -> tuple[list[str], list[tuple[object, ...]]]:
    assert database.server is not None
    columns = _column(
        database,
        "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE()"
        f" AND table_name = '{table}' AND extra NOT LIKE '%GENERATED%' ORDER BY ordinal_position",
    )
    connection = database.server.connect(database.name)
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(f'`{name}`' for name in columns)} FROM `{table}`")
            return columns, list(cursor.fetchall())
    finally:
        connection.close()


class Databases:
    """Everything that one test worker has started; ``stop`` ends it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._servers: dict[str, DatabaseServer | NotAvailable] = {}
        self._migrated: dict[str, tuple[TestDatabase, Callable[[], None]]] = {}
        self._count = 0

    def server(self, kind: str) -> DatabaseServer:
        """The worker's server of this kind, started on the first call; NotAvailable when it cannot be."""
        if kind not in self._servers:
            try:
                begin = {"mariadb": servers.start_mariadb, "mysql": servers.start_mysql}[kind]
                self._servers[kind] = begin()
            except NotAvailable as error:
                self._servers[kind] = error
        found = self._servers[kind]
        if isinstance(found, NotAvailable):
            raise found
        return found

    def bare(self, kind: str) -> TestDatabase:
        """A new database without tables."""
        self._count += 1
        name = f"mw_{os.getpid()}_{self._count}"
        if kind == "sqlite":
            return create_sqlite(self.folder / f"{name}.db")
        return create_on_server(self.server(kind), name)

    def migrated(self, kind: str) -> TestDatabase:
        """The worker's migrated database of this kind, emptied."""
        if kind not in self._migrated:
            database = self.bare(kind)
            migrate(database, self.folder / "data")
            if kind == "sqlite":
                template = self.folder / "template.db"
                assert database.path is not None
                with sqlite3.connect(database.path) as source, sqlite3.connect(template) as target:
                    source.backup(target)
                source.close()
                target.close()
                self._migrated[kind] = database, sqlite_reset(database, template)
            else:
                self._migrated[kind] = database, server_reset(database)
        database, reset = self._migrated[kind]
        reset()
        return database

    def stop(self) -> None:
        """End the servers."""
        for server in self._servers.values():
            if isinstance(server, DatabaseServer):
                server.stop()


def require_kind(databases: Databases, kind: str) -> None:
    """Skip the test when this machine has no such server, or fail it when it was declared required."""
    if kind == "sqlite":
        return
    try:
        databases.server(kind)
    except NotAvailable as error:
        if os.environ.get(f"MILLWRIGHT_TEST_{kind.upper()}") == "required":
            pytest.fail(f"{kind} is required: {error}", pytrace=False)
        pytest.skip(f"no {kind}: {error}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests marked ``database`` once on every database."""
    if "database_kind" in metafunc.fixturenames and metafunc.definition.get_closest_marker("database"):
        metafunc.parametrize("database_kind", KINDS, indirect=True)


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """The databases of this test worker; SQLite's files are in memory, where a commit waits for no disk."""
    held = Databases(memory.new_folder("millwright-sqlite"))
    yield held
    held.stop()
    memory.remove(held.folder)


@pytest.fixture
def database_kind(request: pytest.FixtureRequest, databases: Databases) -> str:
    """Which database this test runs on; SQLite unless it is marked ``database``."""
    kind: str = getattr(request, "param", "sqlite")
    require_kind(databases, kind)
    return kind


@pytest.fixture
def database(database_kind: str, databases: Databases) -> TestDatabase:
    """A migrated, empty database."""
    return databases.migrated(database_kind)


@pytest.fixture
def bare_database(database_kind: str, databases: Databases) -> Iterator[TestDatabase]:
    """A database without any table, dropped afterwards."""
    made = databases.bare(database_kind)
    yield made
    if made.server is not None:
        drop_from_server(made)
