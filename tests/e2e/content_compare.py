"""One playbook of a repository, twice: through the platform, and by ``ansible-playbook`` on twins of its hosts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.client import Team
from tests.e2e.content_listing import different, listing
from tests.support.hosts import SshHost
from tests.support.processes import wait_until

RECORDER = Path(__file__).with_name("ansible_recorder")
COUNTS = ("ok", "changed", "unreachable", "failed", "skipped", "rescued", "ignored")
RECAP = re.compile(r"^(\S+)\s+: (ok=\d+ .*)$", re.MULTILINE)
LONG = 900.0  # seconds: packages are installed over the network
Tasks = list[tuple[str, dict[str, str]]]
Recap = dict[str, dict[str, int]]


@dataclass(frozen=True)
class Wanted:
    """What is run: ``playbooks`` in this order. ``groups`` are made and hold every host, ``variables`` are extra."""

    repository: Path
    playbooks: Sequence[str]
    groups: Sequence[str] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What a run did: tasks in their order with the result of each host, the recap, the whole output."""

    tasks: Tasks
    recap: Recap
    output: str


class Platform:
    """A project of the repository on a running platform, made, synced and approved through REST alone."""

    def __init__(self, team: Team, wanted: Wanted, servers: Sequence[int]) -> None:
        self.team, self.wanted, self.servers = team, wanted, list(servers)
        for name in wanted.groups:
            group = team.post("/server-groups", {"name": name}, expect=201)
            changed = team.call("PATCH", f"/server-groups/{group['id']}/members", {"add_server_ids": self.servers})
            assert changed.status == 200, changed
        url = f"file://{wanted.repository}"
        made = team.post("/playbook-projects", {"source": "git", "name": "Content", "git_url": url}, expect=201)
        base = f"/playbook-projects/{made['uuid']}"

        def synced() -> Any:
            newest = team.get(f"{base}/syncs")[0]
            return newest if newest["finished_at"] else None

        sync = team.get(f"{base}/syncs/{wait_until(synced, LONG, 'the end of the sync', 0.5)['uuid']}")
        assert sync["status"] == "success", sync["log"]
        self.commit = str(sync["commit_hash"])
        books = team.post(f"{base}/playbooks", {"paths": list(wanted.playbooks)}, expect=201)
        for book in books:
            team.post(f"/playbooks/{book['id']}/approve", {"manifest_hash": book["manifest_hash"]})
        self.books = {book["file_path"]: int(book["id"]) for book in books}

    def run(self, playbook: str) -> Seen:
        """Launch one of the playbooks on all servers and wait for its end."""
        team, variables = self.team, dict(self.wanted.variables)
        launch = team.launch(self.books[playbook], self.servers, extra_vars=variables, timeout_seconds=int(LONG))
        team.finished(launch, LONG)
        results = team.get(f"/launches/{launch}/results")
        rows = {row["server_name"]: row["cells"] for row in results["rows"]}
        tasks: Tasks = []
        for task in results["tasks"]:
            cells = {host: cells.get(str(task["seq"])) for host, cells in rows.items()}
            tasks.append((task["name"], {host: _shell_word(cell["status"]) for host, cell in cells.items() if cell}))
        text = str(team.get(f"/launches/{launch}/logs"))
        return Seen(tasks, {host: _counts(words) for host, words in RECAP.findall(text)}, text)


class Shell:
    """A person at a shell: a clone, its requirements, an inventory; ``folder`` is their home, empty before."""

    def __init__(self, wanted: Wanted, hosts: Sequence[SshHost], folder: Path) -> None:
        self.wanted, self.folder, self.checkout = wanted, folder, folder / "checkout"
        self._call(["git", "clone", "--quiet", str(wanted.repository), str(self.checkout)], folder)
        for name in ("requirements.yml", "roles/requirements.yml", "collections/requirements.yml"):
            if (self.checkout / name).exists():
                self._call([_program("ansible-galaxy"), "install", "-r", name], self.checkout)
        known = folder / "known_hosts"
        known.write_text("".join(f"{host.known_hosts_line}\n" for host in hosts), "utf-8")
        options = f"-F none -o UserKnownHostsFile={known} -o StrictHostKeyChecking=yes"
        entries = {host.name: {**_reached(host), "ansible_ssh_common_args": options} for host in hosts}
        groups = {name: {"hosts": dict.fromkeys(entries)} for name in wanted.groups}
        self.inventory, self.variables = folder / "inventory.yml", folder / "variables.json"
        self.inventory.write_text(yaml.safe_dump({"all": {"hosts": entries, "children": groups}}), "utf-8")
        self.variables.write_text(json.dumps(dict(wanted.variables)), "utf-8")

    def run(self, playbook: str) -> Seen:
        """Run one of the playbooks by ``ansible-playbook`` in the clone."""
        record = self.folder / "record.json"
        record.unlink(missing_ok=True)
        more = {
            "ANSIBLE_CALLBACK_PLUGINS": str(RECORDER),
            "ANSIBLE_CALLBACKS_ENABLED": "content_recorder",
            "CONTENT_RECORD": str(record),
        }
        argv = [_program("ansible-playbook"), "-i", str(self.inventory), "-e", f"@{self.variables}", playbook]
        output = self._call(argv, self.checkout, more, may_fail=True)
        data = json.loads(record.read_text("utf-8")) if record.exists() else {"tasks": [], "hosts": {}}
        recap = {host: {_word(key): value for key, value in counts.items()} for host, counts in data["hosts"].items()}
        return Seen([(name, results) for name, results in data["tasks"]], recap, output)

    def _call(self, argv: list[str], place: Path, more: Mapping[str, str] = {}, *, may_fail: bool = False) -> str:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LC_ALL": "C.UTF-8", **more}
        done = subprocess.run(
            argv, cwd=place, env=environment, capture_output=True, text=True, timeout=LONG, stdin=subprocess.DEVNULL
        )
        assert may_fail or done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def compare(ours: Seen, theirs: Seen, pairs: Sequence[tuple[SshHost, SshHost]]) -> list[str]:
    """Return what differs as sentences: recap, tasks with results, files and packages of each pair of hosts."""
    found = [
        f"recap of {host}: {ours.recap.get(host)} here, {theirs.recap.get(host)} at the shell"
        for host in sorted(ours.recap.keys() | theirs.recap.keys())
        if ours.recap.get(host) != theirs.recap.get(host)
    ]
    for number in range(max(len(ours.tasks), len(theirs.tasks))):
        here, there = (seen.tasks[number] if number < len(seen.tasks) else None for seen in (ours, theirs))
        if here != there:
            found.append(f"task {number + 1}: {here} here, {there} at the shell")
            if here is None or there is None or here[0] != there[0]:
                break  # the rest is only out of step
    for mine, twin in pairs:
        found += [f"{mine.name}: {key}" for key in different(listing(mine), listing(twin))]
    return found


def _reached(host: SshHost) -> dict[str, Any]:
    return {
        "ansible_host": host.address,
        "ansible_port": host.port,
        "ansible_user": host.user,
        "ansible_ssh_private_key_file": str(host.key_path),
        "ansible_python_interpreter": host.python_interpreter,
    }


def _shell_word(status: str) -> str:
    return "failed" if status == "rescued" else status  # the shell says so in the recap only


def _word(key: str) -> str:
    return {"failures": "failed"}.get(key, key)


def _counts(words: str) -> dict[str, int]:
    pairs = (word.split("=") for word in words.split())
    return {key: int(value) for key, value in pairs if key in COUNTS}
