"""What becomes of every host, told by real playbooks."""

from __future__ import annotations

import socket
from pathlib import Path

from app.runners.base import FailureCode
from app.runners.outcome import SSH_ENDED_ADVICE
from tests.runners.conftest import Runs, local_hosts

FAIL_ON = "ansible.builtin.fail: msg='not on {{ inventory_hostname }}'"


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.9", 0))
        return int(probe.getsockname()[1])


def unreachable(name: str) -> dict:
    address = {"ansible_host": "127.0.0.9", "ansible_port": closed_port(), "ansible_connection": "ssh"}
    return {"name": name, "vars": address}


def test_hosts_of_a_batch_that_never_came_are_not_reached(runs: Runs) -> None:
    ended = runs.run(
        """
        - hosts: all
          gather_facts: false
          serial: 1
          tasks:
            - name: Check
              fail: msg='not on {{ inventory_hostname }}'
              when: inventory_hostname == 'b'
        """,
        hosts=local_hosts("a", "b", "c", "d"),
    )
    assert ended.codes() == {"a": None, "b": "task_failed", "c": "not_reached", "d": "not_reached"}
    assert ended.result.failure_code is FailureCode.TASK_FAILED
    failed = ended.result.hosts["b"]
    assert (failed.message, failed.failed_task, failed.failed_module) == ("not on b", "Check", "fail")


def test_one_failing_and_one_unreachable_host_leave_the_others_alone(runs: Runs) -> None:
    ended = runs.run(
        """
        - hosts: all
          gather_facts: false
          tasks:
            - name: Ask
              command: echo here
            - name: Check
              fail: msg=no
              when: inventory_hostname == 'b'
            - name: Last
              debug: msg=done
        """,
        hosts=[*local_hosts("a", "b", "c"), unreachable("x")],
    )
    assert ended.codes() == {"a": None, "b": "task_failed", "c": None, "x": "unreachable"}
    assert ended.states("Ask") == {"a": "changed", "b": "changed", "c": "changed", "x": "unreachable"}
    assert ended.states("Last") == {"a": "ok", "c": "ok"}
    assert {record["v"] for record in ended.of("line", h="x")} == {"ERROR"}
    assert ended.result.hosts["a"].counts == {"changed": 1, "skipped": 1, "ok": 1}


def test_where_ansible_hides_why_ssh_ended_the_message_says_where_to_ask(runs: Runs, tmp_path: Path) -> None:
    """ssh that breaks the pipe and is still alive a millisecond later: its reason reaches ansible no more."""
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/sh\nexec 0<&-\nsleep 1\necho 'Host key verification failed.' >&2\nexit 255\n")
    ssh.chmod(0o755)
    host = unreachable("x")
    host["vars"] |= {"ansible_ssh_executable": str(ssh), "ansible_python_interpreter": "/usr/bin/python3"}
    ended = runs.run("- {hosts: all, gather_facts: false, tasks: [{command: echo here}]}", hosts=[host])
    assert ended.codes() == {"x": "unreachable"}
    message = ended.result.hosts["x"].message
    assert "Broken pipe" in message and message.endswith(SSH_ENDED_ADVICE), message


def test_with_serial_an_unreachable_host_ends_the_run_for_those_behind_it(runs: Runs) -> None:
    ended = runs.run(
        """
        - hosts: all
          gather_facts: false
          serial: 1
          tasks: [{command: echo here}]
        """,
        hosts=[*local_hosts("a"), unreachable("x"), *local_hosts("z")],
    )
    assert ended.codes() == {"a": None, "x": "unreachable", "z": "not_reached"}


def test_rescued_and_ignored_failures_are_success(runs: Runs) -> None:
    ended = runs.run(
        """
        - hosts: all
          gather_facts: false
          tasks:
            - block:
                - name: Breaks
                  fail: msg=caught
              rescue:
                - name: Repairs
                  debug: msg=repaired
            - name: Ignored
              command: "false"
              ignore_errors: true
        """,
    )
    assert ended.result.failure_code is None
    assert ended.codes() == {"a": None}
    assert ended.states("Breaks") == {"a": "rescued"}
    assert ended.states("Repairs") == {"a": "ok"}
    assert ended.states("Ignored") == {"a": "ignored"}
    ignored = ended.of("task", n="Ignored")[0]["s"]
    assert {record["v"] for record in ended.of("line", s=ignored)} == {"WARNING"}


def test_a_failure_inside_the_rescue_part_is_a_failure(runs: Runs) -> None:
    ended = runs.run(
        """
        - hosts: all
          gather_facts: false
          tasks:
            - block:
                - fail: msg=first
              rescue:
                - name: Repairs
                  fail: msg=second
              always:
                - debug: msg=always
        """,
    )
    assert ended.codes() == {"a": "task_failed"}
    assert ended.result.hosts["a"].message == "second"
    assert ended.states("Repairs") == {"a": "failed"}


def test_any_errors_fatal_leaves_the_others_incomplete(runs: Runs) -> None:
    ended = runs.run(
        """
        - hosts: all
          gather_facts: false
          any_errors_fatal: true
          tasks:
            - fail: msg=no
              when: inventory_hostname == 'b'
            - debug: msg=later
        """,
        hosts=local_hosts("a", "b", "c"),
    )
    assert ended.codes() == {"a": "incomplete", "b": "task_failed", "c": "incomplete"}


def test_max_fail_percentage_stops_the_batch_and_those_behind_it(runs: Runs) -> None:
    ended = runs.run(
        """
        - hosts: all
          gather_facts: false
          serial: 3
          max_fail_percentage: 20
          tasks:
            - fail: msg=no
              when: inventory_hostname == 'b'
            - debug: msg=later
        """,
        hosts=local_hosts("a", "b", "c", "d"),
    )
    assert ended.codes() == {"a": "incomplete", "b": "task_failed", "c": "incomplete", "d": "not_reached"}


def test_a_failing_run_once_task_stops_everyone(runs: Runs) -> None:
    ended = runs.run(
        """
        - hosts: all
          gather_facts: false
          tasks:
            - fail: msg=no
              run_once: true
            - debug: msg=later
        """,
        hosts=local_hosts("a", "b"),
    )
    assert ended.codes() == {"a": "task_failed", "b": "incomplete"}


def test_later_plays_that_never_began_count(runs: Runs) -> None:
    ended = runs.run(
        """
        - hosts: all
          gather_facts: false
          tasks: [{debug: msg=first}]
        - hosts: "{{ chosen }}"
          gather_facts: false
          tasks: [{fail: msg=no}]
        - hosts: b
          gather_facts: false
          tasks: [{debug: msg=third}]
        - hosts: c
          gather_facts: false
          tasks: [{debug: msg=fourth}]
        """,
        hosts=local_hosts("a", "b", "c"),
        extra_vars={"chosen": "a"},
    )
    assert ended.codes() == {"a": "task_failed", "b": "incomplete", "c": "incomplete"}


def test_a_failing_play_on_localhost_fails_the_run_and_its_hosts_are_not_reached(runs: Runs) -> None:
    ended = runs.run(
        """
        - hosts: localhost
          connection: local
          gather_facts: false
          tasks: [{name: Prepare, fail: msg=nothing}]
        - hosts: all
          gather_facts: false
          tasks: [{debug: msg=later}]
        """,
        hosts=local_hosts("a", "b"),
    )
    assert ended.codes() == {"a": "not_reached", "b": "not_reached"}
    assert ended.result.failure_code is FailureCode.TASK_FAILED
    assert "localhost" in ended.result.message and "Prepare" in ended.result.message


def test_a_last_play_that_fails_on_localhost_fails_the_run_but_not_its_hosts(runs: Runs) -> None:
    ended = runs.run(
        """
        - hosts: all
          gather_facts: false
          tasks: [{debug: msg=first}]
        - hosts: localhost
          connection: local
          gather_facts: false
          tasks: [{fail: msg=nothing}]
        """,
    )
    assert ended.codes() == {"a": None}
    assert ended.result.failure_code is FailureCode.TASK_FAILED


def test_a_playbook_that_matches_no_host_says_so(runs: Runs) -> None:
    ended = runs.run("- hosts: elsewhere\n  tasks: [{debug: msg=x}]\n", hosts=local_hosts("a", "b"))
    assert ended.codes() == {"a": "no_hosts", "b": "no_hosts"}
    assert ended.result.failure_code is FailureCode.NO_HOSTS


def test_ending_a_host_or_a_play_on_purpose_is_success(runs: Runs) -> None:
    ended = runs.run(
        """
        - hosts: all
          gather_facts: false
          tasks:
            - meta: end_host
              when: inventory_hostname == 'a'
            - debug: msg=x
        - hosts: all
          gather_facts: false
          serial: 1
          tasks:
            - meta: end_play
        """,
        hosts=local_hosts("a", "b"),
    )
    assert ended.codes() == {"a": None, "b": None}
    assert ended.result.failure_code is None


def test_the_free_strategy_has_each_task_once_and_every_result(runs: Runs) -> None:
    ended = runs.run(
        """
        - hosts: all
          strategy: free
          gather_facts: false
          tasks:
            - name: One
              command: echo one
              notify: Handler
            - name: Two
              fail: msg=no
              when: inventory_hostname == 'b'
            - name: Three
              debug: msg=x
          handlers:
            - name: Handler
              debug: msg=handled
        """,
        hosts=local_hosts("a", "b", "c"),
    )
    assert [record["n"] for record in ended.of("task")].count("One") == 1
    assert ended.states("One") == dict.fromkeys("abc", "changed")
    assert ended.states("Three") == {"a": "ok", "c": "ok"}
    assert ended.states("Handler") == {"a": "ok", "c": "ok"}
    assert ended.of("task", n="Handler")[0]["y"] == "handler"
    assert ended.codes() == {"a": None, "b": "task_failed", "c": None}


def test_a_syntax_error_is_the_engines(runs: Runs) -> None:
    ended = runs.run("- hosts: all\n  tasks: [{nosuchmodule: x\n")
    assert ended.codes() == {"a": "engine_error"}
    assert ended.result.failure_code is FailureCode.ENGINE_ERROR
    assert ended.result.exit_code not in (0, None)
    assert "site.yml" in ended.result.message
    assert "ERROR" in {record["v"] for record in ended.of("line", h=None)}


def test_a_missing_role_is_the_engines_error(runs: Runs) -> None:
    ended = runs.run("- hosts: all\n  roles: [nosuchrole]\n")
    assert ended.result.failure_code is FailureCode.ENGINE_ERROR
    assert "nosuchrole" in ended.result.message
