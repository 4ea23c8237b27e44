"""SQLite as the product uses it, with a step before every statement, at every COMMIT and after it.

The driver's connection class is replaced, nothing above it. A file on a memory disk, in WAL: readers see the last
commit, writers (BEGIN IMMEDIATE) wait for each other in the scheduler instead of in the driver. Between two histories
the rows are removed; the schema is the migrations'.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

from simulation.stage import stage
from simulation.world import Actor, World

GONE = "disk I/O error"  # a lost connection, in the words that app.core.retry knows from SQLite


class Cursor(sqlite3.Cursor):
    """Every statement is a step."""

    def execute(self, sql: str, parameters: Any = (), /) -> Cursor:
        """Let others go on first; then the statement."""
        connection: Any = self.connection
        connection.before(sql)
        super().execute(sql, parameters)
        if sql.startswith("BEGIN I"):
            connection.is_writing()
        return self

    def executemany(self, sql: str, parameters: Any, /) -> Cursor:
        """As ``execute``: one step for all rows, as the driver sends them together."""
        connection: Any = self.connection
        connection.before(sql)
        super().executemany(sql, parameters)
        return self


class Connection(sqlite3.Connection):
    """A connection of one actor at a time."""

    actor: Actor | None = None  # who writes on it
    is_quiet = True  # until it is connected: those statements are no steps

    def cursor(self, factory: Any = Cursor) -> Any:
        """Our cursor, whatever is asked for."""
        return super().cursor(Cursor)

    def before(self, sql: str) -> None:
        """A step, and whatever keeps the statement from arriving."""
        world = stage.world
        if world is None or world.current is None or self.is_quiet:
            return
        world.step(sql if world.trace is not None else "")
        _must_arrive(world)
        if sql.startswith("BEGIN I"):
            while world.writer is not None:
                world.wait_for_writer()
                _must_arrive(world)

    def is_writing(self) -> None:
        """This connection has the write lock now."""
        world = stage.world
        if world is not None and world.current is not None:
            world.writer = self
            self.actor = world.current

    def commit(self) -> None:
        """COMMIT, which may not arrive, or arrive without an answer."""
        world = stage.world
        if world is None or world.current is None or world.writer is not self:
            super().commit()
            return
        world.step("COMMIT")
        _must_arrive(world)
        if world.refused_commits:
            world.refused_commits -= 1
            world.say("the COMMIT does not arrive")
            self.rollback()
            raise sqlite3.OperationalError(GONE)
        super().commit()
        world.writer_gone()
        actor = self.actor
        if stage.judge is not None:
            stage.judge.on_commit(actor)
        if world.unknown_commits:
            world.unknown_commits -= 1
            world.say("the COMMIT is done, its answer is lost")
            raise sqlite3.OperationalError(GONE)
        world.step("committed")

    def rollback(self) -> None:
        """ROLLBACK; also what the server does for a client that has died."""
        super().rollback()
        world = stage.world
        if world is not None and world.writer is self:
            world.writer_gone()

    def close(self) -> None:
        """Close; the server rolls back what was open."""
        super().close()
        world = stage.world
        if world is not None and world.writer is self:
            world.writer_gone()


def _must_arrive(world: World) -> None:
    actor = world.current
    assert actor is not None
    if actor.refuse_next:
        actor.refuse_next = False
        world.say("the connection is lost")
        raise sqlite3.OperationalError(GONE)
    if world.away_until > world.now or actor.host.cut_until > world.now:
        world.say("the database cannot be reached")
        raise sqlite3.OperationalError(GONE)


def options(original: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Wrap ``app.core.db.engine_options``: our connections, and enough of them kept for every actor."""

    def made(*arguments: Any, **more: Any) -> dict[str, Any]:
        found = original(*arguments, **more)
        connect = {**found.get("connect_args", {}), "factory": Connection, "timeout": 0}
        return {**found, "connect_args": connect, "pool_size": 30, "max_overflow": 10}

    return made


def on_connect(connection: Any, _record: Any) -> None:
    """Simulated time in SQL; no waiting in the driver, no syncing of a memory disk. Listens after the product."""
    if not isinstance(connection, Connection):
        return  # that of the migrations
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout=0")
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.close()
    connection.create_function("strftime", -1, _strftime)
    connection.is_quiet = False


def _strftime(form: str, *_moment: Any) -> str:
    """The present moment of the world in the form of ``app.core.db_time`` (six digits and ``000`` behind)."""
    world = stage.world
    if world is None:
        return "2026-01-01 00:00:00.000"
    return world.wall().strftime("%Y-%m-%d %H:%M:%S.%f")[:23]


def copy(source: str, target: str) -> None:
    """Make ``target`` a copy of the SQLite file ``source``: also of what lies in its write-ahead log alone."""
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target)) as made:
        read.backup(made)


class Outside:
    """Looks at what is committed, and removes it between histories. A plain connection: no step, no fault."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA synchronous=OFF")
        self._connection.execute("PRAGMA foreign_keys=OFF")
        # The log of changes refuses removal; histories need it to begin empty.
        self._connection.execute("DROP TRIGGER IF EXISTS tr_audit_logs_no_delete")
        run = self._connection.execute
        known = [row[0] for row in run("SELECT name FROM sqlite_master WHERE type = 'table'")]
        # What histories fill: all that is empty before the first one. Numbers begin at 1 again each time.
        self._filled = [name for name in known if run(f"SELECT NOT EXISTS (SELECT 1 FROM {name})").fetchone()[0]]  # noqa: S608

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        return self._connection.execute(sql, values).fetchall()

    def copy_to(self, path: str) -> None:
        """Copy the whole database into a new file."""
        with closing(sqlite3.connect(path)) as target:
            self._connection.backup(target)

    def drop_unique(self, *tables: str) -> None:
        """Make tables anew without their unique keys: a mechanism is taken away."""
        run = self._connection.execute
        for table in tables:
            sql = run("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone()[0]
            indexes = run(
                "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL", (table,)
            ).fetchall()
            run(f"DROP TABLE {table}")
            run(re.sub(r",\s*CONSTRAINT uq_\w+ UNIQUE \([^)]*\)", "", sql))
            for (index,) in indexes:
                run(index)

    def empty(self) -> None:
        """Make the database as it was before the first history."""
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        for name in self._filled:
            run(f"DELETE FROM {name}")  # noqa: S608 - names of tables
        run("COMMIT")
