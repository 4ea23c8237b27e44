"""The oldest engine that the product promises, under our output plugin: the same playbook, the same honest results."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.runners.base import FailureCode
from app.runners.installations import inspect, playbook_command
from tests.runners.conftest import Ended, Runs, local_hosts
from tests.support.old_engine import VERSION

pytestmark = pytest.mark.stack
BOOK = """
- name: Play one
  hosts: all
  gather_facts: false
  serial: 2
  tasks:
    - name: Say
      ansible.builtin.debug:
        msg: "hello {{ inventory_hostname }}"
    - name: Change
      ansible.builtin.command: echo changed
      notify: Later
    - name: Break on b
      ansible.builtin.fail:
        msg: broken on purpose
      when: inventory_hostname == "b"
    - name: Skip
      ansible.builtin.debug:
        msg: no
      when: false
  handlers:
    - name: Later
      ansible.builtin.debug:
        msg: handled
"""


def play(runs: Runs, engine: Path | None, book: str = BOOK, **more: object) -> Ended:
    given = {"ansible_playbook": str(playbook_command(engine))} if engine else {}
    return runs.run(book, hosts=local_hosts("a", "b", "c"), **given, **more)


def test_the_same_playbook_ends_alike_under_both_engines(runs: Runs, old_engine: Path) -> None:
    old, new = play(runs, old_engine), play(runs, None)
    assert old.result.engine_version == VERSION
    assert new.result.engine_version > "2.19"
    assert old.codes() == new.codes() == {"a": None, "b": "task_failed", "c": None}
    names = [[(record["s"], record["n"]) for record in ended.of("task")] for ended in (old, new)]
    assert names[0] == names[1]
    for task in ("Say", "Change", "Break on b", "Skip", "Later"):
        assert old.states(task) == new.states(task)
    for host in "abc":
        assert old.result.hosts[host].counts == new.result.hosts[host].counts
    assert "broken on purpose" in old.result.hosts["b"].message
    assert 'msg": "hello a"' in old.text("a")


def test_t_vars_extra_variables_stay_plain_text_under_the_old_engine(
    runs: Runs, old_engine: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "executed"
    ended = play(
        runs,
        old_engine,
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - debug: msg={{ given }}\n",
        extra_vars={"given": "{{ lookup('pipe', 'touch " + str(mark) + "') }}"},
    )
    assert ended.result.failure_code is None
    assert not mark.exists()
    assert "lookup('pipe'" in ended.text("a")


@pytest.mark.parametrize("old", [True, False])
def test_a_syntax_check_names_file_and_line(runs: Runs, old_engine: Path, old: bool) -> None:
    engine = old_engine if old else None
    good = play(runs, engine, BOOK, syntax_check=True)
    assert (good.result.failure_code, good.result.exit_code) == (None, 0)
    assert good.of("task") == []
    bad = play(
        runs,
        engine,
        "- hosts: all\n  tasks:\n    - import_tasks: part.yml\n",
        syntax_check=True,
        files={"part.yml": "- name: one\n  ansible.builtin.ping:\n- name: two\n  nosuchmodule_at_all:\n"},
    )
    assert bad.result.failure_code is FailureCode.ENGINE_ERROR
    assert bad.result.message.startswith("part.yml:3: "), bad.result.message
    assert str(runs.workspaces) not in bad.everything


def test_an_installation_tells_its_versions_and_a_broken_one_why(old_engine: Path, tmp_path: Path) -> None:
    found = inspect("old", old_engine)
    assert (found.version, found.problem) == (VERSION, "")
    assert found.python.startswith("3.")
    assert "is not at" in inspect("gone", tmp_path / "gone").problem
    (tmp_path / "bin").mkdir()
    for name in ("python", "ansible-playbook"):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / "bin" / name).chmod(0o755)
    assert "no usable ansible-core" in inspect("odd", tmp_path).problem
    assert "is not at" in inspect("relative", Path("relative")).problem
