"""An executor's own end of its lease: who cannot reach the platform stops before the platform gives him up.

Only for several hosts (setting ``self_fence_seconds``, 0: off): on one host the watchdog judges by process, and a
database that is away must not stop running playbooks. A thread watches, because the carrying thread may hang in a call
to the database for as long as its read timeout.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

CHECK_SECONDS = 1.0


def lease_clock() -> float:
    """Return seconds that nobody sets: they go on while the machine sleeps, as the lease does elsewhere."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SelfFence:
    """Calls ``stop`` once when the lease was last renewed ``seconds`` ago by ``lease_clock`` (0: never).

    ``since`` and what ``renewed`` is told are moments *before* the request was sent: the platform counts from a later
    one. Use as a context manager around the carrying.
    """

    def __init__(self, seconds: float, since: float, stop: Callable[[], None]) -> None:
        self._seconds = seconds
        self._since = since
        self._stop = stop
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="self-fence", daemon=True) if seconds else None

    def __enter__(self) -> SelfFence:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def renewed(self, asked_at: float) -> None:
        """The lease was renewed by a request sent at ``asked_at``."""
        self._since = asked_at

    def _watch(self) -> None:
        while True:
            left = self._since + self._seconds - lease_clock()
            if left <= 0:
                log.error("run.self_fenced: no word with the platform for %s s", self._seconds)
                self._stop()
                return
            if self._over.wait(min(left, CHECK_SECONDS)):
                return
