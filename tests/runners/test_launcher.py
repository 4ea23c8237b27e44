from __future__ import annotations

import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from app.runners import launcher
from app.runners.base import FailureCode
from app.runners.workspace import WorkspaceError
from tests.runners.conftest import Runs, local_hosts

BOOK = "- hosts: all\n  gather_facts: false\n  tasks: [{debug: msg=x}]\n"


def test_the_runners_need_nothing_of_the_platform() -> None:
    code = (
        "import sys, app.runners.launcher, app.runners.supervisor, app.runners.ansible\n"
        "print([m for m in ('flask','sqlalchemy','celery','ansible_runner','ansible') if m in sys.modules])"
    )
    root = Path(launcher.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_prepared_run_that_does_not_begin_leaves_nothing(runs: Runs) -> None:
    prepared = launcher.prepare(runs.spec(BOOK), workspace_root=runs.workspaces, spool_root=runs.spools)
    [left] = launcher.leftovers(runs.spools)
    assert left.supervisor is None and not left.is_alive()
    prepared.discard()
    assert list(runs.workspaces.glob("*")) == list(runs.spools.glob("*")) == []


def test_an_attempt_can_be_prepared_once(runs: Runs) -> None:
    spec = runs.spec(BOOK)
    prepared = launcher.prepare(spec, workspace_root=runs.workspaces, spool_root=runs.spools)
    with pytest.raises(WorkspaceError, match="prepared before"):
        launcher.prepare(spec, workspace_root=runs.workspaces, spool_root=runs.spools)
    assert prepared.spool_dir.is_dir()
    prepared.discard()


@pytest.mark.parametrize(
    "changed",
    [
        {"engine": "nosuch"},
        {"secrets": ("short",)},
        {"run_uuid": "../x"},
        {"parameters": {"playbook": "site.yml", "hosts": [{}]}},
        {"parameters": {"playbook": "site.yml", "hosts": [{"name": "a"}], "forks": "many"}},
    ],
)
def test_what_cannot_be_prepared_is_refused_and_leaves_nothing(runs: Runs, changed: dict) -> None:
    spec = replace(runs.spec(BOOK), **changed)
    with pytest.raises(WorkspaceError) as refused:
        launcher.prepare(spec, workspace_root=runs.workspaces, spool_root=runs.spools)
    assert refused.value.code is FailureCode.ENGINE_ERROR
    assert list(runs.workspaces.glob("*")) == list(runs.spools.glob("*")) == []


def test_secrets_are_in_no_argument_environment_or_lasting_file(runs: Runs) -> None:
    secret = "sesame-open-4711"
    book = BOOK.replace("debug: msg=x", "command: sleep 30")
    handle = runs.start(book, extra_vars={"password": secret}, secrets=(secret,))
    seen = b""
    while not (handle.spool_path.exists() and b'"k":"task"' in handle.spool_path.read_bytes()):
        assert not handle.poll()
    for pid in launcher.census(handle.marker):
        for name in ("cmdline", "environ"):
            seen += Path(f"/proc/{pid}/{name}").read_bytes()
    assert b"ansible-playbook" in seen and secret.encode() not in seen
    handle.stop(launcher.StopReason.CANCEL)
    runs.end(handle)
    handle.close()
    for path in [*runs.spools.rglob("*"), *runs.workspaces.rglob("*")]:
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert secret.encode() not in path.read_bytes()
    launcher.remove_spool(handle.spool_dir)
    assert launcher.leftovers(runs.spools) == []


def test_two_runs_at_once_do_not_meet(runs: Runs) -> None:
    first = runs.start(BOOK.replace("msg=x", "msg=first"))
    second = runs.start(BOOK.replace("msg=x", "msg=second"), hosts=local_hosts("a", "b"))
    one, two = runs.end(first), runs.end(second)
    assert "first" in one.everything and "second" not in one.everything
    assert set(two.codes()) == {"a", "b"} and "first" not in two.everything


def test_a_broken_supervisor_is_no_result(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = launcher.prepare(runs.spec(BOOK), workspace_root=runs.workspaces, spool_root=runs.spools)
    handle = replace(prepared, _document={}).start()
    runs.handles.append(handle)
    assert handle.wait(30)
    assert handle.result() is None
    assert "KeyError" in (handle.spool_dir / launcher.LOG_NAME).read_text()


def test_a_disk_without_room_ends_the_run_as_disk_full(runs: Runs) -> None:
    book = BOOK.replace("debug: msg=x", "command: sleep 60")
    ended = runs.run(book, min_free_bytes=2**62, grace_seconds=1)
    assert ended.result.failure_code is FailureCode.DISK_FULL
    assert ended.codes() == {"a": "disk_full"}


def test_a_limit_of_memory_ends_only_the_run(runs: Runs) -> None:
    book = BOOK.replace("debug: msg=x", 'command: /usr/bin/python3 -c "x = bytearray(8 << 30)"')
    ended = runs.run(book, limits={"memory_bytes": 2 << 30})
    assert ended.codes() == {"a": "task_failed"}
    assert "MemoryError" in ended.everything
