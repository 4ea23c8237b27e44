"""Real processes for tests: started with a death wish, waited for by condition, stopped by pid.

Every child gets SIGKILL from the kernel when the test process dies (PR_SET_PDEATHSIG), however it dies, so an
interrupted run leaves no server behind. The signal follows the *thread* that starts the child: start from the
main thread only.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

PR_SET_PDEATHSIG = 1  # linux/prctl.h
T = TypeVar("T")
_libc = ctypes.CDLL(None, use_errno=True)


class Timeout(AssertionError):
    """A condition did not come true in time."""


def wait_until(condition: Callable[[], T], timeout: float = 30.0, message: str = "", interval: float = 0.05) -> T:
    """Call ``condition`` until it returns something true and return that.

    ``timeout`` in seconds is a safety net for a broken product, not a measurement; ``message`` says what was
    awaited. Raises ``Timeout`` with the last value seen.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            what = message or getattr(condition, "__name__", "the condition")
            raise Timeout(f"waited {timeout:g} s for {what}; last value: {value!r}")
        time.sleep(interval)


def free_port(address: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


def accepts_connections(address: str, port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


@dataclass
class Process:
    """A started program. ``log`` holds its standard output and error."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.popen.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.popen.poll() is None

    def output(self, limit: int = 20_000) -> str:
        """The newest ``limit`` bytes that it wrote, as text."""
        data = self.log.read_bytes() if self.log.exists() else b""
        return data[-limit:].decode("utf-8", "replace")

    def beginning(self, limit: int = 20_000) -> str:
        """The first ``limit`` bytes that it wrote, as text: what it says when it is ready has long gone by later."""
        with self.log.open("rb") as written:
            return written.read(limit).decode("utf-8", "replace")

    def kill(self, sig: int = signal.SIGKILL) -> None:
        """Send a signal to this one process (not to its children); no error when it is gone."""
        if self.running:
            os.kill(self.pid, sig)

    def wait(self, timeout: float = 30.0) -> int:
        """Wait for its end; returns the exit code, negative for a signal."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Timeout(f"{self.name} (pid {self.pid}) did not end in {timeout:g} s\n{self.output(4000)}") from None

    def stop(self, grace: float = 10.0) -> int:
        """SIGTERM, after ``grace`` seconds SIGKILL, for it and what it started; returns the exit code."""
        family = self._family()
        self.kill(signal.SIGTERM)
        try:
            code = self.popen.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill(signal.SIGKILL)
            code = self.popen.wait(30)
        for child in family:
            if child.is_running():
                try:
                    child.kill()
                except psutil.NoSuchProcess:
                    pass
        psutil.wait_procs(family, timeout=10)
        return code

    def _family(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []


def start(
    argv: Sequence[str],
    *,
    name: str,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: str | None = None,
    chroot: Path | None = None,
    death_signal: int = signal.SIGKILL,
) -> Process:
    """Start a program in a session of its own, its output in ``log``.

    ``user`` is looked up inside ``chroot`` when there is one; both need root. ``death_signal`` is what it
    gets when the test process dies.
    """
    ids = _user_ids(user, chroot) if user else None

    def prepare() -> None:
        if chroot:
            os.chroot(chroot)
            os.chdir("/")
        if ids:
            os.setgroups([])
            os.setgid(ids[1])
            os.setuid(ids[0])
        _libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)  # last: a change of user clears it

    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        popen = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
            preexec_fn=prepare,
        )
    return Process(name, popen, log)


def _user_ids(user: str, chroot: Path | None) -> tuple[int, int]:
    if chroot is None:
        entry = pwd.getpwnam(user)
        return entry.pw_uid, entry.pw_gid
    for line in (chroot / "etc/passwd").read_text(encoding="utf-8").splitlines():
        fields = line.split(":")
        if fields[0] == user:
            return int(fields[2]), int(fields[3])
    raise LookupError(f"no user {user} in {chroot}/etc/passwd")


def processes_with_marker(marker: str) -> list[psutil.Process]:
    """Every live process whose environment or command line holds ``marker``: a census.

    Zombies are left out (they run nothing), this process too.
    """
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            words = [*process.cmdline(), *(f"{key}={value}" for key, value in process.environ().items())]
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue
        if any(marker in word for word in words):
            found.append(process)
    return found
