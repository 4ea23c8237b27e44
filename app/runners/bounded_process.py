"""Runs one program whose output comes from strangers: bounded in time, bytes, memory and disk."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MAXIMUM_OUTPUT = 65_536  # bytes of each stream, unless the caller gives another limit
TICK_SECONDS = 1.0  # between two looks at the disk, and two calls of ``tick``
_EXEC_CHILD = Path(__file__).with_name("exec_child.py")


@dataclass(frozen=True, slots=True)
class Finished:
    """``code`` is None when the program had to be ended; ``ended_by`` says why: time, output or disk."""

    code: int | None
    output: str
    error: str
    raw: bytes = b""  # the output as it came
    ended_by: str = ""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a program may use beside time. None leaves a bound away."""

    output_bytes: int = MAXIMUM_OUTPUT
    memory_bytes: int | None = None
    file_bytes: int | None = None  # of each file that it writes
    folder: Path | None = None  # watched while it runs ...
    folder_bytes: int = 0  # ... and it is ended when more lies there


def folder_size(folder: Path) -> int:
    """Return the bytes of all files below ``folder``; what vanishes meanwhile counts nothing."""
    total = 0
    for place, _folders, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).lstat().st_size
            except OSError:
                continue
    return total


def run(
    argv: Sequence[str],
    *,
    timeout: float,
    given: bytes = b"",
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: Path | None = None,
    bounds: Bounds | None = None,
    tick: Callable[[], None] | None = None,
) -> Finished:
    """Run ``argv`` (no shell), in English, for at most ``timeout`` seconds.

    Its standard input is the file ``stdin``, or ``given`` (at most 4 KiB: it has to fit into the pipe), or nothing;
    ``environment`` is added to the little that it gets (PATH, LC_ALL, HOME).
    More output, time or disk than allowed ends the whole process group; so does an exception of ``tick``, which is
    called about every second and may raise to give up. With ``bounds`` the program ends with this process.
    Raises FileNotFoundError.
    """
    limits = bounds or Bounds()
    command = list(argv)
    if bounds is not None:
        asked = json.dumps({"memory_bytes": limits.memory_bytes, "file_bytes": limits.file_bytes})
        command = [sys.executable, "-I", "-S", str(_EXEC_CHILD), str(os.getpid()), asked, *command]
    variables = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": os.environ.get("HOME", "/")}
    nothing = subprocess.PIPE if given else subprocess.DEVNULL
    source = nothing if stdin is None else os.open(stdin, os.O_RDONLY | os.O_CLOEXEC)
    try:
        process = subprocess.Popen(
            command,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**variables, **(environment or {})},
            cwd=cwd,
            start_new_session=True,
        )
    finally:
        if stdin is not None:
            os.close(source)
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(given)
    return _follow(process, timeout, limits, tick)


def _follow(
    process: subprocess.Popen[bytes], timeout: float, limits: Bounds, tick: Callable[[], None] | None
) -> Finished:
    assert process.stdout is not None and process.stderr is not None
    taken: dict[str, bytearray] = {"output": bytearray(), "error": bytearray()}
    deadline = time.monotonic() + timeout
    ended_by, code = "", None
    next_look = time.monotonic() + TICK_SECONDS
    try:
        with process.stdout, process.stderr, selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ, "output")
            selector.register(process.stderr, selectors.EVENT_READ, "error")
            while selector.get_map() and not ended_by:
                now = time.monotonic()
                if now >= next_look:
                    next_look = now + TICK_SECONDS
                    ended_by = _look(limits, tick)
                if now >= deadline:
                    ended_by = ended_by or "time"
                elif max(map(len, taken.values())) > limits.output_bytes:
                    ended_by = ended_by or "output"
                if ended_by:
                    break
                for key, _events in selector.select(max(0.0, min(deadline, next_look) - now)):
                    chunk = os.read(key.fd, 65_536)
                    taken[key.data] += chunk
                    if not chunk:
                        selector.unregister(key.fileobj)
            if not ended_by:
                try:
                    code = process.wait(timeout=max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    ended_by = "time"
    finally:
        if code is None:
            _end(process)
    if code == 0 and limits.folder is not None and folder_size(limits.folder) > limits.folder_bytes:
        code, ended_by = None, "disk"  # it was quicker than the look
    raw = bytes(taken["output"][: limits.output_bytes])
    error = bytes(taken["error"][: limits.output_bytes]).decode("utf-8", "replace")
    return Finished(code, raw.decode("utf-8", "replace"), error, raw, ended_by)


def _look(limits: Bounds, tick: Callable[[], None] | None) -> str:
    if tick is not None:
        tick()
    if limits.folder is not None and folder_size(limits.folder) > limits.folder_bytes:
        return "disk"
    return ""


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
