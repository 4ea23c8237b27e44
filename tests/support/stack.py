"""The platform as real processes: gunicorn, Celery workers and keepers on private ports, against a test database.

Fixture ``stack`` (mark the test ``stack``; with ``database`` too it runs on every database):
    stack.start()                     web, one worker, one keeper; or one by one: start_web(), start_worker(), ...
    stack.base_url                    where the web process answers
    stack.web / .workers / .keepers   Process objects: .pid, .kill(signal.SIGKILL), .wait(), .output()
    stack.census()                    live processes of the platform itself (not those of runs: they carry their own
                                      marker; see ``processes_with_marker``)
    stack.flask("audit", "verify")    a command of the platform
    stack.first_admin()               the first administrator, made by the product's own first start
The logs of all processes are attached to the report of a failing test.
"""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator
from pathlib import Path

import psutil
import pytest

from app.standalone import platform
from tests.support.databases import ROOT, TestDatabase, run_flask
from tests.support.environment import process_environment, settings_environment
from tests.support.processes import Process, free_port, processes_with_marker, start, wait_until
from tests.support.redis import RedisServer

MARKER = "MILLWRIGHT_TEST_STACK"
LOG_LIMIT = 6_000  # characters of each process in the report of a failing test


class Stack:
    """One platform. ``settings`` may be changed until a process is started."""

    def __init__(self, folder: Path, database: TestDatabase, redis_server: RedisServer) -> None:
        self.folder = folder
        self.database = database
        self.redis = redis_server
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.data_dir = folder / "data"
        self.marker = secrets.token_hex(8)
        self.settings = settings_environment(
            database.app_url,
            self.data_dir,
            redis_url=redis_server.url,
            public_url=self.base_url,
            drain_seconds="5",
            worker_concurrency="2",
        )
        self.web: Process | None = None
        self.workers: list[Process] = []
        self.keepers: list[Process] = []
        self._started: list[Process] = []

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the platform's processes."""
        return process_environment({**self.settings, MARKER: self.marker, "WEB_CONCURRENCY": "1"})

    def _launch(self, name: str, argv: list[str]) -> Process:
        log = self.folder / f"{name}-{len(self._started)}.log"
        process = start(argv, name=name, log=log, env=self.environment, cwd=ROOT)
        self._started.append(process)
        return process

    def start(self) -> None:
        """Start web, one worker and one keeper; returns when the web process answers and the worker listens."""
        self.start_keeper()
        worker, web = self.launch_worker(), self._launch_web()
        self._await_worker(worker)
        self._await_web(web)

    def start_web(self) -> Process:
        """Start gunicorn and wait until it answers itself, not an orphan of one that was killed before."""
        process = self._launch_web()
        self._await_web(process)
        return process

    def _launch_web(self) -> Process:
        self.web = self._launch("web", platform.web_command("127.0.0.1", self.port))
        return self.web

    def _await_web(self, process: Process) -> None:
        def ready() -> bool:
            return self._alive(process) and "Booting worker" in process.output() and self.answers()

        wait_until(ready, timeout=60, message="the web process")

    def start_worker(self) -> Process:
        """Start one more Celery worker and wait until it listens."""
        process = self.launch_worker()
        self._await_worker(process)
        return process

    def _await_worker(self, process: Process) -> None:
        wait_until(lambda: self._alive(process) and "ready." in process.output(), timeout=60, message="the worker")

    def launch_worker(self) -> Process:
        """Start one more Celery worker without waiting for anything."""
        process = self._launch("worker", platform.worker_command(f"w{len(self.workers)}-{self.marker}"))
        self.workers.append(process)
        return process

    def start_keeper(self) -> Process:
        """Start one more keeper; it shows what it does in the database."""
        process = self._launch("keeper", platform.keeper_command())
        self.keepers.append(process)
        return process

    def _alive(self, process: Process) -> bool:
        assert process.running, f"{process.name} ended while starting:\n{process.output()}"
        return True

    def answers(self) -> bool:
        """Whether the web process answers at all."""
        try:
            urllib.request.urlopen(self.base_url + platform.HEALTH_PATH, timeout=2).close()
        except urllib.error.HTTPError as error:
            error.close()
            return True
        except OSError:
            return False
        return True

    def flask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a ``flask`` command with the stack's settings; the exit code is the caller's."""
        return run_flask(self.environment, *arguments)

    def first_admin(self) -> dict[str, str]:
        """Make the first administrator; returns ``username`` and the one-time ``password``."""
        command = [sys.executable, "-m", "app.standalone.first_start"]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        made: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
        return made

    def census(self) -> list[psutil.Process]:
        """Live processes of this platform: web, workers with their pool children, keepers."""
        return processes_with_marker(f"{MARKER}={self.marker}")

    def logs(self) -> str:
        """The newest lines of every process that was started."""
        parts = [f"--- {p.name} (pid {p.pid})\n{p.output(LOG_LIMIT)}" for p in self._started]
        return "\n".join(parts)

    def stop(self) -> None:
        """Stop everything that still runs: SIGTERM to all at once, then SIGKILL."""
        for process in self._started:
            if process.running:
                process.kill(signal.SIGTERM)
        for process in reversed(self._started):
            process.stop(grace=10)
        for left in self.census():
            try:
                left.kill()
            except psutil.NoSuchProcess:
                continue
        wait_until(lambda: not self.census(), message="the end of every process of the stack")


@pytest.fixture
def stack(tmp_path: Path, database: TestDatabase, redis_server: RedisServer) -> Iterator[Stack]:
    """A platform with nothing started yet."""
    made = Stack(tmp_path / "stack", database, redis_server)
    made.folder.mkdir()
    yield made
    made.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the processes' logs to a failure."""
    report = yield
    made = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(made, Stack):
        report.sections.append(("logs of the stack", made.logs()))
    return report
