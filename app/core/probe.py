"""Short looks at the database for whoever watches the platform: answered within a second or given up.

The connections of pages and workers wait for up to a minute, which is right for them. A database that takes
connections and says nothing must not make a health check wait so long, nor may a pool in which every connection is
in use: these looks have a connection of their own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from app.core.db import engine_options
from app.core.runtime import settings
from config import Settings

ANSWER_SECONDS = 0.6  # for connecting, and for each statement

_engines: dict[str, Engine] = {}
_lock = threading.Lock()


def _engine(settings: Settings) -> Engine:
    with _lock:
        if settings.database_url not in _engines:
            options = engine_options(settings)
            arguments: dict[str, Any] = {**options["connect_args"]}
            if settings.is_sqlite:
                arguments["timeout"] = ANSWER_SECONDS
            else:
                arguments |= dict.fromkeys(("connect_timeout", "read_timeout", "write_timeout"), ANSWER_SECONDS)
            made: dict[str, Any] = {"connect_args": arguments, "poolclass": NullPool}
            if not settings.is_sqlite:
                made["isolation_level"] = options["isolation_level"]
            _engines[settings.database_url] = create_engine(settings.database_url, **made)
        return _engines[settings.database_url]


@contextmanager
def looking() -> Iterator[Session]:
    """Give a session that only reads; SQLAlchemyError when the database does not answer within ANSWER_SECONDS."""
    with Session(_engine(settings())) as session:
        if settings().is_sqlite:
            session.connection(execution_options={"sqlite_begin": "DEFERRED"})
        try:
            yield session
        finally:
            session.expunge_all()  # what was read stays readable: a rollback would forget it
            session.rollback()
