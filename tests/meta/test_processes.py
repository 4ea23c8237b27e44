"""Processes that tests start never outlive them, however the tests end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support import memory, servers
from tests.support.databases import ROOT
from tests.support.processes import Timeout, processes_with_marker, start, wait_until

PROGRAM = """
import time
from tests.support import memory, servers
server = servers.start_{kind}()
print(server.process.pid, server.folder, *server.leftovers, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("kind", ["mariadb", "mysql"])
def test_a_database_server_dies_with_killed_tests(kind: str) -> None:
    try:
        getattr(servers, f"start_{kind}")().stop()
    except servers.NotAvailable as error:
        pytest.skip(f"no {kind}: {error}")
    tests = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(kind=kind)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert tests.stdout is not None
    pid, *folders = tests.stdout.readline().split()
    server = psutil.Process(int(pid))

    tests.kill()
    tests.wait()
    tests.stdout.close()

    wait_until(
        lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE,
        message=f"the end of {kind} (pid {pid})",
    )
    for folder in folders:
        memory.remove(Path(folder))


def test_stopping_a_process_stops_what_it_started(tmp_path: Path) -> None:
    program = "trap '' TERM; sleep 600 & sleep 600 & wait; wait"
    marker = f"TEST_MARKER={tmp_path}"
    process = start(
        ["sh", "-c", program],
        name="family",
        log=tmp_path / "log",
        env={"TEST_MARKER": str(tmp_path), "PATH": "/bin:/usr/bin"},
    )
    wait_until(lambda: len(processes_with_marker(marker)) == 3, message="three processes")
    assert process.stop(grace=0.2) == -9
    assert processes_with_marker(marker) == []


def test_waiting_says_what_it_waited_for() -> None:
    with pytest.raises(Timeout, match=r"waited 0.1 s for the moon; last value: 0"):
        wait_until(lambda: 0, timeout=0.1, message="the moon")
