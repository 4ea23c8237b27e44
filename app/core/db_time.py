"""Database time in SQL: the clock that decides state."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.schema import FetchedValue
from sqlalchemy.sql.expression import ColumnElement, FunctionElement

from app.core.clock import utc_now
from app.core.column_types import UTCDateTime
from app.core.db import db

_SQLITE_NOW = "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '000')"


class db_now(FunctionElement[datetime]):  # noqa: N801 - reads as a SQL function
    """The database's present moment, UTC, six digits (SQLite: three and zeros)."""

    name = "db_now"
    type = UTCDateTime()
    # Only a FunctionElement has a cache key to inherit; without one each statement with it is compiled anew.
    inherit_cache = True


@compiles(db_now)
def _now_on_servers(_element: db_now, _compiler: Any, **_kw: Any) -> str:
    return "UTC_TIMESTAMP(6)"


@compiles(db_now, "sqlite")
def _now_on_sqlite(_element: db_now, _compiler: Any, **_kw: Any) -> str:
    return _SQLITE_NOW


class CreatedDefault(ColumnElement[datetime]):
    """DDL default of ``created_at`` columns: now, in UTC (sessions run in UTC)."""

    inherit_cache = True


@compiles(CreatedDefault)
def _created_on_servers(_element: CreatedDefault, _compiler: Any, **_kw: Any) -> str:
    return "CURRENT_TIMESTAMP(6)"


@compiles(CreatedDefault, "sqlite")
def _created_on_sqlite(_element: CreatedDefault, _compiler: Any, **_kw: Any) -> str:
    return _SQLITE_NOW


class UpdatedDefault(CreatedDefault):
    """DDL default of ``updated_at``: now, and again at every UPDATE (SQLite: by a trigger of the migration)."""

    inherit_cache = True


@compiles(UpdatedDefault)
def _updated_on_servers(_element: UpdatedDefault, _compiler: Any, **_kw: Any) -> str:
    return "CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"


@compiles(UpdatedDefault, "sqlite")
def _updated_on_sqlite(_element: UpdatedDefault, _compiler: Any, **_kw: Any) -> str:
    return _SQLITE_NOW


_NOW = select(db_now())  # built once: every unit of work of the engine asks


def database_now() -> datetime:
    """Ask the database for its present moment (one round trip)."""
    moment: datetime | None = db.session.scalar(_NOW)
    assert moment is not None
    return moment


class Created:
    """Mixin: ``created_at``, set by the application, with a default in the database."""

    created_at: Mapped[datetime] = mapped_column(
        UTCDateTime, nullable=False, default=utc_now, server_default=CreatedDefault()
    )


class Timestamped(Created):
    """Mixin: ``created_at`` and ``updated_at``, both kept by the database too."""

    updated_at: Mapped[datetime] = mapped_column(
        UTCDateTime,
        nullable=False,
        default=utc_now,
        onupdate=utc_now,
        server_default=UpdatedDefault(),
        server_onupdate=FetchedValue(),
    )
