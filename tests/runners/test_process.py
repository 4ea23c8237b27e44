from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.runners.process import MARKER_VARIABLE, census, child_pids, identify, is_alive, kill_marked
from tests.runners.conftest import Wait

MARKER = "test-marker-0001.1"
FORKING = (
    "import os,time\nfor _ in range(3): os.fork()\nos.setsid() if os.getpid()!=os.getsid(0) else 0\ntime.sleep(300)"
)
WITH_MARKED_CHILD = """
import subprocess, sys, time
subprocess.Popen(["sleep", "300"], env={"MILLWRIGHT_RUN": sys.argv[1]})
time.sleep(300)
"""
RESTLESS = """
import os, time
end = time.monotonic() + 60  # the test is over by then, whatever became of it
while time.monotonic() < end:
    if os.fork() > 0:
        time.sleep(0.05)
        os._exit(0)
"""


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    kill_marked(MARKER)
    for process in processes:
        process.kill()
        process.wait()


def spawn(code: str, marker: str = MARKER) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code], env={MARKER_VARIABLE: marker}, start_new_session=True)


def test_a_process_is_itself_only_with_its_start_time_and_boot() -> None:
    process = subprocess.Popen(["sleep", "300"])
    identity = identify(process.pid)
    assert identity is not None and is_alive(identity)
    assert not is_alive(replace(identity, start_ticks=identity.start_ticks + 1))
    assert not is_alive(replace(identity, boot_id="another"))
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(identity)  # a zombie
    process.wait()
    assert identify(process.pid) is None


def test_the_census_has_marked_processes_and_their_descendants(
    started: list[subprocess.Popen[bytes]], wait_for: Wait
) -> None:
    started.append(spawn(FORKING))
    wait_for(lambda: len(census(MARKER)) == 8)
    assert census(MARKER[:-1]) == census("") == set()
    assert os.getpid() not in census(MARKER)
    assert started[0].pid in child_pids(os.getpid())
    assert started[0].pid not in census(MARKER, exclude={started[0].pid})


def test_killing_ends_processes_that_keep_forking(started: list[subprocess.Popen[bytes]], wait_for: Wait) -> None:
    started.append(spawn(RESTLESS))
    started.append(spawn("import signal,time\nfor n in (1,2,15): signal.signal(n, signal.SIG_IGN)\ntime.sleep(300)"))
    wait_for(lambda: len(census(MARKER)) >= 2)
    assert kill_marked(MARKER) == set()
    assert census(MARKER) == set()


def test_a_group_that_holds_other_processes_too_is_not_killed_whole(
    started: list[subprocess.Popen[bytes]], wait_for: Wait
) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", WITH_MARKED_CHILD, MARKER], start_new_session=True)
    started.append(bystander)
    wait_for(lambda: census(MARKER))
    assert kill_marked(MARKER) == set()
    assert bystander.poll() is None


def test_another_runs_processes_are_left_alone(started: list[subprocess.Popen[bytes]], wait_for: Wait) -> None:
    other = spawn("import time; time.sleep(300)", marker=MARKER + "0")
    started.append(other)
    wait_for(lambda: census(MARKER + "0"))
    assert kill_marked(MARKER) == set()
    assert other.poll() is None
