"""Which keeper leads: a lock in the database, held by a connection of its own; on SQLite a locked file."""

from __future__ import annotations

import fcntl
import os
from typing import Any

from sqlalchemy import Connection, func, select

from app.core.db import db
from app.core.runtime import settings

LOCK_NAME = "millwright.keeper"


class Leadership:
    """Holds or seeks the lock. Not thread-safe. ``lost`` connections give it up by themselves."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._file: int | None = None

    def hold(self) -> bool:
        """Say whether this process leads now, taking the lock when it is free. Raises on a lost database."""
        if settings().is_sqlite:
            return self._hold_file()
        if self._connection is not None:
            try:
                mine = self._connection.scalar(select(func.is_used_lock(LOCK_NAME) == func.connection_id()))
            except Exception:
                self.release()
                raise
            if mine:
                return True
            self.release()
        connection = db.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if connection.scalar(select(func.get_lock(LOCK_NAME, 0))) == 1:
            self._connection = connection
            return True
        connection.close()
        return False

    def _hold_file(self) -> bool:
        if self._file is not None:
            return True
        directory = settings().data_dir
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(directory / "keeper.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._file = descriptor
        return True

    def release(self) -> None:
        """Give the lock up."""
        connection: Any = self._connection
        self._connection = None
        if connection is not None:
            connection.invalidate()
            connection.close()
        if self._file is not None:
            os.close(self._file)
            self._file = None
