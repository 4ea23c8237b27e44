"""What runs do under chaos: playbooks for the stand-in engine and for the real one, and what their logs must hold."""

from __future__ import annotations

import json
import re
import sys
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos import standin

ENGINE = "standin"
_LINE = re.compile(r"L (\d+) ([0-9a-f]{8}) ")


def make_engine(folder: Path) -> Path:
    """Make a folder that the platform takes for a virtual environment with ansible-core; returns it."""
    programs = folder / "bin"
    programs.mkdir(parents=True)
    for name, command in (
        ("python", f'exec {sys.executable} "$@"\n'),
        ("ansible-playbook", f'exec {sys.executable} -I -S {standin.__file__} "$@"\n'),
    ):
        path = programs / name
        path.write_text(f"#!/bin/sh\n{command}", encoding="utf-8")
        path.chmod(0o755)
    return folder


@dataclass(frozen=True)
class Payload:
    """What a stand-in run does. ``lines`` numbered lines for each host, ``batch`` at a time, ``pause`` seconds apart.

    ``gate``: it ends only when that file is there. ``strays``: processes that it leaves behind. ``stubborn``: it takes
    no notice of SIGTERM. ``texts``: a JSON file of texts to tell as they are, ``printed`` one of bytes to print.
    """

    lines: int = 40
    batch: int = 10
    pause: float = 0.0
    width: int = 60
    fail: bool = False
    strays: int = 0
    stubborn: bool = False
    gate: Path | None = None
    texts: Path | None = None
    printed: Path | None = None

    def playbook(self, folder: Path) -> str:
        """The playbook's text; ledger and sent lie in ``folder``."""
        told: dict[str, Any] = {key: value for key, value in vars(self).items() if value not in (None, False, 0)}
        told |= {"ledger": folder / "ledger", "sent": folder / "sent"}
        return (
            f"# chaos {json.dumps(told, default=str)}\n"
            "- name: Chaos\n  hosts: all\n  gather_facts: false\n  tasks:\n"
            "    - name: Print\n      ansible.builtin.debug:\n        msg: nothing\n"
        )


def real_playbook(folder: Path, lines: int = 5) -> str:
    """A playbook for the real engine: its first act is the ledger's line, then a loop prints the numbers."""
    note = f'printf "%s %s %s\\n" "$MILLWRIGHT_RUN" $$ {{{{ inventory_hostname }}}} >> {folder / "ledger"}'
    return (
        "- name: Chaos\n  hosts: all\n  gather_facts: false\n  tasks:\n"
        f"    - name: Note\n      ansible.builtin.shell: {json.dumps(note)}\n"
        "    - name: Print\n      ansible.builtin.debug:\n        msg: number {{ item }}\n"
        f"      loop: '{{{{ range(1, {lines} + 1) | list }}}}'\n"
    )


@dataclass
class Ledger:
    """What payloads wrote down themselves: ``begun`` by run marker (uuid.attempt), ``sent`` by (marker, host)."""

    begun: Counter[str] = field(default_factory=Counter)
    hosts: Counter[tuple[str, str]] = field(default_factory=Counter)
    sent: dict[tuple[str, str], int] = field(default_factory=dict)

    def attempts(self, run_uuid: str) -> list[str]:
        """Markers under which a run began."""
        return [marker for marker in self.begun if marker.startswith(run_uuid)]


def read_ledger(folder: Path) -> Ledger:
    """Read both files; a payload that never began left nothing."""
    found = Ledger()
    ledger, sent = folder / "ledger", folder / "sent"
    if ledger.exists():
        for text in ledger.read_text(encoding="utf-8").splitlines():
            marker, _pid, hosts = text.split(" ")
            found.begun[marker] += 1
            found.hosts.update((marker, host) for host in hosts.split(","))
    if sent.exists():
        with sent.open(encoding="utf-8") as lines:
            for text in lines:
                marker, host, number = text.split(" ")
                found.sent[marker, host] = int(number)
    return found


@dataclass
class Seen:
    """What a stored log shows of the numbered lines: how many from 1 on without a gap, doubles, and what is wrong."""

    gapless: int = 0
    doubled: int = 0
    wrong: list[str] = field(default_factory=list)
    highest: int = 0

    def take(self, marker: str, host: str, text: str) -> None:
        """Take the next stored line of a job."""
        match = _LINE.match(text)
        if match is None:
            return
        number = int(match[1])
        if zlib.crc32(f"{marker} {host} {number}".encode()) != int(match[2], 16):
            self.wrong.append(f"line {number} of {host} is of another run")
        elif number <= self.highest:
            self.doubled += 1
        elif number != self.highest + 1:
            self.wrong.append(f"line {number} of {host} follows {self.highest}")
            self.highest = number
        else:
            self.gapless += self.gapless == self.highest
            self.highest = number


def names(jobs: Mapping[str, Any]) -> str:
    """A few names for a message."""
    listed = sorted(jobs)
    return ", ".join(listed[:5]) + (" ..." if len(listed) > 5 else "")
