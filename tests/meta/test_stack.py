"""The stack of real processes that tests start."""

from __future__ import annotations

import pytest

from tests.support.processes import wait_until
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


@pytest.mark.stack
def test_a_whole_platform_starts_and_leaves_nothing_alive(stack: Stack) -> None:
    stack.first_admin()
    stack.start()
    worker, keeper = stack.workers[0], stack.keepers[0]
    wait_until(lambda: keeper.running and len(stack.census()) > 4, message="web, worker with children, keeper")

    stack.stop()

    assert stack.census() == []
    assert not worker.running
    assert not keeper.running
