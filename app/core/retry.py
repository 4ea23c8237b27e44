"""Whole transactions tried again: deadlocks, lost connections, a database that is away for a while."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

log = logging.getLogger(__name__)

Result = TypeVar("Result")
# 1213 deadlock, 1205 lock wait, 1020 snapshot conflict (MariaDB); 1040 too many connections,
# 1053 shutdown in progress, 1927 connection killed; 2002, 2003, 2006, 2013 no connection or lost (client side).
TRANSIENT = frozenset({1020, 1040, 1053, 1205, 1213, 1927, 2002, 2003, 2006, 2013})
# 3 and 1026 a write failed, 1021 disk full, 1114 a table cannot grow. 1030 and 1180 carry an errno in their text.
DISK_FULL = frozenset({3, 1021, 1026, 1114})
_NO_SPACE = ("error 28", "errno: 28", "no space left", "database or disk is full", "disk full")
# 1290, 1836: the server takes no writes, as during a change of its leader.
READ_ONLY = frozenset({1290, 1836})
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 2.0


def is_transient(error: BaseException) -> bool:
    """Say whether trying the whole transaction again may help."""
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    code = _code(error)
    if error.connection_invalidated or code in TRANSIENT or code == 0:  # PyMySQL: 0 for a closed socket
        return True
    if code in READ_ONLY or is_disk_full(error):
        return True
    text = str(error.orig)
    return "database is locked" in text or "disk I/O error" in text or "unable to open database" in text


def is_disk_full(error: BaseException) -> bool:
    """Say whether the database could not write for want of room: it goes on by itself once somebody made some."""
    if not isinstance(error, DBAPIError):
        return False
    text = str(error.orig).lower()
    return _code(error) in DISK_FULL or any(words in text for words in _NO_SPACE)


def _code(error: DBAPIError) -> object:
    arguments = error.orig.args if error.orig is not None else ()
    return arguments[0] if arguments else None


def retrying(
    work: Callable[[], Result],
    *,
    attempts: int | None = 5,
    give_up: Callable[[], bool] = lambda: False,
) -> Result:
    """Call ``work`` (one whole unit of work) until it succeeds; return its result.

    Only transient database errors are tried again, with growing pauses and jitter (at most 2 s each).
    ``attempts`` None means for ever; ``give_up`` is asked before each pause and ends it by raising the error.
    The outcome of a commit that failed may be unknown: ``work`` must be safe to repeat (compare-and-set).
    """
    pause = FIRST_PAUSE_SECONDS
    tried = 0
    while True:
        try:
            return work()
        except Exception as error:
            tried += 1
            if not is_transient(error) or (attempts is not None and tried >= attempts) or give_up():
                raise
            if tried in (1, 10) or tried % 100 == 0:
                log.warning("database: trying again (%s)", type(getattr(error, "orig", error)).__name__)
        time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
