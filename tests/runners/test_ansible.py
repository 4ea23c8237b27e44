"""What real playbooks print, and what reaches ansible."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.runners import launcher
from app.runners.base import FailureCode
from app.runners.workspace import WorkspaceError
from tests.runners.conftest import LOCAL, Runs, local_hosts


def test_the_text_is_what_ansible_prints(runs: Runs) -> None:
    ended = runs.run(
        """
        - name: Play one
          hosts: all
          gather_facts: false
          tasks:
            - name: Loop
              debug: msg="item {{ item }}"
              loop: [1, 2]
            - name: Change
              command: echo hello
              notify: Later
            - name: Skip
              command: echo no
              when: false
          handlers:
            - name: Later
              debug: msg=handled
        """,
        hosts=local_hosts("a", "b"),
    )
    assert ended.of("play")[0]["p"] == "Play one"
    assert [(r["s"], r["n"], r["m"]) for r in ended.of("task")] == [
        (1, "Loop", "debug"),
        (2, "Change", "command"),
        (3, "Skip", "command"),
        (4, "Later", "debug"),
    ]
    assert ended.of("task")[1]["f"] == "site.yml:9"
    lines = [record["x"] for record in ended.of("line", h="a", s=1)]
    assert lines == [
        "ok: [a] => (item=1) => {", '    "msg": "item 1"', "}",
        "ok: [a] => (item=2) => {", '    "msg": "item 2"', "}",
    ]  # fmt: skip
    assert [r["x"] for r in ended.of("line", h="b", s=2)] == ["changed: [b]"]
    assert [r["x"] for r in ended.of("line", h="b", s=3)] == ["skipping: [b]"]
    assert "PLAY RECAP ***" in ended.text(None)
    assert {r["v"] for r in ended.of("line", h="a")} == {"INFO"}
    assert ended.result.engine_version
    for host in "ab":  # a result stands after the lines it belongs to
        for seq in range(1, 5):
            places = [i for i, r in enumerate(ended.records) if r.get("h") == host and r.get("s") == seq]
            assert ended.records[places[-1]]["k"] == "res"
            assert [ended.records[i]["k"] for i in places[:-1]] == ["line"] * (len(places) - 1)


def test_the_whole_log_reads_as_ansible_prints_it(runs: Runs, tmp_path: Path) -> None:
    book = """
- hosts: all
  gather_facts: false
  tasks:
    - debug: msg="{{ item }}"
      loop: [1, 2]
    - command: echo x
      when: item == 2
      loop: [1, 2]
      notify: Done
    - block:
        - command: "false"
          no_log: true
      rescue:
        - debug: msg=rescued
    - import_tasks: more.yml
    - include_tasks: more.yml
    - copy: {content: new, dest: /nonexistent-by-design}
      check_mode: true
      diff: true
    - meta: flush_handlers
    - command: echo x
      async: 30
      poll: 1
  handlers:
    - name: Done
      debug: msg=handled
- hosts: nowhere
  tasks: []
"""
    more = "- debug: var=inventory_hostname\n"
    ended = runs.run(book, files={"more.yml": more})
    (tmp_path / "site.yml").write_text(book)
    (tmp_path / "more.yml").write_text(more)
    (tmp_path / "inventory.json").write_text(json.dumps({"all": {"hosts": {"a": LOCAL}}}))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventory.json", "site.yml"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(Path.home()), "LANG": "C.UTF-8", "ANSIBLE_NOCOWS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    banner = re.compile(r"(PLAY( \[.*\])?|(TASK|RUNNING HANDLER) \[.*\]) \*+$")
    printed = [line for line in done.stdout.splitlines() if line and not banner.match(line)]
    shown = [record["x"] for record in ended.of("line") if record["x"]]

    def plain(lines: list[str], folder: str) -> list[str]:
        text = re.sub(r"jid=\S+|ansible-local-\S+", "ID", "\n".join(lines).replace(f"{folder}/", ""))
        return [line for line in text.split("\n") if not line.startswith(("[WARNING]", "[ERROR]", "Origin"))]

    workspace = str(ended.handle._prepared.workspace.project)
    assert plain(printed, str(tmp_path)) == [
        line for line in plain(shown, workspace) if line in plain(printed, str(tmp_path))
    ]
    missing = set(plain(printed, str(tmp_path))) - set(plain(shown, workspace))
    assert missing == set()


def test_retries_delegation_includes_and_diffs_stay_with_their_host(runs: Runs) -> None:
    ended = runs.run(
        """
        - hosts: a
          gather_facts: false
          tasks:
            - name: Retry
              command: "false"
              retries: 2
              delay: 0
              register: tried
              until: tried.rc == 0
              ignore_errors: true
            - name: Delegated
              command: echo x
              delegate_to: b
            - name: Include
              include_tasks: more.yml
            - name: Diff
              copy: {content: "new line\\n", dest: "{{ playbook_dir }}/../tmp/diffed"}
        """,
        files={"more.yml": "- name: Included\n  debug: msg=inside\n"},
        hosts=local_hosts("a", "b"),
        diff=True,
    )
    retry = ended.of("task", n="Retry")[0]["s"]
    assert "FAILED - RETRYING: [a]: Retry (2 retries left)." in ended.text("a")
    assert {record["h"] for record in ended.of("line", s=retry)} == {"a"}
    assert "changed: [a -> b]" in ended.text("a")
    assert ended.text("b") == ""
    assert ended.states("Included") == {"a": "ok"}
    assert "included: " in ended.text(None)
    diff = ended.of("task", n="Diff")[0]["s"]
    [result] = ended.of("res", s=diff)
    assert "+new line" in result["df"] and "+new line" in ended.text("a")
    assert ended.codes()["a"] is None
    assert ended.result.hosts["b"].failure_code is FailureCode.NO_HOSTS


def test_check_mode_tags_limit_and_forks_reach_ansible(runs: Runs) -> None:
    ended = runs.run(
        """
        - hosts: all
          gather_facts: false
          tasks:
            - name: Wanted
              command: echo {{ ansible_check_mode }}
              tags: [one]
            - name: Unwanted
              command: echo x
              tags: [two]
        """,
        hosts=local_hosts("a", "b"), check=True, tags=["one"], skip_tags="two", limit="a", forks=9,
    )  # fmt: skip
    assert ended.states("Wanted") == {"a": "skipped"}
    assert ended.of("task", n="Unwanted") == []
    assert ended.codes() == {"a": None, "b": "no_hosts"}


def test_levels_come_from_what_was_said(runs: Runs) -> None:
    ended = runs.run(
        """
        - hosts: all
          gather_facts: false
          tasks:
            - command: echo x
            - fail: msg=no
        """,
        verbosity=3,
    )
    fatal = [record for record in ended.of("line", h="a") if record["x"].startswith("fatal:")]
    assert [record["v"] for record in fatal] == ["ERROR"]
    detail = [record["v"] for record in ended.of("line", h="a", s=1)]
    assert detail[0] == "INFO" and set(detail[1:]) == {"DEBUG"}
    assert any(record["v"] == "DEBUG" and "EXEC" in record["x"] for record in ended.of("line", h=None))


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": "-e@/etc/passwd"},
        {"limit": "@/etc/passwd"},
        {"limit": "a\nb"},
        {"tags": ["--become"]},
        {"skip_tags": "-x"},
        {"verbosity": 9},
        {"forks": 100000},
        {"playbook": "../site.yml"},
        {"playbook": "-i"},
        {"playbook": "missing.yml"},
        {"extra_vars": {"ansible_connection": "local"}},
        {"extra_vars": {"a b": 1}},
        {"extra_vars": {"x": "\ud800"}},
        {"hosts": []},
        {"hosts": [{"name": "x ansible_connection=local"}]},
        {"hosts": [{"name": "h[1:9]"}]},
        {"hosts": [{"name": "-oProxyCommand"}]},
        {"hosts": [{"name": "a"}, {"name": "a"}]},
        {"groups": {"web": {"hosts": ["elsewhere"]}}},
        {"ansible_playbook": "/nonexistent/bin/ansible-playbook"},
        {"become": {"user": "--x"}},
        {"private_key_path": "/nonexistent/key"},
    ],
)
def test_t_args_what_cannot_run_is_refused_before_it_begins(runs: Runs, parameters: dict) -> None:
    spec = runs.spec("- hosts: all\n")
    spec = type(spec)(spec.run_uuid, 1, "ansible", 60, {**spec.parameters, **parameters}, spec.files)
    with pytest.raises(WorkspaceError) as refused:
        launcher.prepare(spec, workspace_root=runs.workspaces, spool_root=runs.spools)
    assert refused.value.code is FailureCode.ENGINE_ERROR
    assert list(runs.workspaces.glob("*")) == list(runs.spools.glob("*")) == []
