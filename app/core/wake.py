"""Wakes waiting tails through Redis publish/subscribe. A lost wake-up costs a second, never a line."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import redis

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
    options: dict[str, Any] = {"socket_connect_timeout": timeout, "socket_timeout": timeout}
    if url.startswith("redis+socket://"):
        path = url.removeprefix("redis+socket://").split("?")[0]
        return redis.Redis(unix_socket_path=path, socket_timeout=timeout)
    if settings().redis_ssl_ca is not None:
        options["ssl_ca_certs"] = str(settings().redis_ssl_ca)
    return redis.Redis.from_url(url, **options)


def wake(topic: str) -> None:
    """Tell whoever listens on ``topic`` to look at the database. Never raises, never waits long."""
    global _client, _blocked_until
    if time.monotonic() < _blocked_until:
        return
    try:
        with _lock:
            if _client is None:
                _client = connect()
            client = _client
        client.publish(PREFIX + topic, b"1")
    except (redis.RedisError, OSError) as error:
        _blocked_until = time.monotonic() + RETRY_SECONDS
        log.info("wake-up not sent: %s", type(error).__name__)


def forget_connection() -> None:
    """Drop the client; called in a child after a fork."""
    global _client
    _client = None
