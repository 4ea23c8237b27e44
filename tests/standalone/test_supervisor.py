"""The process runner behind ``make run``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from app.standalone.errors import StartError
from app.standalone.supervisor import Service, Supervisor
from tests.support.processes import processes_with_marker, wait_until

SLEEPER = "import time; print('ready', flush=True); time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"


class Output(list[str]):
    """The lines that a supervisor wrote."""

    def has(self, text: str) -> bool:
        return any(text in line for line in self)


@pytest.fixture
def output() -> Output:
    return Output()


@pytest.fixture
def supervisor(output: Output, tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor({**os.environ, "TEST_MARKER": str(tmp_path)}, tmp_path, output.append)
    yield made
    made.interrupt()
    made.stop()
    assert processes_with_marker(f"TEST_MARKER={tmp_path}") == []


def _service(name: str, program: str, output: Output, **more: object) -> Service:
    argv = [sys.executable, "-c", program]
    return Service(name, argv, lambda: output.has(f"{name:<7}| ready"), **more)  # type: ignore[arg-type]


def test_every_line_carries_the_name_of_its_process(supervisor: Supervisor, output: Output) -> None:
    supervisor.add(_service("web", "print('one'); print('ready'); import time; time.sleep(600)", output), 30)
    wait_until(lambda: output[:2] == ["web    | one", "web    | ready"], message="both lines")


def test_what_dies_is_started_again_and_said(supervisor: Supervisor, output: Output) -> None:
    supervisor.add(_service("worker", SLEEPER, output), 30)
    before = supervisor.pids()["worker"]

    os.kill(before, signal.SIGKILL)

    wait_until(lambda: supervisor.pids().get("worker", before) != before, message="a new process")
    assert output.has("worker | ended by SIGKILL; starting it again in 1 s")


def test_a_service_that_never_gets_ready_is_told_with_its_last_words(supervisor: Supervisor, output: Output) -> None:
    broken = Service("web", [sys.executable, "-c", "raise SystemExit('no such table')"], lambda: False)
    with pytest.raises(StartError, match="no such table"):
        supervisor.add(broken, 3)


def test_stopping_ends_the_stubborn_too_and_the_needed_one_last(
    supervisor: Supervisor, output: Output, tmp_path: Path
) -> None:
    note = (
        "import signal, sys, time\n"
        "def end(*a):\n    print('end', flush=True); sys.exit(0)\n"
        "signal.signal(15, end); print('ready', flush=True); time.sleep(600)\n"
    )
    supervisor.add(_service("broker", note, output, stops_last=True), 30)
    supervisor.add(_service("keeper", note, output), 30)
    supervisor.add(_service("worker", STUBBORN, output, grace_seconds=0.5), 30)

    supervisor.stop()

    ends = [line for line in output if line.endswith("| end")]
    assert ends == ["keeper | end", "broker | end"]
    assert output.has("worker | did not stop within 0.5 s and is killed")
    assert processes_with_marker(f"TEST_MARKER={tmp_path}") == []


def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    program = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from app.standalone.supervisor import Service, Supervisor\n"
        "s = Supervisor(os.environ, Path('.'), print)\n"
        f"s.add(Service('x', [sys.executable, '-c', {SLEEPER!r}], lambda: True), 30)\n"
        "print('pid', s.pids()['x'], flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert parent.stdout is not None
    line = next(line for line in parent.stdout if line.startswith("pid"))
    child = psutil.Process(int(line.split()[1]))
    wait_until(lambda: "time.sleep" in " ".join(child.cmdline()), message="the child after its launcher")
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, message="its end")
