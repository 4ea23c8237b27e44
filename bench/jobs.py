"""Whole jobs through a real platform (gunicorn, Celery worker, keeper, Redis, MariaDB), against bare ansible-playbook.

Ours runs from sending POST /api/v1/jobs until the live stream says that the job has ended; the baseline is the same
file by ``ansible-playbook`` on a local connection. Both are taken in turns in the same run.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.standalone.demo_client import Client
from bench.rows import Row, make_row

RUNS = 7
TASKS = 1_000
SECONDS = 600.0  # longer means that something is broken
FIRST, SINGLE, THOUSAND = "single job: first line", "single job", "1,000-task job"


def playbook_text(tasks: int) -> str:
    """A playbook with this many tasks, each of which prints a line."""
    head = "---\n- name: Bench\n  hosts: all\n  gather_facts: false\n  tasks:\n"
    task = "    - name: Task {0}\n      ansible.builtin.debug:\n        msg: number {0}\n"
    return head + "".join(task.format(number) for number in range(1, tasks + 1))


class Platform:
    """A running platform and a key for it."""

    def __init__(self, client: Client, folder: Path, stack: Any, key: str = "") -> None:
        self.client = client
        self.key = key
        self.folder = folder
        self.stack = stack  # tests.support.stack.Stack
        self.server_id = client.ask("/servers", q="controller")[0]["id"]

    def upload(self, name: str, text: str) -> int:
        """Store and approve a playbook; returns its id. A copy lies in ``folder`` for the baseline."""
        (self.folder / f"{name}.yml").write_text(text, encoding="utf-8")
        made = self.client.ask("/playbooks", body={"name": name, "file_name": f"{name}.yml", "content": text})
        self.client.ask(f"/playbooks/{made['id']}/approve", body={})
        return int(made["id"])

    def run(self, playbook_id: int) -> tuple[float, float]:
        """Launch and follow; returns the seconds to the first line and to the end."""
        began = time.monotonic()
        job = self.client.ask("/jobs", body={"playbook_id": playbook_id, "server_id": self.server_id})
        first = 0.0
        for _line in self.client.follow(job["job_id"], SECONDS):
            first = first or time.monotonic() - began
        took = time.monotonic() - began
        status = self.client.ask(f"/jobs/{job['job_id']}")["status"]
        if status != "success":
            raise RuntimeError(f"the measured job ended as {status}")
        return first, took

    def run_bare(self, name: str) -> float:
        """The same file without the platform; returns seconds."""
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        command = [program, "-i", "controller,", "-c", "local", f"{name}.yml"]
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.folder), "LC_ALL": "C.UTF-8"}
        began = time.monotonic()
        subprocess.run(command, cwd=self.folder, env=environment, check=True, capture_output=True, timeout=SECONDS)
        return time.monotonic() - began


@contextmanager
def platform(**settings: str) -> Iterator[Platform]:
    """Start everything on free ports and end it afterwards; ``settings`` are further ones of its processes."""
    import json

    from tests.support.databases import ROOT, Databases
    from tests.support.redis import RedisServer
    from tests.support.stack import Stack

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        databases, broker = Databases(folder), RedisServer(folder / "redis")
        broker.start()
        try:
            stack = Stack(folder, databases.migrated("mariadb"), broker)
            stack.settings |= {f"MILLWRIGHT_{name.upper()}": value for name, value in settings.items()}
            try:
                stack.first_admin()
                stack.start()
                command = [sys.executable, "-m", "app.standalone.demo_key", "issue"]
                made = subprocess.run(command, cwd=ROOT, env=stack.environment, capture_output=True, check=True)
                key = json.loads(made.stdout.splitlines()[-1])["key"]
                yield Platform(Client(stack.base_url, key), folder, stack, key)
            finally:
                stack.stop()
        finally:
            broker.stop()
            databases.stop()


def single_job() -> list[Row]:
    """The middle of RUNS short jobs, after one that warms up."""
    with platform() as running:
        playbook_id = running.upload("short", playbook_text(1))
        running.run(playbook_id)
        running.run_bare("short")
        ours, bare = [], []
        for _ in range(RUNS):
            ours.append(running.run(playbook_id))
            bare.append(running.run_bare("short"))
    baseline = statistics.median(bare)
    firsts, finals = zip(*ours, strict=True)
    return [
        make_row(FIRST, statistics.median(firsts), baseline, "s"),
        make_row(SINGLE, statistics.median(finals), baseline, "s", aim="baseline + 0.3 s"),
    ]


def thousand_tasks() -> Row:
    """One job of TASKS tasks, after a short one that warms up."""
    with platform() as running:
        warm = running.upload("short", playbook_text(1))
        long = running.upload("long", playbook_text(TASKS))
        running.run(warm)
        _first, took = running.run(long)
        bare = running.run_bare("long")
    return make_row(THOUSAND, took, bare, "s", aim="ratio 1.07")


ROWS = {SINGLE: single_job, THOUSAND: thousand_tasks}
