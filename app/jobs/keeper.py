"""The keeper: one process, any number may run, one leads. Needs only the database.

Each second: dispatch sweep and reaping. Other slices add chores in ``app.wiring`` (due tickets, the audit
anchor, overdue connection tests), each with its own interval; a chore that fails is logged and tried again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.retry import is_transient
from app.jobs import dispatch, watchdog, workers
from app.jobs.leader import Leadership
from app.jobs.models import PlatformFlag

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
KEEPER_FLAG = "keeper_seen"  # platform_flags row that /ready reads


@dataclass(slots=True)
class Chore:
    """Something the leading keeper does every ``every_seconds``. Opens its own units of work."""

    name: str
    every_seconds: float
    work: Callable[[], object]
    next_at: float = field(default=0.0)


_chores: list[Chore] = []


def add_chore(name: str, every_seconds: float, work: Callable[[], object]) -> None:
    """Register a chore; one of the same name is replaced."""
    _chores[:] = [chore for chore in _chores if chore.name != name]
    _chores.append(Chore(name, every_seconds, work))


def note_life(host: str) -> None:
    """Leave the sign of life that ``/ready`` reads."""
    with unit_of_work() as session:
        session.merge(PlatformFlag(name=KEEPER_FLAG, value=host, set_at=database_now()))


class Keeper:
    """The loop. ``stop`` may come from a signal handler."""

    def __init__(self, host_name: str) -> None:
        self._leadership = Leadership()
        self._leases = watchdog.LeaseWatch()
        self._stopped = threading.Event()
        self._own = [
            Chore("sign of life", 5, lambda: note_life(host_name)),
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
        chore.next_at = time.monotonic() + chore.every_seconds
        try:
            chore.work()
        except Exception as error:
            if is_transient(error):
                self._leases.forget()
                log.warning("keeper.chore_postponed: %s (%s)", chore.name, type(error).__name__)
            else:
                log.exception("keeper.chore_failed: %s", chore.name)
        finally:
            db.session.remove()
