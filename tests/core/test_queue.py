"""T-BROKER: what somebody else puts into the broker is never loaded as a program."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Producer
from kombu.exceptions import ContentDisallowed

from app.core import queue, runtime
from config import Settings
from tests.support.environment import KEYS, PREFIX
from tests.support.processes import wait_until
from tests.support.redis import RedisServer


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.made),)


@pytest.fixture
def listening(redis_server: RedisServer, tmp_path: Path) -> Iterator[None]:
    """Celery set up as a worker's, on a broker of the test's own."""
    keys = {name.removeprefix(PREFIX).lower(): value for name, value in KEYS.items()}
    values = {"database_url": f"sqlite:///{tmp_path}/x.db", "data_dir": tmp_path, **keys}
    made = Settings(**values, redis_url=redis_server.url)
    runtime.configure(made)
    queue.configure_celery(made)
    yield
    queue.celery_app.pool.force_close_all()
    plain = Settings(**values)
    runtime.configure(plain)
    queue.configure_celery(plain)


def test_a_pickled_message_is_discarded_and_never_loaded(listening: None, tmp_path: Path) -> None:
    trap, refused = tmp_path / "loaded", list[object]()
    with queue.celery_app.connection_for_write() as connection:
        channel = connection.channel()
        consumer = queue.celery_app.amqp.TaskConsumer(
            channel,
            queues=[queue.celery_app.amqp.queues[queue.RUN_QUEUE]],
            on_decode_error=lambda message, error: refused.append(error) or message.ack(),
        )
        consumer.register_callback(lambda *_args: pytest.fail("it was loaded"))
        Producer(connection.channel()).publish(Evil(trap), routing_key=queue.RUN_QUEUE, serializer="pickle")
        with consumer:

            def gone() -> bool:
                connection.drain_events(timeout=5)
                return bool(refused)

            wait_until(gone, message="the message")
    assert isinstance(refused[0], ContentDisallowed)
    assert not trap.exists()


@pytest.mark.parametrize(("protocol", "understood"), [(-1, True), (0, True), (1, True), (2, False), (-2, False)])
def test_messages_of_the_version_before_and_after_are_understood(protocol: int, understood: bool) -> None:
    assert queue.understands(queue.PROTOCOL + protocol) is understood
    assert not queue.understands(str(queue.PROTOCOL))
