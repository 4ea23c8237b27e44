"""Runs one short program whose output comes from strangers: bounded in time and in bytes."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAXIMUM_OUTPUT = 65_536  # bytes of each stream


@dataclass(frozen=True, slots=True)
class Finished:
    """``code`` is None when the program had to be ended (time or size)."""

    code: int | None
    output: str
    error: str


def run(
    argv: Sequence[str], *, timeout: float, given: bytes = b"", environment: Mapping[str, str] | None = None
) -> Finished:
    """Run ``argv`` (no shell) in English, for at most ``timeout`` seconds.

    ``given`` (at most 4 KiB: it has to fit into the pipe) is its standard input, nothing by default;
    ``environment`` is added to the little that it gets. More output than MAXIMUM_OUTPUT, or more time, ends the
    whole process group. Raises FileNotFoundError.
    """
    variables = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": os.environ.get("HOME", "/")}
    process = subprocess.Popen(
        list(argv),
        stdin=subprocess.PIPE if given else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**variables, **(environment or {})},
        start_new_session=True,
    )
    assert process.stdout is not None and process.stderr is not None
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(given)
    taken: dict[str, bytes] = {"output": b"", "error": b""}
    deadline = time.monotonic() + timeout
    ended = False
    with process.stdout, process.stderr, selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, "output")
        selector.register(process.stderr, selectors.EVENT_READ, "error")
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0 or max(map(len, taken.values())) > MAXIMUM_OUTPUT:
                ended = True
                break
            for key, _events in selector.select(left):
                chunk = os.read(key.fd, 8192)
                taken[key.data] += chunk
                if not chunk:
                    selector.unregister(key.fileobj)
        if not ended:
            try:
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                ended = True
        if ended:
            _end(process)
    texts = {name: data[:MAXIMUM_OUTPUT].decode("utf-8", "replace") for name, data in taken.items()}
    return Finished(None if ended else process.returncode, texts["output"], texts["error"])


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
