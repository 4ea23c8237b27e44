"""The stack of real processes that tests start."""

from __future__ import annotations

import pytest

from tests.support.redis import RedisServer
from tests.support.stack import Stack


@pytest.mark.stack
@pytest.mark.database
def test_a_killed_web_process_is_seen_and_another_takes_its_place(stack: Stack) -> None:
    first = stack.start_web()
    assert {process.pid for process in stack.census()} >= {first.pid}

    first.kill()
    first.wait()
    stack.start_web()

    assert stack.answers()
    assert f"--- web (pid {first.pid})" in stack.logs()
    stack.stop()
    assert stack.census() == []
    assert not stack.answers()


def test_a_redis_keeps_its_messages_over_a_kill(redis_server: RedisServer) -> None:
    client = redis_server.client()
    client.set("key", "value")
    redis_server.stop()
    redis_server.start()
    assert client.get("key") == b"value"
    client.close()
