"""Pooled connections to MySQL and MariaDB are checked and reset without a round trip where none is needed.

SQLAlchemy's own ways cost two in every unit of work: a ping when a connection is taken, a ROLLBACK when it is given
back after its COMMIT.
"""

from __future__ import annotations

import select
import time
from typing import Any

import pymysql
from pymysql.constants import SERVER_STATUS
from sqlalchemy import Connection, Engine, event, exc
from sqlalchemy.pool import Pool, PoolResetState

IDLE_SECONDS = 10.0  # after it a connection is pinged: a firewall forgets without a word
_SINCE = "millwright.idle_since"  # keys of the connection record's info; monotonic seconds
_COMMITTED = "millwright.committed"


def install() -> None:
    """Listen on every pool and engine of this process; other drivers than PyMySQL are left alone."""
    event.listen(Pool, "checkout", _on_checkout)
    event.listen(Pool, "reset", _on_reset)
    event.listen(Engine, "begin", _on_begin)
    event.listen(Engine, "commit", _on_commit)


def _on_checkout(connection: Any, record: Any, _proxy: Any) -> None:
    """Refuse a connection that the server has closed: the pool then makes another."""
    if not isinstance(connection, pymysql.connections.Connection):
        return
    record.info[_COMMITTED] = False
    since = record.info.get(_SINCE)
    if since is None or (time.monotonic() - since < IDLE_SECONDS and not _has_word(connection)):
        return
    try:
        connection.ping(reconnect=False)
    except (pymysql.err.Error, OSError) as error:
        raise exc.DisconnectionError from error


def _has_word(connection: Any) -> bool:
    """Say whether something waits to be read: the server's goodbye, or the end of the stream."""
    try:
        poll = select.poll()
        poll.register(connection._sock, select.POLLIN | select.POLLHUP)
        return bool(poll.poll(0))
    except (AttributeError, TypeError, ValueError, OSError):
        return True


def _on_begin(connection: Connection) -> None:
    connection.connection.info[_COMMITTED] = False


def _on_commit(connection: Connection) -> None:
    """Runs before the COMMIT: whether it worked is for the server's status to say (``_on_reset``)."""
    connection.connection.info[_COMMITTED] = True


def _on_reset(connection: Any, record: Any, state: PoolResetState) -> None:
    """Roll back what may be open when a connection comes back; a detached one (no record) is closed anyway."""
    if not isinstance(connection, pymysql.connections.Connection) or record is None:
        return
    in_transaction = getattr(connection, "server_status", 1) & SERVER_STATUS.SERVER_STATUS_IN_TRANS
    if not state.transaction_was_reset and (in_transaction or not record.info.get(_COMMITTED)):
        connection.rollback()
    record.info[_SINCE] = time.monotonic()
