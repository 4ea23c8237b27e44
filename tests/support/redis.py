"""A private Redis for tests: redis-server or valkey-server from the PATH, else the bundled Valkey.

Fixture ``redis_server``: a running one with a password on a port of its own. ``stop()`` and ``start()`` keep its
data; ``freeze()`` makes it hang without closing anything.
"""

from __future__ import annotations

import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from app.standalone import broker
from tests.support.processes import Process, free_port, start, wait_until


class RedisServer:
    """One server. ``url`` is what MILLWRIGHT_REDIS_URL gets."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.password = secrets.token_hex(12)
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """URL with the password, database 0."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def process(self) -> Process:
        """The running process."""
        assert self._process is not None, "not started"
        return self._process

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.running

    def client(self) -> redis.Redis:
        """A new client; the caller closes it."""
        return redis.Redis(port=self.port, password=self.password, socket_timeout=5)

    def start(self) -> None:
        """Start it as production does: append-only file, nothing evicted."""
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "requirepass": self.password,
            "dir": str(self.folder),
            "appendonly": "yes",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        argv = [broker.find_program(), *(word for key, value in options.items() for word in (f"--{key}", value))]
        process = self._process = start(argv, name="redis", log=self.folder / "redis.log")

        def ready() -> bool:
            assert process.running, process.output()
            client = self.client()
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False
            finally:
                client.close()

        wait_until(ready, message="the private Redis")

    def stop(self) -> None:
        """Kill it; connections are refused from now on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def refuse_writes(self, refuse: bool) -> None:
        """Make it answer reads and refuse writes, as one whose disk is full does; or end that."""
        client = self.client()
        try:
            client.config_set("min-replicas-to-write", int(refuse))  # it has none
        finally:
            client.close()

    def freeze(self) -> None:
        """Make it hang."""
        self.process.kill(signal.SIGSTOP)

    def thaw(self) -> None:
        """End ``freeze``."""
        self.process.kill(signal.SIGCONT)


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A running Redis."""
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.stop()
