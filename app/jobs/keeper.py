"""The keeper: one process, any number may run, one leads. Needs only the database.

Each second: dispatch sweep and reaping. Other slices add chores in ``app.wiring`` (due tickets, the audit
anchor, overdue connection tests), each with its own interval; a chore that fails is logged and tried again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select

from app.core import log_context
from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.retry import is_transient
from app.jobs import dispatch, watchdog, workers
from app.jobs.leader import Leadership
from app.jobs.models import PlatformFlag
from app.jobs.models_operations import KeeperChore

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
STUCK_SECONDS = 60  # a leader that finished no round for so long hangs, or has a great many dead runs to end
KEEPER_FLAG = "keeper_seen"  # platform_flags row that /ready reads


@dataclass(slots=True)
class Chore:
    """Something the leading keeper does every ``every_seconds``. Opens its own units of work."""

    name: str
    every_seconds: float
    work: Callable[[], object]
    next_at: float = field(default=0.0)
    runs: int = 0
    failures: int = 0
    seconds: float = 0.0  # that the last one took


_chores: list[Chore] = []


def add_chore(name: str, every_seconds: float, work: Callable[[], object]) -> None:
    """Register a chore; one of the same name is replaced."""
    _chores[:] = [chore for chore in _chores if chore.name != name]
    _chores.append(Chore(name, every_seconds, work))


def note_life(host: str, chores: Sequence[Chore] = ()) -> None:
    """Leave the sign of life that ``/ready`` reads, and what the chores did, for ``/metrics``."""
    with unit_of_work() as session:
        now = database_now()
        session.merge(PlatformFlag(name=KEEPER_FLAG, value=host, set_at=now))
        known = {row.name: row for row in session.scalars(select(KeeperChore))}
        for chore in chores:
            if not chore.runs:
                continue
            row = known.get(chore.name)
            if row is None:
                row = KeeperChore(name=chore.name)
                session.add(row)
            if row.rounds != chore.runs:
                row.rounds, row.failures, row.seconds = chore.runs, chore.failures, chore.seconds
                row.ran_at = now


class Keeper:
    """The loop. ``stop`` may come from a signal handler."""

    def __init__(self, host_name: str) -> None:
        self._leadership = Leadership()
        self._leases = watchdog.LeaseWatch()
        self._stopped = threading.Event()
        self._own = [
            Chore("sign of life", 5, lambda: note_life(host_name, [*self._own, *_chores])),
            Chore("dispatch sweep", TICK_SECONDS, dispatch.sweep),
            Chore("reap this host", TICK_SECONDS, watchdog.reap_this_host),
            Chore("reap by lease", 5, self._leases.reap),
            Chore("silent workers", 10, workers.mark_silent_offline),
            Chore("leftover spools", 300, watchdog.clear_leftovers),
        ]

    def stop(self) -> None:
        """End the loop after the present chore."""
        self._stopped.set()

    def run(self) -> None:
        """Work until ``stop``; a lost database is waited for."""
        log.info("keeper.started")
        while not self._stopped.is_set():
            self.tick()
            self._stopped.wait(TICK_SECONDS)
        self._leadership.release()
        log.info("keeper.stopped")

    def tick(self) -> bool:
        """Do what is due; False when another keeper leads or the database is away."""
        try:
            if not self._leadership.hold():
                return False
        except Exception as error:
            self._leases.forget()
            log.warning("keeper.no_database: %s", type(error).__name__)
            return False
        for chore in [*self._own, *_chores]:
            if time.monotonic() >= chore.next_at and not self._stopped.is_set():
                self._do(chore)
        return True

    def _do(self, chore: Chore) -> None:
        began = time.monotonic()
        chore.next_at = began + chore.every_seconds
        chore.runs += 1
        try:
            with log_context.carrying(chore=chore.name):
                chore.work()
        except Exception as error:
            chore.failures += 1
            if is_transient(error):
                self._leases.forget()
                log.warning("keeper.chore_postponed: %s (%s)", chore.name, type(error).__name__)
            else:
                log.exception("keeper.chore_failed: %s", chore.name)
        finally:
            chore.seconds = time.monotonic() - began
            db.session.remove()
