"""What asks Redis in a request never waits for it."""

from __future__ import annotations

import time
from typing import Any

import pytest
import redis

from app.core import queue, wake


@pytest.fixture(autouse=True)
def _unblocked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wake, "_blocked_until", 0.0)
    monkeypatch.setattr(wake, "_client", None)


@pytest.mark.usefixtures("app_context")
def test_a_doorbell_without_a_broker_tries_once_and_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    assert queue.ring(1) is False
    assert pauses == []


@pytest.mark.usefixtures("app_context")
def test_a_redis_that_is_away_is_left_alone_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def connect(timeout: float = 0.3) -> Any:
        tries.append("try")
        raise redis.ConnectionError

    monkeypatch.setattr(wake, "connect", connect)
    for _ in range(5):
        wake.wake("run:1")
        assert not wake.is_reachable()
    assert tries == ["try"]
