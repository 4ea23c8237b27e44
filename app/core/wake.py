"""Wakes waiting tails through Redis publish/subscribe. A lost wake-up costs a second, never a line."""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.core.runtime import settings
from config import Settings

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
    return redis.Redis.from_url(url, **options, **tls_options(settings()))


def tls_options(settings: Settings) -> dict[str, Any]:
    """Return how to speak TLS with Redis: 1.2 or newer, certificate and name checked; empty without ``rediss://``.

    In the words of redis-py, which kombu takes too.
    """
    if not settings.redis_url.startswith("rediss://"):
        return {}
    options: dict[str, Any] = {
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_min_version": ssl.TLSVersion.TLSv1_2,
    }
    if settings.redis_ssl_ca is not None:  # else the system's authorities
        options["ssl_ca_certs"] = str(settings.redis_ssl_ca)
    return options


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
