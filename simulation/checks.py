"""The judge: looks at what is committed after every COMMIT, at every engine's start, and at the end.

It knows nothing of the code under test: its own table of changes, its own idea of what a spool's rows are. Numbers are
those of docs/algorithms.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from simulation.database import Outside
from simulation.engine import Engine, Engines
from simulation.script import expect
from simulation.world import Actor, World

FINAL = {"success", "failed", "cancelled"}
RUN_CHANGES = {
    ("pending", "claimed"), ("claimed", "pending"), ("claimed", "running"),
    *((source, final) for source in ("pending", "claimed", "running") for final in FINAL),
} - {("pending", "success"), ("claimed", "success")}  # fmt: skip
JOB_CHANGES = {
    ("pending", "running"), ("pending", "cancelled"), ("pending", "failed"),
    *(("running", final) for final in FINAL),
}  # fmt: skip
MAX_ATTEMPTS = 5
_RUNS = (
    "SELECT id, status, attempt, began_at, failure_code, log_complete, shipped_records, uuid, launch_id, lock_mode,"
    " completed_at FROM runs"
)
_NAMED = "SELECT id, status, lock_name, cancel_requested_at FROM runs WHERE lock_name IS NOT NULL ORDER BY id"
_JOBS = "SELECT id, run_id, status, server_id, log_lines, first_failure_line, launch_id, ticket_due FROM jobs"


class Judge:
    """The invariants of one history."""

    def __init__(self, world: World, outside: Outside, engines: Engines, lease_seconds: float) -> None:
        self.world = world
        self.outside = outside
        self.engines = engines
        self.lease_seconds = lease_seconds
        self.runs: dict[int, tuple[Any, ...]] = {}
        self.jobs: dict[int, tuple[Any, ...]] = {}
        self.launches: dict[int, tuple[Any, ...]] = {}
        self.servers: dict[int, str] = {}
        self.locked: list[tuple[Any, ...]] = []
        self.commits = 0
        self.ended_on: dict[int, str] = {}  # run id -> the machine of whoever ended it
        self._named: set[int] = set()  # runs with a name that were under way at the commit before
        self.on_claim: list[Callable[[int], None]] = []  # each called once, with the next run that is claimed

    # --- after every COMMIT

    def on_commit(self, actor: Actor | None) -> None:
        """Compare what is committed with what was before."""
        self.commits += 1
        rows = self.outside.rows
        runs = {row[0]: row for row in rows(_RUNS)}
        jobs = {row[0]: row for row in rows(_JOBS)}
        launches = {
            row[0]: row
            for row in rows(
                "SELECT id, status, open_runs, jobs_total, jobs_success, jobs_failed, jobs_cancelled FROM launches"
            )
        }
        self.locked = rows("SELECT server_id, run_id, mode FROM server_locks")
        if runs != self.runs:
            self._run_changes(runs, actor)
        if jobs != self.jobs:
            self._changes("I1 job", self.jobs, jobs, JOB_CHANGES, status=2)
        if launches != self.launches:
            self._changes("I1 launch", self.launches, launches, JOB_CHANGES, status=1)
        self.runs, self.jobs, self.launches = runs, jobs, launches
        self._locks()
        self._names()
        self._lines()
        self._audited()

    def _run_changes(self, runs: dict[int, tuple[Any, ...]], actor: Actor | None) -> None:
        self._changes("I1 run", self.runs, runs, RUN_CHANGES, status=1)
        for run_id, new in runs.items():
            old = self.runs.get(run_id)
            if old is None or old == new:
                continue
            claimed = (old[1], new[1]) == ("pending", "claimed")
            while claimed and self.on_claim:
                self.on_claim.pop()(run_id)
            if new[2] != old[2] + (1 if claimed else 0) or new[2] > MAX_ATTEMPTS:
                self._accuse("I2", f"run {run_id}: attempt {old[2]} became {new[2]} ({old[1]} to {new[1]})")
            if old[3] is not None and old[3] != new[3]:
                self._accuse("I4", f"run {run_id} began at {old[3]}, now at {new[3]}")
            if (old[3] is None) != (new[3] is None) and new[1] != "running":
                self._accuse("I4", f"run {run_id} is marked as begun and is {new[1]}")
            if old[1] in FINAL and old[:8] != new[:8]:
                self._accuse("I1", f"run {run_id} changed after its end: {old} became {new}")
            if actor is not None and new[1] in FINAL:
                self.ended_on.setdefault(run_id, actor.host.name)
            given_up = (old[1], new[1]) == ("claimed", "pending") or (new[1] == "failed" and new[4] == "lost")
            if given_up and old[1] != new[1]:
                self._given_up(run_id, actor)

    def _given_up(self, run_id: int, actor: Actor | None) -> None:
        """A living executor's run is taken from it only when its host was silent for the lease."""
        carriers = [other for other in self.world.actors if other.run_id == run_id and not other.dead]
        for carrier in carriers:
            if carrier is actor or (carrier.host.boot_id, carrier.pid) != self._executor(run_id):
                continue
            since = self.world.now - 3 * self.lease_seconds
            silent = any(
                until > since and min(until, self.world.now) - begun >= 0.7 * self.lease_seconds
                for begun, until in carrier.host.away
            )
            if not silent:
                name = actor.name if actor else "somebody"
                self._accuse("I12", f"{name} gave up run {run_id}, whose executor {carrier.name} lives and is heard")

    def _executor(self, run_id: int) -> tuple[str, int]:
        boot, pid = self.outside.rows("SELECT boot_id, executor_pid FROM runs WHERE id = ?", run_id)[0]
        return boot, pid

    def _changes(
        self,
        what: str,
        old: dict[int, tuple[Any, ...]],
        new: dict[int, tuple[Any, ...]],
        allowed: Iterable[tuple[str, str]],
        *,
        status: int,
    ) -> None:
        for row_id, row in old.items():
            was, now = row[status], new[row_id][status] if row_id in new else "gone"
            if was != now and (was, now) not in allowed:
                self._accuse(what.split()[0], f"{what.split()[1]} {row_id} went from {was} to {now}")

    def _locks(self) -> None:
        held = {(server, run) for server, run, _mode in self.locked}
        by_server: dict[int, list[tuple[int, str]]] = {}
        for server, run_id, mode in self.locked:
            by_server.setdefault(server, []).append((run_id, mode))
            if self.runs[run_id][1] not in ("claimed", "running"):
                self._accuse("I3", f"run {run_id} is {self.runs[run_id][1]} and holds server {server}")
        for server, holders in by_server.items():
            if len(holders) > 1 and any(mode == "exclusive" for _run, mode in holders):
                self._accuse("I3", f"server {server} is held by {holders}")
        for job in self.jobs.values():
            taken = self.runs[job[1]][1] in ("claimed", "running")
            if taken and job[2] not in FINAL and job[3] is not None and (job[3], job[1]) not in held:
                self._accuse("I3", f"run {job[1]} goes on without a lock on server {job[3]}")

    def _names(self) -> None:
        """Runs of one name: one at a time, the oldest first."""
        rows = self.outside.rows
        named = rows(
            "SELECT id, status, lock_name, cancel_requested_at FROM runs WHERE lock_name IS NOT NULL ORDER BY id"
        )
        holders = rows("SELECT run_id FROM run_locks")
        taken = [row[0] for row in named if row[1] in ("claimed", "running")]
        if len(taken) > 1 or holders != [(run_id,) for run_id in taken]:
            self._accuse("I16", f"runs {taken} of one name are under way, {holders} hold it")
        waiting = [row[0] for row in named if row[1] == "pending" and row[3] is None]
        for run_id in set(taken) - self._named:
            if waiting and waiting[0] < run_id:
                self._accuse("I16", f"run {run_id} overtook run {waiting[0]} of the same name")
        self._named = set(taken)

    def _lines(self) -> None:
        counted = {
            job_id: (count, top)
            for job_id, count, top in self.outside.rows(
                "SELECT job_id, COUNT(*), MAX(line_number) FROM job_logs GROUP BY job_id"
            )
        }
        for job_id, job in self.jobs.items():
            count, top = counted.get(job_id, (0, 0))
            if not job[4] == count == top:
                self._accuse("I7", f"job {job_id} says {job[4]} lines, has {count}, the last is number {top}")

    def _audited(self) -> None:
        entries = Counter(
            row[0] for row in self.outside.rows("SELECT resource_id FROM audit_logs WHERE event = 'run:finish'")
        )
        for run_id, run in self.runs.items():
            if entries[run_id] != (1 if run[1] in FINAL else 0):
                self._accuse("I10", f"run {run_id} is {run[1]} with {entries[run_id]} entries of its end")

    # --- engines

    def on_engine_start(self, engine: Engine) -> None:
        """The ledger: begun before, begun once, alone on its servers."""
        found = [run for run in self.runs.values() if run[7] == engine.run_uuid]
        run = found[0] if found else None
        if sum(1 for other in self.engines.all if other.run_uuid == engine.run_uuid) > 1:
            self._accuse("I5", f"a second engine starts for run {run and run[0]}")
        began = run is not None and run[3] is not None and run[2] == engine.attempt
        if run is None or not began or (run[1] != "running" and run[4] != "lost"):
            self._accuse("I4", f"engine {engine.marker} starts while its run is {run and run[:5]}")
            return
        for other in self.engines.alive():
            if other is engine or not set(other.servers) & set(engine.servers):
                continue
            its = next(row for row in self.runs.values() if row[7] == other.run_uuid)
            shared = run[9] == its[9] == "shared"
            if not shared and its[4] != "lost" and run[4] != "lost":
                self._accuse(
                    "I6", f"runs {run[0]} and {its[0]} are at work on {set(other.servers) & set(engine.servers)}"
                )

    # --- the end

    def are_all_final(self) -> bool:
        """Whether every launch has ended."""
        return all(launch[1] in FINAL for launch in self.launches.values())

    def at_the_end(self) -> None:
        """Everything is quiet: rows against the spools, counters against rows, the chain."""
        self.on_commit(None)
        for engine in self.engines.alive():
            self._accuse("I11", f"engine {engine.marker} outlived its run")
        for run in self.runs.values():
            if run[1] not in FINAL:
                self._accuse("I13", f"run {run[0]} is {run[1]} at the end")
            self._log(run)
        for launch in self.launches.values():
            self._counts(launch)
        self._tickets()
        self._chain()

    def _log(self, run: tuple[Any, ...]) -> None:
        engines = [engine for engine in self.engines.all if engine.run_uuid == run[7]]
        records = engines[0].script.records[: engines[0].written] if engines else []
        if run[6] > len(records):
            self._accuse("I7", f"run {run[0]}: {run[6]} records are stored, the spool had {len(records)}")
        if run[5] and run[6] != len(records):
            self._accuse("I8", f"run {run[0]} claims a whole log with {run[6]} of {len(records)} records")
        for engine in engines:
            if self.ended_on.get(run[0]) == engine.host.name and not engine.host.lost_spools and not run[5]:
                self._accuse("I8", f"run {run[0]} has {run[6]} of {len(records)} records and ended where its spool is")
        jobs = {self.servers[job[3]]: job for job in self.jobs.values() if job[1] == run[0] and job[3] is not None}
        planned = engines[0].servers if engines else ()
        wanted = expect(records[: run[6]], planned)
        rows = self.outside.rows
        for host in planned:
            job = jobs[host]
            lines = rows(
                "SELECT line_number, run_seq, task_seq, content FROM job_logs WHERE job_id = ? ORDER BY line_number",
                job[0],
            )
            if lines != wanted.lines[host]:
                self._accuse("I7", f"job {job[0]} holds {lines}, its spool {wanted.lines[host]}")
            results = rows(
                "SELECT task_seq, status, first_line, last_line FROM task_results WHERE job_id = ? ORDER BY task_seq",
                job[0],
            )
            if results != wanted.results[host]:
                self._accuse("I9", f"job {job[0]} has results {results}, its spool {wanted.results[host]}")
            if job[5] != wanted.first_failure.get(host):
                self._accuse("I9", f"job {job[0]}: first failure at {job[5]}, not {wanted.first_failure.get(host)}")
        mine = rows("SELECT run_seq, task_seq, content FROM run_lines WHERE run_id = ? ORDER BY run_seq", run[0])
        if mine != wanted.run_lines:
            self._accuse("I7", f"run {run[0]} has lines {mine}, its spool {wanted.run_lines}")
        pieces = rows("SELECT name, piece, is_last, data FROM run_artifacts WHERE run_id = ? ORDER BY id", run[0])
        if pieces != wanted.artifacts:
            self._accuse("I7", f"run {run[0]} has artifacts {pieces}, its spool {wanted.artifacts}")
        tasks = rows("SELECT task_seq, run_seq FROM run_tasks WHERE run_id = ? ORDER BY task_seq", run[0])
        if tasks != wanted.tasks:
            self._accuse("I7", f"run {run[0]} has tasks {tasks}, its spool {wanted.tasks}")

    def _counts(self, launch: tuple[Any, ...]) -> None:
        found = Counter(job[2] for job in self.jobs.values() if job[6] == launch[0])
        said = {"success": launch[4], "failed": launch[5], "cancelled": launch[6]}
        if launch[2] != 0 or any(found[name] != number for name, number in said.items()):
            self._accuse(
                "I9", f"launch {launch[0]} counts {said} with {launch[2]} open runs; its jobs are {dict(found)}"
            )
        if sum(found.values()) != launch[3]:
            self._accuse("I9", f"launch {launch[0]} is of {launch[3]} jobs and has {sum(found.values())}")

    def _tickets(self) -> None:
        for job in self.jobs.values():
            if job[7]:
                self._accuse("I14", f"job {job[0]} still waits for its ticket")
        opened = Counter(row[0] for row in self.outside.rows("SELECT value FROM platform_flags WHERE name LIKE 't:%'"))
        for job in self.jobs.values():
            if job[2] == "failed" and opened[str(job[0])] != 1:
                self._accuse("I14", f"the failure of job {job[0]} was told {opened[str(job[0])]} times")

    def _chain(self) -> None:
        previous, number = None, 0
        for seq, before, link in self.outside.rows("SELECT seq, prev_hash, hash FROM audit_logs ORDER BY seq"):
            number += 1
            if seq != number or (previous is not None and before != previous):
                self._accuse("I10", f"the chain of the log of changes breaks at entry {seq}")
            previous = link
        head = self.outside.rows("SELECT seq, hash FROM audit_heads")
        if number and head != [(number, previous)]:
            self._accuse("I10", "the head of the log of changes is not its last entry")

    def _accuse(self, number: str, text: str) -> None:
        self.world.accuse(f"{number}: {text}")
