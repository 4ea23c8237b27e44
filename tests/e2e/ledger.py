"""Playbooks that write each step down on their own, so that a log can be held against what really happened."""

from __future__ import annotations

import re
from pathlib import Path

from tests.e2e.client import Team

_ITEM = re.compile(r"changed: \[[^\]]+\] => \(item=(\d+)\)")
STEPS = """
- name: Count
  hosts: all
  gather_facts: false
  tasks:
    - name: Step
      ansible.builtin.shell: "echo {{{{ item }}}} >> {ledger}; {then}"
      loop: "{{{{ range(1, {steps} + 1) | list }}}}"
"""


def counting(ledger: Path, *, steps: int = 5000, then: str = "true") -> str:
    """A playbook that adds a number to ``ledger`` before it prints it, step after step."""
    return STEPS.format(ledger=ledger, steps=steps, then=then)


def done(ledger: Path) -> list[int]:
    """The steps that were begun."""
    return [int(line) for line in ledger.read_text().split()] if ledger.exists() else []


def logged(team: Team, job_id: str) -> list[int]:
    """The steps that the job's log shows, in its order."""
    found = (_ITEM.match(line) for line in team.lines(job_id))
    return [int(match[1]) for match in found if match]


def assert_gapless(team: Team, job_id: str, ledger: Path, *, at_most_missing: int = 2) -> str:
    """The log shows every step from 1 on, each once, up to the last that was done.

    ``at_most_missing``: steps whose result had not left the engine when it was killed (one that was being done, one
    that was being reported).
    """
    shown, begun = logged(team, job_id), done(ledger)
    assert begun == list(range(1, len(begun) + 1)), "a step was done twice or left out"
    assert shown == list(range(1, len(shown) + 1)), "the log has a gap"
    assert len(begun) - at_most_missing <= len(shown) <= len(begun), (len(begun), len(shown))
    return f"{len(begun)} steps begun, {len(shown)} in the log"
