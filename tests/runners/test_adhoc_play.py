"""The play that is made for one module, run by the real engine."""

from __future__ import annotations

from pathlib import Path

from app.playbooks import adhoc
from tests.runners.conftest import Runs, local_hosts

COMMAND = "ansible.builtin.command"


def test_a_real_run_shows_what_the_module_answered_and_evaluates_nothing(runs: Runs, tmp_path: Path) -> None:
    # Past the check on purpose: even a template that got here is text to Ansible.
    hostile = "{{ lookup('pipe', 'touch " + str(tmp_path / "owned") + "') }}"
    book = adhoc.play(COMMAND, {"argv": ["printf", "%s\\n", "one", "two", hostile]}, become=False)
    ended = runs.run(book.decode(), hosts=local_hosts("a"), verbosity=1, result_format="yaml")
    assert ended.codes() == {"a": None}, ended.everything
    lines = [record["x"].strip() for record in ended.of("line", h="a")]
    assert "one" in lines and "two" in lines and any("lookup(" in line for line in lines)
    assert not (tmp_path / "owned").exists()
    (task,) = ended.of("task")
    assert (task["n"], task["m"]) == ("command", COMMAND)
