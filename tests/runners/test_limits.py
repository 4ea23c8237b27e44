"""R22: a run that starts processes or takes memory without end is stopped, whole, and says at which limit."""

from __future__ import annotations

import os
import signal
import uuid
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from app.runners import cgroup, launcher
from app.runners.base import FailureCode, HostResult, RunResult, StopReason
from app.runners.cgroup import Limits
from app.runners.outcome import STOP_MESSAGES, name_limit
from tests.runners.conftest import Runs, Wait

PROCESSES, MEMORY = 60, 400 * 1024 * 1024
both = Limits(PROCESSES, MEMORY)
# Each child drops its environment and starts a session of its own, so neither marker nor group finds it. Bounded:
# it stops by itself at 300 processes, and everything ends after two minutes.
BOMB = """
import os, sys, time
for number in range(300):
    try:
        pid = os.fork()
    except OSError:
        time.sleep(0.1)
        continue
    if pid == 0:
        os.setsid()
        os.execve(sys.executable, [sys.executable, "-c", "import time; time.sleep(120)", sys.argv[1]], {})
time.sleep(120)
"""
# Asks for 10 GB, and does nothing at all unless the limit of its group is in force.
HUNGRY = """
import sys
path = [line.split(":", 2)[2] for line in open("/proc/self/cgroup").read().splitlines() if ":memory:" in line]
limit = int(open("/sys/fs/cgroup/memory" + path[0] + "/memory.limit_in_bytes").read()) if path else 0
if not 0 < limit <= 500 * 1024 * 1024:
    sys.exit("no limit is in force")
kept = [bytearray(b"x") * (16 * 1024 * 1024) for number in range(640)]
"""


def command(*arguments: str) -> str:
    return f"""
    - hosts: all
      gather_facts: false
      tasks:
        - ansible.builtin.command: /usr/bin/python3 "{{{{ playbook_dir }}}}/x.py" {" ".join(arguments)}
    """


@pytest.fixture
def groups() -> None:
    if set(cgroup.parents(both)) != {"pids", "memory"} or not Path("/sys/fs/cgroup/memory").is_dir():
        pytest.skip("no control group of version 1 can be made here: R22 is not shown")


def with_word(word: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if word in process.cmdline():
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@pytest.mark.usefixtures("groups")
def test_r22_a_fork_bomb_that_hides_is_stopped_at_the_limit_and_nothing_of_it_lives(runs: Runs, wait_for: Wait) -> None:
    word = uuid.uuid4().hex
    handle = runs.start(command(word), files={"x.py": BOMB}, run_limits=both)
    folders = handle.group.folders
    assert [(folder / "pids.max").read_text() for folder in folders if (folder / "pids.max").exists()] == [
        f"{PROCESSES}\n"
    ]
    wait_for(lambda: with_word(word))
    ended = runs.end(handle)
    assert with_word(word) == []
    assert ended.result.failure_code is FailureCode.PROCESS_LIMIT, ended.everything
    assert ended.codes()["a"] in ("process_limit", "task_failed")  # the module may have ended just before the rest
    for message in (ended.result.message, ended.result.hosts["a"].message):
        assert f"limit of {PROCESSES} processes" in message
    assert not [folder for folder in folders if folder.exists()]
    assert os.getpid() not in cgroup.members(folders)


@pytest.mark.usefixtures("groups")
def test_r22_an_allocation_of_ten_gigabytes_ends_with_the_limit_in_its_message(runs: Runs) -> None:
    handle = runs.start(command(), files={"x.py": HUNGRY}, run_limits=both)
    ended = runs.end(handle)
    assert "no limit is in force" not in ended.everything
    assert ended.result.failure_code is FailureCode.MEMORY_LIMIT
    for message in (ended.result.message, ended.result.hosts["a"].message):
        assert f"memory limit of {MEMORY // 1_048_576} MiB" in message
    assert not [folder for folder in handle.group.folders if folder.exists()]


@pytest.mark.usefixtures("groups")
def test_r22_what_a_killed_supervisor_left_in_the_group_is_ended_and_the_group_removed(
    runs: Runs, wait_for: Wait
) -> None:
    word = uuid.uuid4().hex
    handle = runs.start(command(word), files={"x.py": BOMB.replace("300", "5")}, run_limits=Limits(500, MEMORY))
    wait_for(lambda: len(with_word(word)) >= 5)
    os.kill(handle.pid, signal.SIGKILL)
    launcher.salvage(handle.spool_dir, handle.marker)
    assert with_word(word) == []
    assert not [folder for folder in handle.group.folders if folder.exists()]


@pytest.mark.usefixtures("groups")
def test_five_hundred_forks_fit_the_default_limit_and_a_run_within_its_limits_is_left_alone(runs: Runs) -> None:
    book = "- hosts: all\n  gather_facts: false\n  tasks: [{ansible.builtin.command: echo hello}]\n"
    ended = runs.run(book, run_limits=Limits(4096, MEMORY), forks=500)
    assert ended.result.failure_code is None, ended.result.message
    assert Limits(4096, 0).max_processes > 500 * 5  # a fork, ssh and its multiplexer, a module, a thread


def fake(monkeypatch: pytest.MonkeyPatch, root: Path, own: dict[str, str]) -> None:
    monkeypatch.setattr(cgroup, "_ROOT", root)
    monkeypatch.setattr(cgroup, "_own_groups", lambda: own)


# Leaves its session, as Ansible's own workers do, then says which share of the processor its group has.
SHARE = """
import os
os.setsid()
path = [line.split(":", 2)[2] for line in open("/proc/self/cgroup").read().splitlines() if ":cpu:" in line][0]
print("share", open("/sys/fs/cgroup/cpu" + path + "/cpu.shares").read().strip())
"""


def test_a_run_gets_less_of_a_busy_processor_than_the_platform(runs: Runs) -> None:
    weighed = Limits(cpu_weight=20)
    if "cpu" not in cgroup.parents(weighed) or not Path("/sys/fs/cgroup/cpu/cpu.shares").is_file():
        pytest.skip("no control group of version 1 can be made here: weights are not shown")
    ended = runs.run(command(), files={"x.py": SHARE}, run_limits=weighed, verbosity=1)
    assert ended.result.failure_code is None
    assert "share 204" in ended.everything
    assert "after the platform's own (weight 20 of 100)" in cgroup.sentence(weighed)
    assert "processor" not in cgroup.sentence(Limits(60, cpu_weight=100))


def test_without_a_group_a_run_is_nice(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "parents", lambda limits: {})
    mine = os.nice(0)
    ended = runs.run(
        command(),
        files={"x.py": "import os\nprint('nice', os.nice(0))\n"},
        run_limits=Limits(cpu_weight=20),
        verbosity=1,
    )
    assert f"nice {mine + 7}" in ended.everything


def test_version_2_makes_groups_beside_the_workers_own_and_shares_the_controllers_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake(monkeypatch, tmp_path, {"": "/system.slice/mw.service/worker"})
    service = tmp_path / "system.slice/mw.service"
    (service / "worker").mkdir(parents=True)
    (service / "cgroup.subtree_control").write_text("pids")
    group = cgroup.make("u.1", replace(both, cpu_weight=20))
    assert group.folders == (service / "millwright-u.1",)
    assert (service / "cgroup.subtree_control").read_text() == "+cpu"  # the last one that was asked for
    folder = group.folders[0]
    assert (folder / "cpu.weight").read_text() == "20"
    assert (folder / "pids.max").read_text() == str(PROCESSES)
    assert (folder / "memory.max").read_text() == str(MEMORY)
    assert (folder / "memory.swap.max").read_text() == "0"
    assert group.breach() is None
    (folder / "pids.events").write_text("max 3\n")
    assert group.breach() == cgroup.Breach("processes", PROCESSES)
    (folder / "memory.events").write_text("low 0\noom 1\noom_kill 1\n")
    breach = group.breach()
    assert breach is not None and StopReason(breach.reason) is StopReason.MEMORY_LIMIT
    assert cgroup.Group.of(group.as_json()) == cgroup.Group(group.folders, both)


def test_a_worker_that_can_make_no_group_says_so_and_sets_rlimits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake(monkeypatch, tmp_path, {"": "/"})
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert cgroup.make("u.1", both) is cgroup.NO_GROUP
    assert "60 processes not enforced" in cgroup.sentence(both)
    assert cgroup.rlimits(both) == {"memory_bytes": MEMORY}
    monkeypatch.setattr(os, "geteuid", lambda: 4_294_967_000)
    assert "60 processes by rlimit only" in cgroup.sentence(both)
    assert cgroup.rlimits(both)["processes"] == PROCESSES
    weighed = Limits(cpu_weight=20)
    assert cgroup.rlimits(weighed) == {"nice": 7}
    assert cgroup.sentence(weighed) == "one run: processor time after the platform's own (nice 7)"
    assert cgroup.rlimits(Limits(cpu_weight=100)) == {"nice": 0}
    assert cgroup.rlimits(Limits(cpu_weight=1)) == {"nice": 19}
    unasked = Limits(0, MEMORY, memory_by_group_only=True)
    assert cgroup.rlimits(unasked) == {}
    assert cgroup.sentence(unasked) == "one run: memory not limited (no cgroup can be made)"


def test_a_note_that_names_other_folders_than_groups_of_ours_is_not_followed() -> None:
    wrong = [
        "/sys/fs/cgroup/pids",
        "/etc/millwright-u.1",
        "/sys/fs/cgroup/x/../../../etc/millwright-u.1",
        7,
        "millwright-u.1",
    ]
    good = "/sys/fs/cgroup/pids/millwright-0b5e.1"
    assert cgroup.noted([*wrong, good]) == [Path(good)]
    assert cgroup.noted("x") == cgroup.noted(None) == []


def test_a_run_that_hit_a_limit_names_it_and_its_hosts_keep_their_codes() -> None:
    hosts = {"a": HostResult(FailureCode.TASK_FAILED, "rc -9"), "b": HostResult(None)}
    result = RunResult(2, FailureCode.TASK_FAILED, "1 of 2 servers did not succeed.", hosts)
    told = name_limit(result, StopReason.MEMORY_LIMIT, "At its limit of 9 MiB.")
    assert told.failure_code is FailureCode.MEMORY_LIMIT
    assert told.hosts["a"] == HostResult(FailureCode.TASK_FAILED, "rc -9 At its limit of 9 MiB.")
    assert told.hosts["b"].message == ""
    stopped = RunResult(-15, FailureCode.MEMORY_LIMIT, STOP_MESSAGES[StopReason.MEMORY_LIMIT])
    assert name_limit(stopped, StopReason.MEMORY_LIMIT, "At 9 MiB.").message == "At 9 MiB."
