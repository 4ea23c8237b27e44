"""The beats of a run that is carried: what is wanted, each second, and the lease, now and then.

Hearing is a read. Renewing is a write that is committed, and a hundred runs would make a hundred of them a second for
nothing: nobody looks at a lease more finely than by its length.
"""

from __future__ import annotations

import logging
import time

from app.core.runtime import settings
from app.jobs.port import Claim, EnginePort, Fenced, Orders
from app.jobs.self_fence import SelfFence, lease_clock
from app.runners.base import StopReason
from app.runners.launcher import RunHandle

log = logging.getLogger(__name__)

LISTEN_SECONDS = 1.0  # a cancel request is seen within 2 s
RENEW_SECONDS = 5.0
RENEWALS_OF_A_LEASE = 10  # so many at least, and a quarter of it before the executor would stop by itself
RENEWALS_OF_A_FENCE = 4


def renew_seconds() -> float:
    """Return how often a lease is renewed by the present settings."""
    chosen = settings()
    every = min(RENEW_SECONDS, chosen.lease_seconds / RENEWALS_OF_A_LEASE)
    if chosen.self_fence_seconds:
        every = min(every, chosen.self_fence_seconds / RENEWALS_OF_A_FENCE)
    return every


class Heart:
    """Keeps one run's lease and passes on what the platform wants. ``stopping``: the engine was told to end."""

    def __init__(self, port: EnginePort, claim: Claim, handle: RunHandle, fence: SelfFence) -> None:
        self.stopping = False
        self._hurried = False
        self._port = port
        self._claim = claim
        self._handle = handle
        self._fence = fence
        self._listen_at = self._renew_at = time.monotonic()

    def beat(self) -> None:
        """Listen or renew when it is time; raises Fenced when the run is not ours any more."""
        now = time.monotonic()
        if now < self._listen_at:
            return
        orders = self._ask(renews=now >= self._renew_at)
        self._listen_at = time.monotonic() + LISTEN_SECONDS
        if orders is None:
            return
        if orders.cancel_forced and not self._hurried:
            self._handle.stop(StopReason.CANCEL)
            self._handle.hurry()
            self.stopping = self._hurried = True
        if self.stopping:
            return
        if orders.cancel_requested or orders.drain:
            self._handle.stop(StopReason.CANCEL if orders.cancel_requested else StopReason.SHUTDOWN)
            self.stopping = True

    def _ask(self, *, renews: bool) -> Orders | None:
        asked_at = lease_clock()
        try:
            if not renews:
                return self._port.listen(self._claim)
            orders = self._port.heartbeat(self._claim)
        except Fenced:
            raise
        except Exception as error:  # the database is away: the engine goes on, the spool keeps its lines
            log.warning("run.heartbeat_missed: %s", type(error).__name__)
            return None
        self._fence.renewed(asked_at)
        self._renew_at = time.monotonic() + renew_seconds()
        return orders
