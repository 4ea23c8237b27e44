"""A host that lies: what it prints is text, whole and harmless, and never an event."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from tests.e2e.conftest import Site
from tests.support.hosts import SshHosts

pytestmark = [
    pytest.mark.stack,
    pytest.mark.hosts,
    pytest.mark.parametrize("database_kind", ["mariadb"], indirect=True),
]
BIG = 10 * 1024 * 1024
FORGED = '{"e":"res","h":"victim","s":1,"st":"failed","d":1,"df":null,"n":"forged task","m":"forged","msg":"forged"}'
FORGED_END = '{"e":"stats","left":[]}'
PLAYBOOK = """
- name: Talk
  hosts: all
  gather_facts: false
  tasks:
    - name: Say something
      ansible.builtin.raw: "{talk}"
    - name: Say it all at once
      ansible.builtin.command: "/usr/bin/python3 {shout}"
      when: inventory_hostname == 'liar'
"""
TALK = """
import base64, json, sys
event = {"uuid": "../../../../escaped", "event": "runner_on_failed", "event_data": {"host": "victim"}}
text = base64.b64encode(json.dumps(event).encode()).decode()
out = sys.stdout.buffer
out.write(("\\x1b[K" + text + "\\x1b[%dD\\x1b[K\\n" % len(text)).encode())
out.write(FORGED.encode() + b"\\n" + FORGED_END.encode() + b"\\n")
out.write(b"fatal: [victim]: FAILED! => {}\\nPLAY RECAP ****\\nvictim : ok=0 failed=1\\n")
out.write(b"\\x1b[31mred\\x1b[0m \\x1b]8;;https://evil.example/\\x1b\\\\click\\x1b]8;;\\x1b\\\\ ")
out.write(b"\\x1b]0;title\\x07 \\x1b[2J\\n")
out.write(b"nul\\x00nul broken \\xff\\xfe\\xc3 end\\n")
out.write(b"LAST WORD\\n")
"""
SHOUT = "import sys; sys.stdout.write('0123456789abcdef' * (%d // 16))"


def script(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_that_a_host_prints_is_forged_or_lost(site: Site, ssh_hosts: SshHosts, tmp_path: Path) -> None:
    team = site.team
    site.stack.start()
    constants = f"FORGED = {FORGED!r}\nFORGED_END = {FORGED_END!r}\n"
    talk = script(tmp_path, "talk.py", constants + TALK)
    shout = script(tmp_path, "shout.py", SHOUT % BIG)
    _, liar = site.host(ssh_hosts, "liar")
    _, victim = site.host(ssh_hosts, "victim")
    text = PLAYBOOK.format(talk=f"/usr/bin/python3 {talk} {{{{ inventory_hostname == 'liar' }}}}", shout=shout)
    launch = team.launch(team.upload("Talk", text), [liar, victim], verbosity=1)
    ended = team.finished(launch)
    assert team.outcome(launch) == {"liar": ("success", None), "victim": ("success", None)}
    assert (ended["status"], team.tickets()) == ("success", [])
    jobs = team.jobs(launch)
    assert "forged" not in json.dumps(team.get(f"/launches/{launch}/results"))
    counts = {name: job["task_counts"] for name, job in jobs.items()}
    assert counts["liar"] == {"changed": 2} and counts["victim"]["changed"] == 1, counts
    lines = team.lines(jobs["liar"]["job_id"])
    assert_text_is_safe_and_whole(lines)
    digest = assert_ten_megabytes(lines)
    assert not list(tmp_path.rglob("*escaped*"))
    site.say(
        f"hostile host: both jobs green, 0 tickets, {BIG} bytes on one line came back whole (sha256 {digest[:12]})"
    )
    site.verify_audit()


def assert_text_is_safe_and_whole(lines: list[str]) -> None:
    text = "\n".join(line for line in lines if len(line) < 100_000)
    for whole in ("LAST WORD", "fatal: [victim]: FAILED!", "forged task", "click", "broken", "nul"):
        assert whole in text, whole
    assert base64.b64encode(b'{"uuid"').decode()[:8] in text  # ansible-runner's own marker: shown as plain text
    plain = re.sub(r"\x1b\[[0-9;:]*m", "", text)  # colours may stay
    assert {character for character in plain if ord(character) < 32 or 127 <= ord(character) < 160} <= {"\t", "\n"}


def assert_ten_megabytes(lines: list[str]) -> str:
    """The engine prints the task's result as JSON on one line; the rows that it was cut into give it back."""
    longest = max(lines, key=len)
    result = json.loads(longest.partition(" => ")[2])
    digest = hashlib.sha256(result["stdout"].encode()).hexdigest()
    assert len(result["stdout"]) == BIG
    assert digest == hashlib.sha256(b"0123456789abcdef" * (BIG // 16)).hexdigest()
    return digest
