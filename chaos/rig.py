"""The rig: its own database server, Redis, web, workers and keepers on private ports, for one case after the other.

Everything is a child of this process and dies with it; it is ended by process id. Start processes from the main
thread only (tests.support.processes).
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pymysql

from app.standalone import platform
from chaos import sabotage
from chaos.client import Caller, Tally
from chaos.payload import ENGINE, Payload, make_engine
from tests.support import servers
from tests.support.databases import ROOT, Databases, TestDatabase
from tests.support.processes import Process, Timeout, processes_with_marker, wait_until
from tests.support.redis import RedisServer
from tests.support.servers import DatabaseServer
from tests.support.stack import Stack

ORPHAN_SECONDS = 15.0  # within this time after the end nothing of a run may live
Row = dict[str, Any]


class DurableDatabases(Databases):
    """Servers that keep what was committed when they are killed, as production must."""

    def server(self, kind: str) -> DatabaseServer:
        """Start it on the first call."""
        if kind not in self._servers:
            begin = {"mariadb": servers.start_mariadb, "mysql": servers.start_mysql}[kind]
            self._servers[kind] = begin(durable=True, options=["--max-connections=400"])
        found = self._servers[kind]
        assert isinstance(found, DatabaseServer)
        return found


class Platform(Stack):
    """The platform's processes; workers have a slot, and one that is started again keeps its name."""

    def __init__(self, folder: Path, database: TestDatabase, redis_server: RedisServer) -> None:
        super().__init__(folder, database, redis_server)
        self.slots: dict[str, Process] = {}
        self.extra: dict[str, str] = {}

    @property
    def environment(self) -> dict[str, str]:
        """With what the rig adds, e.g. a mechanism that is switched off."""
        return {**super().environment, **self.extra}

    def launch_slot(self, slot: str, **settings: str) -> Process:
        """Start the worker of a slot, or start it again, without waiting. ``settings`` by name in lower case."""
        kept = dict(self.settings)
        self.settings.update({f"MILLWRIGHT_{name.upper()}": value for name, value in settings.items()})
        process = self._launch(f"worker-{slot}", platform.worker_command(f"{slot}-{self.marker}"))
        self.settings = kept
        self.slots[slot] = process
        return process

    def start_slot(self, slot: str, **settings: str) -> Process:
        """Start the worker of a slot and wait until it listens."""
        process = self.launch_slot(slot, **settings)
        wait_until(lambda: self._alive(process) and "ready." in process.output(), timeout=90, message=f"worker {slot}")
        return process

    def launch_keeper(self) -> Process:
        """Start a keeper without waiting."""
        return self.start_keeper()

    def launch_web(self) -> Process:
        """Start the web process without waiting for its answer."""
        self.web = self._launch("web", platform.web_command("127.0.0.1", self.port))
        return self.web

    def listening(self) -> dict[str, Process]:
        """The workers that have started, by slot."""
        return {
            slot: process
            for slot, process in sorted(self.slots.items())
            if process.running and "ready." in process.beginning()
        }

    def pool_children(self) -> list[psutil.Process]:
        """The living pool children of the workers that listen."""
        found = []
        for process in self.listening().values():
            try:
                found += psutil.Process(process.pid).children()
            except psutil.NoSuchProcess:
                continue
        return found


@dataclass
class Site:
    """One case's platform, with a key, servers and payloads. ``random`` is seeded; use it for every choice."""

    rig: Rig
    platform: Platform
    random: random.Random
    folder: Path
    tally: Tally = field(default_factory=Tally)
    key: str = ""
    faults: int = 0
    notes: list[str] = field(default_factory=list)
    _books: int = 0

    def caller(self) -> Caller:
        """A caller for one thread."""
        return Caller(self.platform.port, self.key, self.tally)

    def begin(self, workers: int = 2, *, keepers: int = 1, **settings: str) -> None:
        """Start everything; ``settings`` by name in lower case go to all processes."""
        self.platform.settings.update({f"MILLWRIGHT_{name.upper()}": value for name, value in settings.items()})
        for _ in range(keepers):
            self.platform.launch_keeper()
        for number in range(workers):
            self.platform.launch_slot(f"w{number}")
        self.platform.start_web()
        for slot, process in self.platform.slots.items():
            wait_until(lambda p=process: self._listens(p), 90, f"worker {slot}")  # type: ignore[misc]

    def _listens(self, process: Process) -> bool:
        assert process.running, f"{process.name} ended while starting:\n{process.output(2000)}"
        return "ready." in process.beginning()

    def servers(self, count: int, prefix: str = "s") -> list[int]:
        """Add local servers; returns their ids."""
        caller, found = self.caller(), []
        for number in range(1, count + 1):
            values = {"hostname": f"{prefix}{number:04d}", "ip_address": "127.0.0.1", "connection": "local"}
            found.append(int(caller.sure("POST", "/servers", values)["id"]))
        return found

    def playbook(self, text: str, *, engine: str = ENGINE) -> int:
        """Upload and approve a playbook for an engine; returns its id."""
        self._books += 1
        caller = self.caller()
        values = {"name": f"Chaos {self._books}", "file_name": "site.yml", "content": text}
        made = caller.sure("POST", "/playbooks", values)
        caller.sure("POST", f"/playbooks/{made['id']}/approve", {"manifest_hash": made["manifest_hash"]})
        if engine != "default":
            project = next(row for row in caller.sure("GET", "/playbook-projects") if row["id"] == made["project_id"])
            caller.sure("PATCH", f"/playbook-projects/{project['uuid']}", {"engine": engine})
        return int(made["id"])

    def stand_in(self, **payload: Any) -> int:
        """Upload a playbook for the stand-in engine; keys of Payload. Returns its id."""
        return self.playbook(Payload(**payload).playbook(self.folder))

    # --- looking from outside

    def ask(self, statement: str, *values: Any) -> list[Row]:
        """Rows of a query by the database's administrator."""
        connection = self.rig.connect()
        try:
            with connection.cursor(pymysql.cursors.DictCursor) as cursor:
                cursor.execute(statement, values)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def tell(self, statement: str, *values: Any) -> None:
        """Change something behind the platform's back."""
        connection = self.rig.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
        finally:
            connection.close()

    def count(self, statement: str, *values: Any) -> int:
        """The one number that a query gives."""
        return int(next(iter(self.ask(statement, *values)[0].values())) or 0)

    def open_jobs(self) -> int:
        """Jobs without a final status."""
        return self.count("SELECT COUNT(*) FROM jobs WHERE status IN ('pending', 'running')")

    def running_jobs(self) -> int:
        """Jobs that have begun and not ended."""
        return self.count("SELECT COUNT(*) FROM jobs WHERE status = 'running'")

    def until(self, condition: Callable[[], Any], seconds: float, message: str) -> float:
        """Wait for a condition; returns the seconds it took. Timeout (AssertionError) when it does not come."""
        began = time.monotonic()
        wait_until(condition, seconds, message, 0.1)
        return time.monotonic() - began

    def all_final(self, seconds: float) -> float:
        """Wait until every job has its final status; returns how long that took.

        As long as jobs end it goes on: ``seconds`` is how long it waits for the next one. A slow machine is no breach.
        """
        began = time.monotonic()
        left = self.open_jobs()
        while left:
            try:
                self.until(partial(self._fewer_open_than, left), seconds, "the end of a job")
            except Timeout:
                self.notes.append(f"{left} jobs not final, and none of them ended within {seconds:.0f} s")
                break
            left = self.open_jobs()
        return time.monotonic() - began

    def _fewer_open_than(self, number: int) -> bool:
        return self.open_jobs() < number

    def run_processes(self) -> list[psutil.Process]:
        """Living processes of runs (their workspaces lie in this platform's data folder)."""
        marked = processes_with_marker("MILLWRIGHT_RUN=")
        mine = str(self.folder)
        return [process for process in marked if _mentions(process, mine)]

    def fault(self, what: str) -> None:
        """Count a fault; its name goes to the case's log."""
        self.faults += 1
        self.rig.log(f"    fault {self.faults}: {what}")

    def kill_tree(self, process: Process) -> None:
        """kill -9 of a process and all that descends from it, at one stroke."""
        try:
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for member in family:
            try:
                member.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(family, timeout=10)

    def ops(self, *arguments: str) -> str:
        """Run ``flask ops ...``; returns what it printed, AssertionError when it failed."""
        done = self.platform.flask("ops", *arguments)
        assert done.returncode == 0, f"flask ops {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def stop_platform(self) -> None:
        """SIGTERM to web, workers and keepers, as an operator stops them."""
        for process in [self.platform.web, *self.platform.slots.values(), *self.platform.keepers]:
            if process is not None:
                process.stop(grace=30)
        self.platform.slots.clear()
        self.platform.keepers.clear()

    def stop_workers(self, grace: float = 30.0) -> None:
        """SIGTERM to every worker; wait for the end."""
        for process in self.platform.slots.values():
            process.kill(signal.SIGTERM)
        for process in self.platform.slots.values():
            process.wait(grace + 60)


def _mentions(process: psutil.Process, text: str) -> bool:
    try:
        return any(text in value for value in process.environ().values()) or process.status() == "disk-sleep"
    except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
        return False


class Rig:
    """Holds the database server and Redis over all cases of one database. ``without`` names a mechanism to break."""

    def __init__(self, kind: str, *, without: str | None = None, log: Callable[[str], None] = print) -> None:
        self.kind = kind
        self.without = without
        self.log = log
        self.folder = Path(tempfile.mkdtemp(prefix="millwright-chaos-"))
        self.databases = DurableDatabases(self.folder)
        self.redis = RedisServer(self.folder / "redis")
        self.engine = make_engine(self.folder / "engine")
        self.database: TestDatabase | None = None
        self._cases = 0

    @property
    def server(self) -> DatabaseServer:
        """The database server."""
        return self.databases.server(self.kind)

    def version(self) -> str:
        """The database server's own word of what it is."""
        connection = self.server.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT VERSION()")
                found = cursor.fetchone()
                return f"{self.kind} {found[0] if found else '?'}"
        finally:
            connection.close()

    def connect(self) -> pymysql.connections.Connection[pymysql.cursors.Cursor]:
        """An administrator's connection to the platform's database."""
        assert self.database is not None
        return self.server.connect(self.database.name)

    def site(self, seed: str) -> Site:
        """A fresh platform with an empty database, nothing of it started but Redis."""
        self._cases += 1
        self.database = self.databases.migrated(self.kind)
        if not self.redis.is_running:
            self.redis.start()
        self.redis.client().flushall()
        folder = self.folder / f"case{self._cases}"
        folder.mkdir()
        made = Platform(folder, self.database, self.redis)
        made.settings.update(
            {
                "MILLWRIGHT_RATE_LIMIT_PER_MINUTE": "1000000",
                "MILLWRIGHT_ENGINES": json.dumps({ENGINE: str(self.engine)}),
                "MILLWRIGHT_WORKER_CONCURRENCY": "4",
                "MILLWRIGHT_LEASE_SECONDS": "60",
                "MILLWRIGHT_LOCK_AGEING_SECONDS": "5",
                "MILLWRIGHT_DATABASE_POOL_SIZE": "8",
            }
        )
        made.extra = sabotage.environment(self.without)
        sabotage.change_database(self.without, self.server, self.database.name)
        made.first_admin()
        site = Site(self, made, random.Random(seed), folder)  # noqa: S311 - replayed by its seed, not a secret
        command = [sys.executable, "-m", "app.standalone.demo_key", "issue"]
        done = subprocess.run(command, cwd=ROOT, env=made.environment, capture_output=True, text=True, check=True)
        site.key = json.loads(done.stdout.splitlines()[-1])["key"]
        return site

    def end(self, site: Site) -> None:
        """Stop a case's processes and remove its files."""
        site.platform.stop()
        for process in site.run_processes():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        shutil.rmtree(site.folder, ignore_errors=True)

    def stop(self) -> None:
        """End everything."""
        if self.redis.is_running:
            self.redis.stop()
        self.databases.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
