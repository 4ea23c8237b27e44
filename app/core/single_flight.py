"""One answer for many who ask at once: a costly question is asked by one thread, the others wait for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class SingleFlight(Generic[Answer]):
    """Calls ``ask`` in one thread at a time. An answer younger than ``fresh_seconds`` is given again.

    With 0 an answer is shared only with those who came before it was asked for: nobody gets an old truth.
    """

    def __init__(self, ask: Callable[[], Answer], fresh_seconds: float = 0.0) -> None:
        self._ask = ask
        self.fresh_seconds = fresh_seconds
        self._lock = threading.Lock()
        self._began = -float("inf")
        self._answer: Answer | None = None

    def get(self, wait_seconds: float) -> Answer | None:
        """Return an answer; None when whoever asks now needs longer than ``wait_seconds``. Raises what ``ask`` does."""
        came = time.monotonic()
        if not self._lock.acquire(timeout=wait_seconds):
            return None
        try:
            if self._answer is None or self._began < came - self.fresh_seconds:
                self._began, self._answer = time.monotonic(), None
                self._answer = self._ask()
            return self._answer
        finally:
            self._lock.release()
