"""Whatever a playbook does, nothing of it lives on when the run is over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from app.runners import launcher
from app.runners.base import FailureCode, StopReason
from app.runners.launcher import RunHandle
from app.runners.process import census, is_alive
from tests.runners.conftest import Runs, Wait, local_hosts

STUBBORN = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Hang
      shell: |
        trap '' TERM HUP INT
        setsid nohup sh -c "trap '' TERM HUP; echo x > {mark}.1; while :; do sleep 1; done" &
        (env -i setsid sh -c "trap '' TERM; echo x > {mark}.2; while :; do sleep 1; done") &
        echo x > {mark}.0
        while :; do sleep 1; done
"""


def start_stubborn(runs: Runs, tmp_path: Path, wait_for: Wait, **given: object) -> RunHandle:
    mark = tmp_path / "mark"
    given = {"grace_seconds": 1, **given}
    handle = runs.start(STUBBORN.format(mark=mark), **given)  # type: ignore[arg-type]
    wait_for(lambda: all(Path(f"{mark}.{n}").exists() for n in range(3)))
    return handle


def sleepers(handle: RunHandle) -> set[int]:
    """Processes of the run, those with a cleared environment included (found below the supervisor)."""
    return census(handle.marker, root=handle.pid, exclude={handle.pid})


def living(pids: set[int]) -> set[int]:
    return {pid for pid in pids if Path(f"/proc/{pid}").exists() and "\nState:\tZ" not in _status(pid)}


def _status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return "\nState:\tZ"


def test_cancel_ends_children_that_ignore_signals_and_cleared_their_environment(
    runs: Runs, tmp_path: Path, wait_for: Wait
) -> None:
    handle = start_stubborn(runs, tmp_path, wait_for)
    members = sleepers(handle)
    assert len(members) >= 5
    started = time.monotonic()
    handle.stop(StopReason.CANCEL)
    ended = runs.end(handle)
    assert time.monotonic() - started < 15
    assert living(members) == set()
    assert ended.codes() == {"a": "cancelled"}
    assert ended.result.stopped_by is StopReason.CANCEL
    assert ended.result.failure_code is FailureCode.CANCELLED


def test_a_run_in_a_hurry_gets_no_grace(runs: Runs, tmp_path: Path, wait_for: Wait) -> None:
    handle = start_stubborn(runs, tmp_path, wait_for, grace_seconds=600)
    handle.stop(StopReason.CANCEL)
    handle.hurry()
    began = time.monotonic()
    assert handle.wait(30)
    assert time.monotonic() - began < 30
    result = handle.result()
    assert result is not None and result.stopped_by is StopReason.CANCEL


def test_the_time_limit_stops_a_stubborn_run(runs: Runs, tmp_path: Path, wait_for: Wait) -> None:
    handle = start_stubborn(runs, tmp_path, wait_for, timeout=20)
    members = sleepers(handle)
    ended = runs.end(handle)
    assert ended.codes() == {"a": "timeout"}
    assert ended.result.stopped_by is StopReason.TIMEOUT
    assert living(members) == set()


def test_the_first_reason_to_stop_is_the_one_that_counts(runs: Runs, tmp_path: Path, wait_for: Wait) -> None:
    handle = start_stubborn(runs, tmp_path, wait_for)
    handle.stop(StopReason.SHUTDOWN)
    handle.stop(StopReason.CANCEL)
    assert runs.end(handle).codes() == {"a": "shutdown"}


def test_sigterm_to_the_supervisor_cancels(runs: Runs, tmp_path: Path, wait_for: Wait) -> None:
    handle = start_stubborn(runs, tmp_path, wait_for)
    os.kill(handle.pid, signal.SIGTERM)
    assert runs.end(handle).codes() == {"a": "cancelled"}


def test_a_stop_before_ansible_started_is_honoured(runs: Runs) -> None:
    handle = runs.start("- hosts: all\n  tasks: [{command: sleep 60}]\n", grace_seconds=1)
    handle.stop(StopReason.CANCEL)
    assert runs.end(handle).codes() == {"a": "cancelled"}


def test_async_tasks_do_not_outlive_the_run(runs: Runs, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    ended = runs.run(
        f"""
        - hosts: all
          gather_facts: false
          tasks:
            - name: Leave something behind
              shell: echo $$ > {note}; exec sleep 300
              async: 400
              poll: 0
            - wait_for: path={note} timeout=60
        """,
    )
    assert ended.codes() == {"a": None}
    assert living({int(note.read_text())}) == set()


def test_polled_async_tasks_report_under_their_host(runs: Runs) -> None:
    ended = runs.run(
        """
        - hosts: all
          gather_facts: false
          tasks:
            - name: Slow
              command: echo slow
              async: 60
              poll: 1
        """,
        hosts=local_hosts("a", "b"),
    )
    assert ended.states("Slow") == {"a": "changed", "b": "changed"}
    assert "ASYNC OK on a" in ended.text("a")


def test_a_killed_supervisor_leaves_no_result_and_no_process(runs: Runs, tmp_path: Path, wait_for: Wait) -> None:
    handle = start_stubborn(runs, tmp_path, wait_for)
    os.kill(handle.pid, signal.SIGKILL)
    assert handle.wait(30)
    assert handle.result() is None
    assert census(handle.marker) == set()
    [left] = launcher.leftovers(runs.spools)
    assert (left.marker, left.is_alive()) == (handle.marker, False)
    # The one process without the marker lost its ancestors with the supervisor: only a cgroup would find it.
    for pid in _orphans_of(tmp_path):
        os.kill(pid, signal.SIGKILL)


def _orphans_of(tmp_path: Path) -> list[int]:
    needle = str(tmp_path / "mark").encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and needle in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


LAUNCH = """
import sys, time, pickle
from pathlib import Path
from app.runners import launcher
spec, root = pickle.loads(Path(sys.argv[1]).read_bytes())
handle = launcher.start(spec, workspace_root=root / "w", spool_root=root / "s")
print(handle.pid, flush=True)
time.sleep(300)
"""


def start_elsewhere(runs: Runs, tmp_path: Path) -> subprocess.Popen[str]:
    import pickle

    spec = runs.spec(STUBBORN.format(mark=tmp_path / "mark"), grace_seconds=1)
    (tmp_path / "spec").write_bytes(pickle.dumps((spec, tmp_path)))
    command = [sys.executable, "-c", LAUNCH, str(tmp_path / "spec")]
    root = Path(launcher.__file__).parents[2]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)


def test_when_the_worker_is_killed_the_supervisor_stops_everything_by_itself(
    runs: Runs, tmp_path: Path, wait_for: Wait
) -> None:
    worker = start_elsewhere(runs, tmp_path)
    try:
        wait_for(lambda: all(Path(f"{tmp_path / 'mark'}.{n}").exists() for n in range(3)))
        [left] = launcher.leftovers(runs.spools)
        assert left.supervisor is not None and is_alive(left.supervisor)
        members = census(left.marker, root=left.supervisor.pid)
    finally:
        worker.kill()
        worker.communicate()
    result = launcher.salvage(left.spool_dir, left.marker)
    assert result is not None
    assert result.stopped_by is StopReason.ORPHANED
    assert result.hosts["a"].failure_code is FailureCode.LOST
    assert living(members) == set()


def test_when_worker_and_supervisor_are_killed_salvage_ends_the_rest(
    runs: Runs, tmp_path: Path, wait_for: Wait
) -> None:
    worker = start_elsewhere(runs, tmp_path)
    wait_for(lambda: all(Path(f"{tmp_path / 'mark'}.{n}").exists() for n in range(3)))
    [left] = launcher.leftovers(runs.spools)
    assert left.supervisor is not None
    os.kill(left.supervisor.pid, signal.SIGKILL)
    worker.kill()
    worker.communicate()
    assert launcher.salvage(left.spool_dir, left.marker) is None
    assert not left.is_alive()
    assert not list(runs.workspaces.glob("*"))
    for pid in _orphans_of(tmp_path):
        os.kill(pid, signal.SIGKILL)
