"""From the end of a line in the process to the line at a viewer, through a whole platform with nothing left out.

Ansible prints lines that hold the moment at which they were made; supervisor, spool, shipper, MariaDB, Redis and
gunicorn (one process) carry them to viewers in a process of their own (bench.viewers). Five more viewers read nothing.
Beside it the keeper removes old lines and a dump of the database is taken, again and again. The baseline is the same
playbook by bare ansible-playbook, read from a pipe: what Ansible itself needs to bring a line out.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.ground import bulk_lines
from bench.jobs import Platform, platform
from bench.rows import Row, make_row

SECONDS = 15.0  # of viewing, after everything runs
PAUSE, SLOW_PAUSE = 0.4, 2.0  # seconds between two lines of one job; of many (a line costs Ansible 20 ms of processor)
JOBS, PEOPLE, TABS = 30, 50, 4
COMING, PEOPLE_COMING = 0.01, 0.2  # seconds between two programs, and between two people
SLEEPERS = 5  # viewers that read nothing
OLD_LINES = 400_000  # that the keeper has to remove meanwhile
PREFIX = "tail"


def timed_playbook(lines: int, pause: float) -> str:
    """Return a playbook whose one task prints a line with the moment at which it was made every ``pause`` seconds."""
    return (
        "---\n- name: Timed\n  hosts: all\n  gather_facts: false\n  tasks:\n    - name: Print\n"
        "      ansible.builtin.debug:\n        msg: \"at={{ '%.6f' % now().timestamp() }} line {{ item }}\"\n"
        f'      loop: "{{{{ range({lines}) | list }}}}"\n      loop_control:\n        pause: {pause}\n'
    )


def bare_delays(folder: Path, lines: int = 25) -> list[float]:
    """Return the delays in seconds of the lines of bare ansible-playbook into a pipe."""
    (folder / "bare.yml").write_text(timed_playbook(lines, 0.1), encoding="utf-8")
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    }
    delays = []
    with subprocess.Popen(
        [program, "-i", "controller,", "-c", "local", "bare.yml"], cwd=folder, env=environment, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if b"at=" in line and b"msg" in line:
                delays.append(time.time() - float(line.partition(b"at=")[2].split()[0]))
    return delays


def percentile(values: list[float], part: float) -> float:
    """Return the value below which ``part`` (0 to 1) of all lie, in milliseconds."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000


class Load:
    """Jobs that print on a running platform."""

    def __init__(self, running: Platform) -> None:
        self.running = running
        self.servers = [running.server_id]

    def add_servers(self, count: int) -> None:
        """Bring the number of servers to ``count``: runs on different ones do not wait for each other."""
        while len(self.servers) < count:
            number = len(self.servers)
            body = {"hostname": f"node-{number}", "ip_address": f"192.0.2.{number}", "connection": "local"}
            self.servers.append(int(self.running.client.ask("/servers", body=body)["id"]))

    def start(self, name: str, jobs: int, seconds: float, pause: float = PAUSE) -> list[str]:
        """Launch one run on each of ``jobs`` servers; return the UUIDs of the jobs when all have printed."""
        self.add_servers(jobs)
        client = self.running.client
        playbook = self.running.upload(name, timed_playbook(int(seconds / pause), pause))
        uuids = [
            str(client.ask("/jobs", body={"playbook_id": playbook, "server_id": server})["job_id"])
            for server in self.servers[:jobs]
        ]
        deadline = time.monotonic() + 240
        waiting = list(uuids)
        while waiting:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{len(waiting)} jobs did not begin")
            time.sleep(0.5)
            waiting = [uuid for uuid in waiting if client.ask(f"/jobs/{uuid}/logs", limit=1)["last_line"] < 2]
        return uuids

    def cancel(self, uuids: list[str]) -> None:
        """Cancel jobs and wait until they have ended."""
        for uuid in uuids:
            self.running.client.ask(f"/jobs/{uuid}/cancel", body={})
        while any(not self.running.client.ask(f"/jobs/{uuid}/logs", limit=1)["complete"] for uuid in uuids):
            time.sleep(0.5)


def view(running: Platform, requests: list[dict[str, Any]], seconds: float, coming: float = COMING) -> dict[str, Any]:
    """Let viewers look for some seconds, one after the other; return bench.viewers.Seen."""
    place = ["127.0.0.1", str(running.stack.port)]
    command = [sys.executable, "-m", "bench.viewers", *place, str(seconds), str(coming)]
    done = subprocess.run(command, input=json.dumps(requests), capture_output=True, text=True, check=True, timeout=300)
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def by_key(running: Platform, uuids: list[str], kind: str = "reads") -> list[dict[str, Any]]:
    """Return requests for the streams that programs use, one for each UUID, from now on."""
    headers = {"Authorization": f"Bearer {running.client._key}"}
    last = {uuid: running.client.ask(f"/jobs/{uuid}/logs", limit=1)["last_line"] for uuid in set(uuids)}
    return [
        {"path": f"/api/v1/jobs/{uuid}/stream?after={last[uuid]}", "headers": headers, "kind": kind} for uuid in uuids
    ]


def by_browser(running: Platform, groups: list[list[str]], cookie: str) -> list[dict[str, Any]]:
    """Return requests for the streams that browsers use, one for all tabs."""
    last = {uuid: running.client.ask(f"/jobs/{uuid}/logs", limit=1)["last_line"] for uuids in groups for uuid in uuids}
    return [
        {
            "path": "/stream?" + "&".join(f"job={uuid}:{last[uuid]}" for uuid in uuids),
            "headers": {"Cookie": cookie},
        }
        for uuids in groups
    ]


def session_cookie(running: Platform) -> str:
    """Return the cookie of a session of the administrator, made as the tests make them."""
    from sqlalchemy import false, select, true

    from app import create_app
    from app.accounts.models import User
    from app.core.actor import Role
    from app.core.db import db, unit_of_work
    from app.core.tenancy import system_scope
    from config import Settings
    from tests import factories

    values = {name.removeprefix("MILLWRIGHT_").lower(): value for name, value in running.stack.settings.items()}
    app = create_app(Settings(**values))
    factories.use(app)
    with app.app_context(), system_scope("bench"), unit_of_work():
        people = select(User).where(User.role == Role.ADMIN, User.is_system == false(), User.is_active == true())
        user = db.session.scalars(people.order_by(User.id)).first()
        assert user is not None
        user.password_change_required = False
        person = factories.PersonMade(user.id, user.tenant_id, user.username, user.role)
    client = factories.sign_in(app.test_client(), person)
    with client:
        cookie = next(iter(client._cookies.values()))  # type: ignore[union-attr]
    return f"{cookie.key}={cookie.value}"


def store_old_lines(running: Platform, count: int) -> None:
    """Run a short job, give it ``count`` lines and move its end 200 days back: work for the keeper."""
    playbook = running.upload("old", "---\n- hosts: all\n  gather_facts: false\n  tasks: []\n")
    running.run(playbook)
    connection = running.stack.database.server.connect(running.stack.database.name)
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, run_id, tenant_id, log_lines FROM jobs ORDER BY id DESC LIMIT 1")
        job, run, tenant, lines = cursor.fetchone()
        bulk_lines(connection, count, str(job), f"n + 1 + {lines}", tenant=tenant)
        for table, row in (("jobs", job), ("runs", run)):
            cursor.execute(
                f"UPDATE {table} SET completed_at = completed_at - INTERVAL 200 DAY WHERE id = %s",  # noqa: S608
                (row,),
            )
    connection.close()


@contextmanager
def busy_house(running: Platform) -> Iterator[None]:
    """Old lines for the keeper to remove, and dumps of the database one after the other, while the block runs."""
    store_old_lines(running, OLD_LINES)
    server, name = running.stack.database.server, running.stack.database.name
    dump = (
        f"while :; do mariadb-dump --single-transaction --quick -h127.0.0.1 -P{server.port} -utest_admin {name}"
        " > /dev/null || exit 1; sleep 1; done"
    )
    environment = {**os.environ, "MYSQL_PWD": server.password}
    backup = subprocess.Popen(["bash", "-c", dump], env=environment, stderr=subprocess.PIPE, start_new_session=True)
    try:
        yield
        if backup.poll() is not None:
            raise RuntimeError(f"the dump failed: {backup.communicate()[1]!r}")
    finally:
        os.killpg(backup.pid, signal.SIGKILL)
        backup.wait()


def memory(running: Platform) -> dict[str, float]:
    """Return the resident memory in MiB of web and worker, their children that belong to the platform included."""
    found = {"web": 0.0, "worker": 0.0}
    for process in running.stack.census():
        with process.oneshot():
            words = " ".join(process.cmdline())
            kind = "web" if "gunicorn" in words else "worker" if re.search(r"celery.* worker", words) else None
            if kind:
                found[kind] += process.memory_info().rss / 1024 / 1024
    return found


def tails() -> list[Row]:
    """Measure 1, 50 and 200 viewers of one job, then 50 browsers of 4 tabs over 30 jobs."""
    rows: list[Row] = []
    with platform(worker_concurrency=str(JOBS), rate_limit_per_minute="100000", job_log_days="90") as running:
        base = bare_delays(running.folder)
        load = Load(running)
        cookie = session_cookie(running)
        with busy_house(running):
            before = memory(running)

            def add(name: str, seen: dict[str, Any], asked: int) -> None:
                if seen["gaps"] or seen["doubled"] or seen["cut"] or seen["statuses"] != {"200": asked}:
                    raise RuntimeError(f"{name}: { ({**seen, 'delays': len(seen['delays'])}) }")
                for part, aim in ((0.95, "300 ms"), (0.99, "1,000 ms")):
                    ours, bare = percentile(seen["delays"], part), percentile(base, part)
                    rows.append(make_row(f"{PREFIX}: {name}, p{part * 100:.0f}", ours, bare, "ms", aim=aim))
                    print(rows[-1], len(seen["delays"]), file=sys.stderr, flush=True)

            job = load.start("one", 1, 600)
            for viewers in (1, 50, 200):
                asked = by_key(running, job * viewers) + by_key(running, job * SLEEPERS, "sleeps")
                add(f"{viewers} of one job", view(running, asked, SECONDS), len(asked))
            load.cancel(job)
            many = load.start("many", JOBS, 600, SLOW_PAUSE)
            groups = [[many[(person * 7 + tab * 11) % JOBS] for tab in range(TABS)] for person in range(PEOPLE)]
            seen = view(running, by_browser(running, groups, cookie), 2 * SECONDS, PEOPLE_COMING)
            add(f"{PEOPLE} people, {TABS} tabs, {JOBS} jobs", seen, PEOPLE)
            load.cancel(many)
            after = memory(running)
        for kind in ("web", "worker"):
            rows.append(make_row(f"{PREFIX}: memory of {kind} after, before", after[kind], before[kind], "MiB"))
    return rows


ROWS = {PREFIX: tails}
