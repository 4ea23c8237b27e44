"""The simulated engine: a process that writes a spool, leaves a ledger entry as its first act, and may die anywhere.

``prepare`` stands in for ``app.runners.launcher.prepare``; salvage, leftovers, spool reader and result files are the
product's own, on real files in a memory disk.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.runners import cgroup, launcher, spool
from app.runners.base import FailureCode, HostResult, RunResult, RunSpec, StopReason
from app.runners.outcome import STOP_CODES, STOP_MESSAGES
from app.runners.process import ProcessIdentity
from app.runners.workspace import WorkspaceError
from simulation.processes import Processes, identity_of, kill_marked
from simulation.script import Script, write_script
from simulation.stage import stage
from simulation.world import THAW_SECONDS, Actor, Host, Killed, World


@dataclass(frozen=True, slots=True)
class _Workspace:
    """What the run's note names; nothing lies there."""

    path: Path
    sockets: Path


@dataclass
class Engine:
    """One supervised engine process."""

    world: World
    host: Host
    pid: int
    marker: str
    run_uuid: str
    attempt: int
    spool_dir: Path
    parent: Actor
    script: Script
    is_alive: bool = True
    began_at: float = 0.0
    ended_at: float | None = None
    written: int = 0  # whole records in the spool
    wanted: StopReason | None = None
    was_killed: bool = False
    is_supervised: bool = True
    _fd: int = -1
    _torn: bytes = b""
    _ended: bool = False
    servers: tuple[str, ...] = field(default=())

    def begin(self) -> None:
        """Its first act: the ledger. Then the first record is due."""
        self.began_at = self.world.now
        assert stage.judge is not None
        stage.judge.on_engine_start(self)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        self._fd = os.open(self.spool_dir / spool.SPOOL_NAME, flags, 0o600)
        self.world.after(self.script.pauses[0], self._write_on)

    def _write_on(self) -> None:
        if not self.is_alive or not self.is_supervised:
            return
        if self.host.stalled_until > self.world.now:
            self.world.after(min(self.host.stalled_until - self.world.now, THAW_SECONDS), self._write_on)
            return
        script = self.script
        if self._torn:
            self._append(self._torn)
            self._torn = b""
            self.written += 1
        elif self.wanted is not None:
            self._end_by(self.wanted)
            return
        elif self.written < len(script.records):
            count = min(script.at_once, len(script.records) - self.written)
            lines = [record + b"\n" for record in script.lines[self.written : self.written + count]]
            if script.tears and self.written % 3 == 0:  # half a record first, the rest later, or never
                last = lines.pop()
                self._append(b"".join(lines) + last[: len(last) // 2])
                self._torn = last[len(last) // 2 :]
            else:
                self._append(b"".join(lines))
            self.written += len(lines)
        else:
            self._leave(script.result)
            return
        self.world.after(script.pauses[self.written % len(script.pauses)], self._write_on)

    def _append(self, data: bytes) -> None:
        if data:
            os.write(self._fd, data)

    def stop(self, reason: StopReason) -> None:
        """Asked to end: it does within its grace."""
        if self.wanted is None:
            self.wanted = reason

    def _end_by(self, reason: StopReason) -> None:
        hosts = {}
        for name in self.servers:
            done = self.script.result.hosts.get(name)
            if done is not None and self.script.ended_after.get(name, 1 << 30) <= self.written:
                hosts[name] = done
            else:
                hosts[name] = HostResult(FailureCode.INCOMPLETE, STOP_MESSAGES[reason])
        self._leave(RunResult(None, STOP_CODES[reason], STOP_MESSAGES[reason], hosts, stopped_by=reason))

    def _leave(self, result: RunResult) -> None:
        """Write the last word and end."""
        if self.script.leaves_word and self.spool_dir.is_dir():
            spool.write_result(self.spool_dir, result)
        self._over()

    def kill(self, why: str) -> None:
        """Kill -9 of the supervisor and what it started."""
        if self.is_alive:
            self.world.say(f"engine {self.marker} is killed ({why})")
            self.was_killed = True
            self._over()

    def lose_supervisor(self) -> None:
        """Kill -9 of the supervisor alone: what it started goes on, writes nothing more and ends by nothing."""
        self.world.say(f"the supervisor of {self.marker} is killed, its processes live")
        self.is_supervised = False
        self.was_killed = True
        self.host.alive.discard(self.pid)

    def _over(self) -> None:
        self.is_alive = False
        self.ended_at = self.world.now
        self.host.alive.discard(self.pid)
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def parent_died(self) -> None:
        """The executor is gone; it notices after a moment."""
        self.world.after(self.script.notices_after, lambda: self.stop(StopReason.ORPHANED))


class Engines:
    """Every engine that a history has started."""

    def __init__(self, world: World, processes: Processes) -> None:
        self.world = world
        self.processes = processes
        self.all: list[Engine] = []
        self.prepare_fails: list[str] = []  # faults to come: "disk", "broken", "error"

    def of(self, host: Host, marker: str) -> list[Engine]:
        """The engines of a run attempt on a host."""
        return [engine for engine in self.all if engine.host is host and engine.marker == marker]

    def alive(self) -> list[Engine]:
        """Those that live."""
        return [engine for engine in self.all if engine.is_alive]

    def parent_died(self, actor: Actor) -> None:
        """Tell the engines of an executor."""
        for engine in self.all:
            if engine.parent is actor and engine.is_alive:
                engine.parent_died()


class Prepared:
    """Stands in for ``launcher.PreparedRun``."""

    def __init__(self, spec: RunSpec, spool_dir: Path, workspace: Any) -> None:
        self.spec = spec
        self.spool_dir = spool_dir
        self.marker = spec.marker
        self._workspace = workspace

    def start(self) -> Handle:
        """Start the engine, then note who it is: a crash may lie between the two."""
        world, engines = stage.world, stage.engines
        assert world is not None and engines is not None and world.current is not None
        world.step("start the engine")
        if engines.prepare_fails and engines.prepare_fails[0] == "start":
            engines.prepare_fails.pop()
            raise WorkspaceError(FailureCode.ENGINE_ERROR, "The supervisor cannot start: no more processes.")
        actor = world.current
        names = tuple(host["name"] for host in self.spec.parameters["hosts"])
        script = write_script(world.rng, names, world.wall().timestamp())
        pid = engines.processes.start(actor.host)
        engine = Engine(
            world, actor.host, pid, self.marker, self.spec.run_uuid, self.spec.attempt, self.spool_dir, actor, script,
            servers=names,
        )  # fmt: skip
        engines.all.append(engine)
        world.say(f"engine {self.marker} begins on {', '.join(names)}")
        engine.begin()
        world.step("note the supervisor")
        launcher._note(self.spool_dir, self._workspace, identity_of(actor.host, pid), cgroup.NO_GROUP)
        return Handle(engine)

    def discard(self) -> None:
        """Remove what was prepared."""
        _alive()
        launcher.remove_spool(self.spool_dir)


class Handle:
    """Stands in for ``launcher.RunHandle``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.spool_dir = engine.spool_dir
        self.identity: ProcessIdentity = identity_of(engine.host, engine.pid)
        self.marker = engine.marker

    def poll(self) -> bool:
        """Whether the run has ended; what a dead supervisor has left is ended here, as ``launcher`` does."""
        _alive()
        if not self._engine.is_alive:
            return True
        if self._engine.is_supervised:
            return False
        if spool.read_result(self.spool_dir) is None:
            kill_marked(self.marker)
        return True

    @property
    def spool_path(self) -> Path:
        """The spool."""
        return self.spool_dir / spool.SPOOL_NAME

    def wait(self, timeout: float) -> bool:
        """Wait for the end, in simulated time."""
        assert stage.world is not None
        until = stage.world.now + timeout
        while not self.poll() and stage.world.now < until:
            stage.world.sleep(0.1)
        return self.poll()

    def stop(self, reason: StopReason) -> None:
        """Ask it to end."""
        _alive()
        self._engine.stop(reason)

    def hurry(self) -> None:
        """Have no further patience with its end; it ends at once here anyway."""
        _alive()

    def result(self) -> RunResult | None:
        """Its last word."""
        _alive()
        return spool.read_result(self.spool_dir)

    def close(self) -> None:
        """End what still lives."""
        _alive()
        self._engine.kill("the executor lets go")


def _alive() -> None:
    world = stage.world
    if world is not None and world.current is not None and world.current.dead:
        raise Killed


def prepare(spec: RunSpec, *, workspace_root: Path, spool_root: Path, limits: Any = None) -> Prepared:
    """Make the spool directory as ``launcher.prepare`` does; what may fail there fails here too."""
    world, engines = stage.world, stage.engines
    assert world is not None and engines is not None
    world.step("prepare the workspace")
    if engines.prepare_fails and engines.prepare_fails[0] != "start":
        kind = engines.prepare_fails.pop()
        if kind == "disk":
            raise WorkspaceError(FailureCode.DISK_FULL, "The spool directory cannot be made: no space left.")
        if kind == "broken":
            raise WorkspaceError(FailureCode.ENGINE_ERROR, "The run's parameters are malformed.")
        raise RuntimeError("simulated")
    spool_dir = launcher._spool_directory(spec, spool_root)
    moment = world.wall().timestamp()
    os.utime(spool_dir, (moment, moment))
    workspace = _Workspace(workspace_root / spec.marker, workspace_root / spec.marker)
    (spool_dir / launcher.RUN_NAME).write_text(json.dumps({"supervisor": None}), encoding="utf-8")
    return Prepared(spec, spool_dir, workspace)
