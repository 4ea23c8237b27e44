"""One job that prints 1,000,000 lines beside twenty that print one every two seconds: the research's case R14.

The flood is a ``command`` of FLOOD_TASK lines, shown by ``debug``, again and again: what Ansible can print at all.
Every line is looked at afterwards: all of them, once, in order. The baseline is the same file by bare ansible-playbook.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from dataclasses import dataclass, field

import psutil

from bench.jobs import SECONDS, Platform, platform
from bench.log_tails import SLOW_PAUSE, Load, by_key, percentile, view
from bench.rows import Row, make_row

FLOOD_LINES, FLOOD_TASK, CHATTY = 1_000_000, 50_000, 20
NAME = "flood"
_NUMBER = re.compile(r"line (\d+) of")


def flood_playbook(lines: int, each: int = FLOOD_TASK) -> str:
    """Return a playbook that prints ``lines`` numbered lines of some seventy characters, ``each`` with one task."""
    text = "line %.0f of a program that has much to say and says it again"
    tasks = "".join(
        f"    - name: Run {first}\n      ansible.builtin.command:\n"
        f"        argv: [seq, -f, '{text}', '{first}', '{min(first + each - 1, lines)}']\n"
        "      register: printed\n"
        f"    - name: Show {first}\n      ansible.builtin.debug:\n        var: printed.stdout_lines\n"
        for first in range(1, lines + 1, each)
    )
    return f"---\n- name: Flood\n  hosts: all\n  gather_facts: false\n  tasks:\n{tasks}"


@dataclass
class Watch(threading.Thread):
    """Notes the most memory that any process of the worker took, in MiB, at the beginning and while it runs."""

    running: Platform
    first: float = 0.0
    most: float = 0.0
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        """Be a thread that ends with the process."""
        super().__init__(daemon=True)

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        """Look twice a second."""
        while not self.over.wait(0.5):
            self.first = self.first or self.most
            for process in self.running.stack.census():
                try:
                    if "celery" in " ".join(process.cmdline()):
                        self.most = max(self.most, process.memory_info().rss / 2**20)
                except psutil.NoSuchProcess:
                    continue


def check_lines(running: Platform, job_id: str, lines: int) -> None:
    """Raise unless the stored log holds every numbered line once and in order, under contiguous line numbers."""
    connection = running.stack.database.server.connect(running.stack.database.name)
    expected = number = 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM jobs WHERE job_id = %s", (job_id,))
        job = cursor.fetchone()[0]
        while True:
            cursor.execute(
                "SELECT line_number, content FROM job_logs WHERE job_id = %s AND line_number > %s"
                " ORDER BY tenant_id, job_id, line_number LIMIT 20000",
                (job, number),
            )
            rows = cursor.fetchall()
            if not rows:
                break
            for line_number, content in rows:
                number += 1
                found = _NUMBER.search(content)
                expected += found is not None
                if line_number != number or (found and int(found[1]) != expected):
                    raise RuntimeError(f"line {line_number} of the flood is wrong: {content[:80]}")
    connection.close()
    if expected != lines:
        raise RuntimeError(f"{expected} of {lines} lines are stored")


def measure(lines: int = FLOOD_LINES, chatty: int = CHATTY) -> list[Row]:
    """Run the flood beside ``chatty`` jobs, one viewer on each of them."""
    with platform(worker_concurrency=str(chatty + 1), rate_limit_per_minute="100000") as running:
        text = flood_playbook(lines)
        playbook = running.upload("flood", text)
        bare = running.run_bare("flood")
        load = Load(running)
        load.add_servers(chatty + 1)
        talking = load.start("talk", chatty, SECONDS, SLOW_PAUSE)
        watch = Watch(running)
        watch.start()
        server = load.servers[chatty]
        began = time.monotonic()
        job = running.client.ask("/jobs", body={"playbook_id": playbook, "server_id": server})["job_id"]
        seen = view(running, by_key(running, talking), max(15.0, bare))
        while not (part := running.client.ask(f"/jobs/{job}/logs", limit=1))["complete"]:
            if time.monotonic() - began > SECONDS:
                raise RuntimeError(f"the flood did not end: {part['last_line']} lines")
            time.sleep(0.2)
        took = time.monotonic() - began
        watch.over.set()
        load.cancel(talking)
        check_lines(running, job, lines)
        if seen["gaps"] or seen["doubled"]:
            raise RuntimeError("a viewer missed a line")
    print(f"{len(seen['delays'])} lines of the others were seen", file=sys.stderr)
    return [
        make_row(f"{NAME}: {lines:,} lines beside {chatty} jobs", took, bare, "s", aim="120 s"),
        make_row(f"{NAME}: p95 of the others' lines, of its aim", percentile(seen["delays"], 0.95), 3_000, "ms"),
        make_row(f"{NAME}: most memory of a shipper, before", watch.most, watch.first, "MiB", aim="200 MiB"),
    ]


def flood() -> list[Row]:
    """Measure the whole."""
    return measure()


ROWS = {NAME: flood}
