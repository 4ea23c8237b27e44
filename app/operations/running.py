"""Is the platform at work on this database? Asked by raw SQL, so that it holds before and after an upgrade."""

from __future__ import annotations

import fcntl
import os
from datetime import timedelta

from sqlalchemy import Connection, inspect, text

from app.core.clock import utc_now
from app.operations.errors import OperationStopped
from config import Settings

SILENT = timedelta(seconds=60)  # whoever reported later than that is taken for running


def require_stopped(settings: Settings, connection: Connection) -> None:
    """Raise OperationStopped while a worker or keeper works on this database; it names them with their versions."""
    alive = running(settings, connection)
    if alive:
        raise OperationStopped(
            f"The platform is at work: {', '.join(alive)}. Stop web, workers and keeper, wait a minute, then try again."
        )


def running(settings: Settings, connection: Connection) -> list[str]:
    """Return what works on this database, in words."""
    tables = set(inspect(connection).get_table_names())
    since = (utc_now() - SILENT).replace(tzinfo=None)
    alive = []
    if "workers" in tables:
        question = "SELECT name, version FROM workers WHERE state <> 'offline' AND last_seen_at >= :since"
        rows = connection.execute(text(question), {"since": since})
        alive += [f"worker {row.name} (version {row.version})" for row in rows]
    if (settings.is_sqlite and _is_held(settings)) or (
        not settings.is_sqlite and connection.scalar(text("SELECT IS_USED_LOCK('millwright.keeper')")) is not None
    ):
        alive.append("a keeper")
    return alive


def _is_held(settings: Settings) -> bool:
    path = settings.data_dir / "keeper.lock"
    if not path.exists():
        return False
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
