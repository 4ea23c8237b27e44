"""Looks after processes: starts them, prefixes their lines, restarts what dies, stops all within bounds."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from app.standalone.errors import StartError

LAUNCHER = Path(__file__).with_name("launch.py")
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
# A process that lived this long before it died is started again at once: it is not failing in a loop.
STEADY_SECONDS = 60.0
LONGEST_LINE = 65_536  # bytes; a longer one is cut, so that a mad process cannot fill the memory
REMEMBERED_LINES = 30
LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Service:
    """What to run. ``grace_seconds`` lies between SIGTERM and SIGKILL when the platform stops."""

    name: str
    argv: list[str]
    ready: Callable[[], bool]
    grace_seconds: float = 10.0
    death_signal: int = signal.SIGTERM
    stops_last: bool = False  # the others need it until their end


@dataclass
class _Running:
    service: Service
    popen: subprocess.Popen[bytes] | None = None
    begun: float = 0.0
    pause: float = FIRST_PAUSE_SECONDS
    due: float = 0.0
    rest: bytes = b""
    newest: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED_LINES))


class Supervisor:
    """Starts services one after the other and keeps them running.

    ``write`` gets one line at a time, already prefixed. One thread pumps the output and restarts; it forks, so
    the parent-death signal of a restarted child follows it, and it lives as long as the platform.
    """

    def __init__(self, environment: Mapping[str, str], cwd: Path, write: Callable[[str], None]) -> None:
        self._environment = dict(environment)
        self._cwd = cwd
        self._write = write
        self._running: dict[str, _Running] = {}
        self._selector = selectors.DefaultSelector()
        self._guard = threading.RLock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._pump, name="supervisor", daemon=True)

    def add(self, service: Service, timeout: float) -> None:
        """Start a service and wait until it is ready. StartError with its last lines when it is not.

        ``timeout`` in seconds.
        """
        entry = _Running(service)
        with self._guard:
            self._running[service.name] = entry
            self._launch(entry)
        if not self._thread.is_alive():
            self._thread.start()
        deadline = time.monotonic() + timeout
        while not service.ready():
            if time.monotonic() > deadline or self._stopping.is_set():
                said = "\n".join(f"  {line}" for line in entry.newest) or "  (it printed nothing)"
                raise StartError(f"{service.name} was not ready within {timeout:g} s. Its last lines:\n{said}")
            time.sleep(0.05)

    def pids(self) -> dict[str, int]:
        """Return the process ids of what runs now, by service name."""
        with self._guard:
            return {
                name: entry.popen.pid
                for name, entry in self._running.items()
                if entry.popen is not None and entry.popen.poll() is None
            }

    def interrupt(self) -> None:
        """Kill everything at once (a second Ctrl-C)."""
        self._stopping.set()
        with self._guard:
            for entry in self._running.values():
                _kill(entry.popen)

    def stop(self) -> None:
        """Stop everything: SIGTERM to all but those that the others need, and then to these."""
        self._stopping.set()
        with self._guard:
            entries = list(self._running.values())
        needed = [entry for entry in entries if entry.service.stops_last]
        others = [entry for entry in entries if not entry.service.stops_last]
        for group in (others, needed):
            for entry in group:
                if entry.popen is not None and entry.popen.poll() is None:
                    entry.popen.terminate()
            begun = time.monotonic()
            for entry in group:
                self._await_end(entry, begun + entry.service.grace_seconds)
        if self._thread.is_alive():
            self._thread.join(5)
        self._selector.close()

    def _await_end(self, entry: _Running, deadline: float) -> None:
        if entry.popen is None:
            return
        try:
            entry.popen.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            self._say(entry, f"did not stop within {entry.service.grace_seconds:g} s and is killed")
            _kill(entry.popen)

    def _launch(self, entry: _Running) -> None:
        service = entry.service
        entry.popen = subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-S",
                str(LAUNCHER),
                str(os.getpid()),
                str(int(service.death_signal)),
                *service.argv,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment,
            cwd=self._cwd,
            start_new_session=True,  # the terminal's Ctrl-C is for the supervisor alone
        )
        entry.begun = time.monotonic()
        entry.due = 0.0
        assert entry.popen.stdout is not None
        reader = os.dup(entry.popen.stdout.fileno())  # ours alone: closed when the last writer is gone
        entry.popen.stdout.close()
        os.set_blocking(reader, False)
        self._selector.register(reader, selectors.EVENT_READ, entry)

    def _pump(self) -> None:
        while True:
            for key, _mask in self._selector.select(LOOK_SECONDS):
                self._read(key)
            with self._guard:
                alive = [self._look_after(entry) for entry in self._running.values()]
            if self._stopping.is_set() and not any(alive):
                return

    def _read(self, key: selectors.SelectorKey) -> None:
        entry: _Running = key.data
        try:
            data = os.read(key.fd, LONGEST_LINE)
        except BlockingIOError:
            return
        if not data:  # the end; a started-again service has another pipe
            self._selector.unregister(key.fileobj)
            os.close(key.fd)
            data = b"\n" if entry.rest else b""
        *lines, rest = (entry.rest + data).split(b"\n")
        if len(rest) > LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        entry.rest = rest
        for line in lines:
            self._say(entry, line.decode("utf-8", "replace").rstrip("\r"))

    def _look_after(self, entry: _Running) -> bool:
        """Restart a dead service when its pause is over; say whether it is (or will be) alive."""
        if entry.popen is not None and entry.popen.poll() is None:
            return True
        if self._stopping.is_set():
            return False
        now = time.monotonic()
        if not entry.due:
            steady = now - entry.begun > STEADY_SECONDS
            entry.pause = FIRST_PAUSE_SECONDS if steady else min(entry.pause * 2, LONGEST_PAUSE_SECONDS)
            entry.due = now + entry.pause
            code = entry.popen.returncode if entry.popen is not None else None
            self._say(entry, f"ended {_how(code)}; starting it again in {entry.pause:g} s")
        elif now >= entry.due:
            self._launch(entry)
        return True

    def _say(self, entry: _Running, text: str) -> None:
        entry.newest.append(text)
        self._write(f"{entry.service.name:<7}| {text}")


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"by {signal.Signals(-code).name}"
    return f"with exit code {code}"


def _kill(popen: subprocess.Popen[bytes] | None) -> None:
    """Kill a process and what descends from it."""
    if popen is None or popen.poll() is not None:
        return
    try:
        family = psutil.Process(popen.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    popen.kill()
    for child in family:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    popen.wait(10)
