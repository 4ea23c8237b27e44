"""The world of one history: simulated time, actors as greenlets, and a seeded choice of who goes on.

Only one actor runs at a time, and it gives way nowhere but in ``step``, ``sleep`` and ``wait_for_writer``; all three
are called at the edges (statement, spool, doorbell, process). So a history is a pure function of its seed.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from greenlet import getcurrent, greenlet

from app.core import runtime
from config import Settings

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
THAW_SECONDS = 0.5  # so often a frozen machine is looked at: it may go on sooner than was said
STEP_SECONDS = 0.0005  # what a statement or another step costs


class Killed(BaseException):
    """Ends a killed actor: nothing that it does from now on has any effect."""


class Broken(Exception):
    """An invariant does not hold."""


@dataclass
class Host:
    """A machine: its present boot, the processes on it, and whether it reaches the database."""

    name: str
    settings: Settings
    boot: int = 1
    up: bool = True
    cut_until: float = -1.0  # no way to the database until then
    stalled_until: float = -1.0  # frozen until then: no process of it goes on
    away: list[tuple[float, float]] = field(default_factory=list)  # cut or frozen from, until
    alive: set[int] = field(default_factory=set)  # pids
    lost_spools: bool = False  # its disk was emptied

    @property
    def boot_id(self) -> str:
        """The kernel's name of this boot."""
        return f"{self.name}-boot-{self.boot}"


class Actor:
    """One thread of a simulated process."""

    __slots__ = (
        "body",
        "dead",
        "error",
        "greenlet",
        "host",
        "name",
        "on_error",
        "pid",
        "refuse_next",
        "run_id",
        "stopped_until",
    )

    def __init__(self, name: str, host: Host, pid: int, body: Callable[[], None]) -> None:
        self.name = name
        self.host = host
        self.pid = pid
        self.body = body
        self.dead = False
        self.error: Exception | None = None
        self.on_error: Callable[[], None] = lambda: None  # called by the scheduler
        self.greenlet: greenlet | None = None
        self.refuse_next = False  # its next statement fails: the connection was lost
        self.run_id: int | None = None  # the run that it carries
        self.stopped_until = -1.0  # SIGSTOP until then


class World:
    """Time, actors and chance of one history."""

    def __init__(self, seed: int, *, tracing: bool = False) -> None:
        self.seed = seed
        self.rng = random.Random(f"schedule {seed}")
        self.now = 0.0
        self.clock_offset = 0.0  # the database's and every host's wall clock; monotonic time never jumps
        self.steps = 0
        self.switchiness = self.rng.choice((0.05, 0.2, 0.5))
        self.current: Actor | None = None
        self.actors: list[Actor] = []
        self.errors: list[Actor] = []  # whom an exception ended
        self.writer: Any = None  # the connection that holds SQLite's write lock
        self.broken: str | None = None
        self.away_until = -1.0  # the database is away until then
        self.unknown_commits = 0  # commits to come that are done, and said to have failed
        self.refused_commits = 0  # commits to come that are not done
        self.trace: list[str] | None = [] if tracing else None
        self.on_step: Callable[[], None] = lambda: None  # asked by the scheduler when ``fault_at`` is reached
        self.fault_at = 1 << 60
        self.urgent_at = math.inf  # an event then has to come between two statements of whoever goes on
        self._main = getcurrent()
        self._ready: list[Actor] = []
        self._waiting: list[Actor] = []
        self._timers: list[tuple[float, int, Any]] = []
        self._count = 0
        self._victims: list[Actor] = []
        self.crashes: Counter[str] = Counter()  # where those who were killed stood in the product's code

    # --- what actors call

    def step(self, what: str) -> None:
        """A place where others may go on and where the actor may die. Does nothing outside of an actor."""
        actor = self.current
        if actor is None:
            return
        if actor.dead:
            raise Killed
        self.steps += 1
        self.now += STEP_SECONDS
        if self.trace is not None:
            self.say(what)
        if self.steps >= self.fault_at or self.now >= self.urgent_at or self.rng.random() < self.switchiness:
            self._ready.append(actor)
            self._give_way()

    def sleep(self, seconds: float) -> None:
        """Let simulated time pass for this actor."""
        actor = self.current
        if actor is None:
            return
        if actor.dead:
            raise Killed
        self._at(self.now + max(seconds, 0.0), actor)
        self._give_way()

    def wait_for_writer(self) -> None:
        """Wait until another connection's writing transaction has ended."""
        actor = self.current
        assert actor is not None
        self._waiting.append(actor)
        self._give_way()

    def writer_gone(self) -> None:
        """The write lock is free: whoever waits may try."""
        self.writer = None
        if self._waiting:
            self._ready += self._waiting
            self._waiting = []

    def say(self, what: str) -> None:
        """Add a line to the history that ``--replay`` prints."""
        if self.trace is not None:
            name = self.current.name if self.current else "-"
            self.trace.append(f"{self.now:9.3f} #{self.steps:<5} {name:<16} {what}")

    def accuse(self, text: str) -> None:
        """An invariant is broken: the history ends here, whatever the code under test makes of an exception."""
        if self.broken is None:
            self.broken = text
            self.say(f"BROKEN: {text}")

    def _give_way(self) -> None:
        self._main.switch()

    # --- what the scheduler and its events call

    def wall(self) -> datetime:
        """The database's and every host's clock."""
        return EPOCH + timedelta(seconds=self.now + self.clock_offset)

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        """Call ``event`` from the scheduler once that much time has passed."""
        self._at(self.now + seconds, event)

    def promptly(self, seconds: float, event: Callable[[], None]) -> None:
        """As ``after``, and whoever goes on then gives way for it."""
        self.after(seconds, event)
        self.urgent_at = min(self.urgent_at, self.now + seconds)

    def _at(self, moment: float, what: Any) -> None:
        self._count += 1
        heapq.heappush(self._timers, (moment, self._count, what))

    def spawn(self, name: str, host: Host, pid: int, body: Callable[[], None]) -> Actor:
        """Start an actor."""
        actor = Actor(name, host, pid, body)
        actor.greenlet = greenlet(lambda: self._live(actor), parent=self._main)
        self.actors.append(actor)
        self._ready.append(actor)
        return actor

    def _live(self, actor: Actor) -> None:
        try:
            actor.body()
        except Killed:
            pass
        except Exception as error:
            actor.error = error
            self.errors.append(actor)
            self.after(0, actor.on_error)
            self.say(f"ended by {type(error).__name__}: {error}"[:300])

    def kill(self, actor: Actor) -> None:
        """Kill -9: the scheduler does it before anybody goes on. Call from the scheduler's events only."""
        if not actor.dead:
            self._victims.append(actor)

    def run(self, over: Callable[[], bool]) -> None:
        """Let everybody live until ``over`` or until an invariant breaks."""
        while self.broken is None:
            while self._timers and self._timers[0][0] <= self.now:
                what = heapq.heappop(self._timers)[2]
                if isinstance(what, Actor):
                    self._ready.append(what)
                else:
                    what()
            if self.now >= self.urgent_at:
                self.urgent_at = math.inf
            if self.steps >= self.fault_at:
                self.on_step()
            if self._victims:
                self._bury()
            if over():
                return
            if self._ready:
                self._resume(self._ready.pop(self.rng.randrange(len(self._ready))))
            elif self._timers:
                self.now = max(self.now, self._timers[0][0])
            else:
                self.accuse("nobody can go on")

    def _resume(self, actor: Actor) -> None:
        if actor.dead:
            return
        stalled = max(actor.host.stalled_until, actor.stopped_until)
        if stalled > self.now and (self.writer is None or self.writer.actor is not actor):
            # Whoever holds the write lock goes on: frozen with it, one machine would hold up all on SQLite.
            self._at(min(stalled, self.now + THAW_SECONDS), actor)
            return
        self._switch(actor)

    def _switch(self, actor: Actor, *, kill: bool = False) -> None:
        assert actor.greenlet is not None
        self.current = actor
        runtime.configure(actor.host.settings)
        try:
            if kill:
                actor.greenlet.throw(Killed)
            else:
                actor.greenlet.switch()
        finally:
            self.current = None
        if actor.greenlet.dead:
            self.actors.remove(actor)

    def _bury(self) -> None:
        while self._victims:
            actor = self._victims.pop()
            if actor.dead:
                continue
            actor.dead = True
            for line in (self._ready, self._waiting):
                if actor in line:
                    line.remove(actor)
            assert actor.greenlet is not None
            if not actor.greenlet:  # it has not begun, or is over
                if actor in self.actors:
                    self.actors.remove(actor)
                continue
            self.crashes[_place(actor.greenlet)] += 1
            self._switch(actor, kill=True)
            if not actor.greenlet.dead:
                raise RuntimeError(f"{actor.name} survived its own death")

    def end(self) -> None:
        """Kill everybody who is left; those are no crashes."""
        crashes = self.crashes.copy()
        for actor in list(self.actors):
            self.kill(actor)
        self._bury()
        self.crashes = crashes


def _place(victim: greenlet) -> str:
    """The innermost function of the engine in which an actor stands, as ``module.function``."""
    frame: Any = victim.gr_frame
    while frame is not None:
        code = frame.f_code
        if "/app/jobs/" in code.co_filename or "/app/runners/" in code.co_filename:
            name = code.co_qualname.replace("<locals>.", "").replace(".<lambda>", "")
            return f"{code.co_filename.rpartition('/')[2][:-3]}.{name}"
        frame = frame.f_back
    return "elsewhere"
