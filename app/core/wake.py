"""Wakes waiting tails through Redis publish/subscribe. A lost wake-up costs a second, never a line."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.core.runtime import settings

log = logging.getLogger(__name__)

PREFIX = "millwright:wake:"
RETRY_SECONDS = 2.0  # how long a failing Redis is left alone

_lock = threading.Lock()
_client: redis.Redis | None = None
_blocked_until = 0.0


def connect(timeout: float = 0.3) -> redis.Redis:
    """Return a new client for the configured Redis; ``timeout`` in seconds for connecting and answers."""
    url = settings().redis_url
    # redis-py tries three times with pauses of seconds; who asks here has no seconds.
    once = Retry(NoBackoff(), 0)
    options: dict[str, Any] = {"socket_connect_timeout": timeout, "socket_timeout": timeout, "retry": once}
    if url.startswith("redis+socket://"):
        path = url.removeprefix("redis+socket://").split("?")[0]
        return redis.Redis(unix_socket_path=path, socket_timeout=timeout, retry=once)
    if settings().redis_ssl_ca is not None:
        options["ssl_ca_certs"] = str(settings().redis_ssl_ca)
    return redis.Redis.from_url(url, **options)


def _quickly(act: Callable[[redis.Redis], object]) -> bool:
    """Do something on the shared client; False at once while Redis is known to be away."""
    global _client, _blocked_until
    if time.monotonic() < _blocked_until:
        return False
    try:
        with _lock:
            if _client is None:
                _client = connect()
            client = _client
        act(client)
    except (redis.RedisError, OSError) as error:
        _blocked_until = time.monotonic() + RETRY_SECONDS
        log.info("redis: %s", type(error).__name__)
        return False
    return True


def wake(topic: str) -> None:
    """Tell whoever listens on ``topic`` to look at the database. Never raises, never waits long."""
    _quickly(lambda client: client.publish(PREFIX + topic, b"1"))


def is_reachable() -> bool:
    """Say within a fraction of a second whether Redis answers; asked before anything that would wait longer."""
    return _quickly(lambda client: client.ping())


def forget_connection() -> None:
    """Drop the client; called in a child after a fork."""
    global _client
    _client = None
