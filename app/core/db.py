"""The database: metadata, engine settings, sessions and the unit of work.

One unit of work per request or task commits once (``unit_of_work``). Nothing else commits. The order inside
its end: flush, audit entries (its last statements), COMMIT, then what waits for the commit (doorbells).
"""

from __future__ import annotations

import sqlite3
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine, MetaData, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session

from app.core import pool

if TYPE_CHECKING:
    from config import Settings

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
TABLE_OPTIONS = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_unicode_ci"))
}


class Model(DeclarativeBase):
    """Base of every mapped class."""

    metadata = MetaData(naming_convention=NAMING)


# Rows stay readable after the unit that loaded them; no session outlives its unit, so none of them goes stale.
db = SQLAlchemy(model_class=Model, disable_autonaming=True, session_options={"expire_on_commit": False})

COMMIT_UNKNOWN = "millwright_commit_unknown"  # attribute of an error: the connection broke during the COMMIT
# The server closes a connection that is silent this long: one whose other end vanished without a word would hold the
# locks of its transaction for hours, and nobody could end the run of a worker that is cut off.
IDLE_CONNECTION_SECONDS = 120
# Keys of Session.info
_WRITES = "millwright.writes"
_BEFORE = "millwright.before_commit"
_AFTER = "millwright.after_commit"
_IN_UNIT = "millwright.in_unit"


def engine_options(settings: Settings, *, pool_size: int | None = None) -> dict[str, Any]:
    """Return SQLAlchemy's engine options for this database; the document's pool figures for the web role."""
    if settings.is_sqlite:
        # 30 s: a writer waits for another's IMMEDIATE transaction, which is short by design.
        # isolation_level None: the driver begins nothing by itself, _on_sqlite_begin does.
        return {"connect_args": {"timeout": 30, "check_same_thread": False, "isolation_level": None}}
    connect: dict[str, Any] = {
        "charset": "utf8mb4",
        "connect_timeout": 5,
        "read_timeout": 60,
        "write_timeout": 60,
        "init_command": f"SET SESSION time_zone = '+00:00', wait_timeout = {IDLE_CONNECTION_SECONDS}, sql_mode = "
        "'STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
    }
    if settings.database_ssl_ca is not None:
        context = ssl.create_default_context(cafile=str(settings.database_ssl_ca))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        connect["ssl"] = context
    return {
        "connect_args": connect,
        "isolation_level": "READ COMMITTED",
        "pool_reset_on_return": None,  # core/pool.py resets and checks, without a round trip where it can
        "pool_size": pool_size or settings.database_pool_size,
        "pool_timeout": settings.database_pool_timeout_seconds,
        "pool_recycle": settings.database_pool_recycle_seconds,
        "max_overflow": settings.database_max_overflow,
    }


def _on_sqlite_connect(connection: Any, _record: Any) -> None:
    if not isinstance(connection, sqlite3.Connection):
        return
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # a committed line survives a power cut, as on InnoDB
    cursor.execute("PRAGMA busy_timeout=30000")
    cursor.close()


def _on_sqlite_begin(connection: Any) -> None:
    """Begin explicitly: the driver's own handling breaks SAVEPOINT, and a deferred writer fails at once."""
    if connection.dialect.name == "sqlite":
        mode = connection.get_execution_options().get("sqlite_begin", "IMMEDIATE")
        connection.exec_driver_sql(f"BEGIN {mode}")


event.listen(Engine, "connect", _on_sqlite_connect)
event.listen(Engine, "begin", _on_sqlite_begin)
pool.install()


class UnitOfWorkError(RuntimeError):
    """A unit of work was used wrongly (nested, or a hook outside of one)."""


def _start(session: Session, *, writes: bool) -> None:
    session.info[_WRITES] = writes
    session.info[_BEFORE] = {}
    session.info[_AFTER] = []
    session.info[_IN_UNIT] = True
    if not writes and session.get_bind().dialect.name == "sqlite":
        session.connection(execution_options={"sqlite_begin": "DEFERRED"})


def _finish(session: Session) -> list[Callable[[], None]]:
    session.flush()
    for hook in list(session.info[_BEFORE].values()):
        hook()
    session.flush()
    try:
        session.commit()
    except DBAPIError as error:
        if error.connection_invalidated:
            setattr(error, COMMIT_UNKNOWN, True)
        raise
    hooks: list[Callable[[], None]] = session.info[_AFTER]
    return hooks


@contextmanager
def unit_of_work(*, writes: bool = True) -> Iterator[Session]:
    """Commit once at the end, roll back on any exception (and drop what waited for the commit).

    ``writes=False`` is for requests that only read: SQLite then takes no write lock. Units do not nest:
    UnitOfWorkError. What ``after_commit`` registered runs after the COMMIT, in order; an exception there
    reaches the caller although the change is stored, so hooks catch what they expect.
    """
    session = db.session()
    if session.info.get(_IN_UNIT):
        raise UnitOfWorkError("a unit of work is already open; units do not nest")
    hooks: list[Callable[[], None]] = []
    try:
        _start(session, writes=writes)
        yield session
        hooks = _finish(session)
    except BaseException:
        session.rollback()
        raise
    finally:
        session.info[_IN_UNIT] = False
        session.info[_BEFORE] = {}
        session.info[_AFTER] = []
        db.session.remove()
    for hook in hooks:
        hook()


def in_unit_of_work() -> bool:
    """Say whether this context's session is inside a unit of work."""
    return bool(db.session().info.get(_IN_UNIT))


def before_commit(key: str, hook: Callable[[], None]) -> None:
    """Run ``hook`` as the last statements of this unit of work; a second one with the same key is ignored."""
    session = db.session()
    if not session.info.get(_IN_UNIT):
        raise UnitOfWorkError("before_commit needs an open unit of work")
    session.info[_BEFORE].setdefault(key, hook)


def after_commit(hook: Callable[[], None]) -> None:
    """Run ``hook`` once this unit of work is committed; it is dropped when the unit is rolled back."""
    session = db.session()
    if not session.info.get(_IN_UNIT):
        raise UnitOfWorkError("after_commit needs an open unit of work")
    session.info[_AFTER].append(hook)


def is_writing() -> bool:
    """Say whether the open unit of work may write."""
    return bool(db.session().info.get(_WRITES, True))
