"""What a run costs while it waits: ansible looks for results seldom then, and often as soon as something happens."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import psutil
import pytest

from app.runners import ansible
from app.runners.base import StopReason
from app.runners.process import census
from tests.runners.conftest import Runs, Wait

WAITING = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.command: sleep 60
"""


@pytest.fixture(scope="module")
def pace() -> ModuleType:
    path = Path(ansible.__file__).with_name("ansible_plugins") / "pace.py"
    spec = importlib.util.spec_from_file_location("pace", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pause_grows_with_the_quiet_and_ends_with_the_next_event(pace: ModuleType, wait_for: Wait) -> None:
    constants = SimpleNamespace(**{pace.NAME: 0.001})
    made = pace.Pace(constants)
    made.start()
    for _ in range(2):
        wait_for(lambda: getattr(constants, pace.NAME) == pace.LONGEST_SECONDS)
        made.stir()
        assert getattr(constants, pace.NAME) < pace.LONGEST_SECONDS
        wait_for(lambda: 0.001 < getattr(constants, pace.NAME) < pace.LONGEST_SECONDS)


def test_a_longer_pause_that_somebody_chose_stays(pace: ModuleType) -> None:
    constants = SimpleNamespace(**{pace.NAME: 0.5})
    made = pace.Pace(constants)
    made.start()
    made.join(10)
    assert not made.is_alive() and getattr(constants, pace.NAME) == 0.5


def wake_ups_of_a_second(process: psutil.Process) -> float:
    before, began = process.num_ctx_switches().voluntary, time.monotonic()
    time.sleep(0.5)  # what is measured is how often it wakes by itself in a time
    return float(process.num_ctx_switches().voluntary - before) / (time.monotonic() - began)


def test_a_run_that_waits_for_a_long_task_hardly_wakes(runs: Runs, wait_for: Wait) -> None:
    """Every millisecond would be several hundred wake-ups a second, on a busy machine too."""
    handle = runs.start(WAITING)

    def engine() -> psutil.Process | None:
        found = [psutil.Process(pid) for pid in census(handle.marker) if psutil.pid_exists(pid)]
        names = [process for process in found if "ansible-playbook" in " ".join(process.cmdline())]
        slept = any("sleep" in process.name() for process in found)
        return min(names, key=lambda process: process.pid) if slept and names else None

    main = wait_for(engine)
    wait_for(lambda: wake_ups_of_a_second(main) < 150)
    handle.stop(StopReason.CANCEL)
    runs.end(handle)
