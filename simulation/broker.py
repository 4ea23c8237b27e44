"""Doorbells: dropped, doubled, late, out of order, or answered with 'no broker'. And the workers that hear them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from app.core.retry import is_transient
from app.jobs import tasks
from app.jobs.database_port import DatabasePort
from app.jobs.executor import execute_run
from app.jobs.port import Carrier
from simulation.engine import Engines
from simulation.processes import Processes, identity_of
from simulation.stage import stage
from simulation.world import Actor, Host, World

LOSSY_SECONDS = 60.0  # so long after the last other fault doorbells still get lost; then that fault has ended too
AGAIN_SECONDS = 0.7  # a message that no child is free for stays in the queue


@dataclass
class Child:
    """A pool child: one process for many runs, one after the other."""

    pid: int
    actor: Actor | None = None

    @property
    def is_free(self) -> bool:
        """Whether it carries nothing."""
        return self.actor is None or (self.actor.greenlet is not None and self.actor.greenlet.dead)


@dataclass
class Worker:
    """A Celery worker: the thread beside its main loop, and pool children."""

    world: World
    engines: Engines
    processes: Processes
    name: str
    host: Host
    size: int
    in_context: Callable[[Callable[[], None]], Callable[[], None]]
    children: list[Child] = field(default_factory=list)
    life: Actor | None = None
    thread: tasks.WorkerLife | None = None
    main_pid: int = 0
    is_stopping: bool = False

    def start(self) -> None:
        """Start the main process and its children, unless they are there."""
        if self.life is not None or not self.host.up:
            return
        self.is_stopping = False
        self.main_pid = self.processes.start(self.host)
        self.thread = tasks.WorkerLife(self.name)
        self.life = self.world.spawn(f"{self.name} life", self.host, self.main_pid, self.thread.run)
        self.children = [Child(self.processes.start(self.host)) for _ in range(self.size)]

    def free_child(self) -> Child | None:
        """A child that can take a run; None when there is none."""
        if self.life is None or not self.host.up or self.is_stopping:
            return None
        return next((child for child in self.children if child.is_free), None)

    def carry(self, child: Child, run_id: int) -> None:
        """Answer a doorbell, as ``app.jobs.tasks.execute`` does."""
        carrier = Carrier(identity_of(self.host, child.pid), self.host.name, self.name, f"task-{run_id}")

        def work() -> None:
            execute_run(DatabasePort(), run_id, carrier)

        actor = self.world.spawn(f"{self.name}/{child.pid}", self.host, child.pid, self.in_context(work))
        actor.run_id = run_id
        child.actor = actor
        actor.on_error = lambda: self.drop_run(child)

    def drop_run(self, child: Child) -> None:
        """An exception ended its work: the task ends the child then."""
        self.kill_child(child)

    def kill_child(self, child: Child) -> None:
        """Kill -9; the pool makes another child."""
        self.host.alive.discard(child.pid)
        for actor in self.world.actors:
            if actor.host is self.host and actor.pid == child.pid:  # its threads too
                self.world.kill(actor)
        if child.actor is not None:
            self.engines.parent_died(child.actor)
        if self.life is not None:
            child.pid, child.actor = self.processes.start(self.host), None

    def kill(self, again_after: float | None) -> None:
        """Kill -9 of the main process: its children die with it."""
        if self.life is None:
            return
        self.world.kill(self.life)
        self.life = None
        self.host.alive.discard(self.main_pid)
        for child in self.children:
            self.kill_child(child)
        self.children = []
        if again_after is not None:
            self.world.after(again_after, self.start)


class Broker:
    """The queue between the platform and its workers."""

    def __init__(self, world: World, workers: list[Worker], *, drop: float, double: float) -> None:
        self.world = world
        self.workers = workers
        self.drop, self.double = drop, double
        self.away_until = -1.0
        self.waiting = 0

    def ring(self, run_id: int) -> bool:
        """Stands in for ``app.core.queue.ring``."""
        world = self.world
        world.step(f"ring {run_id}" if world.trace is not None else "")
        if self.away_until > world.now:
            return False
        lossy = stage.play is None or world.now < stage.play.quiet_after + LOSSY_SECONDS
        if world.rng.random() < self.drop and lossy:
            world.say(f"the doorbell of {run_id} is lost")
            return True
        self.send(run_id)
        if world.rng.random() < self.double:
            self.send(run_id)
        return True

    def send(self, run_id: int) -> None:
        """Put a message on its way."""
        self.waiting += 1
        self.world.after(self.world.rng.choice((0.001, 0.02, 0.3, 3.0)), lambda: self._deliver(run_id))

    def _deliver(self, run_id: int) -> None:
        if self.away_until > self.world.now:
            self.world.after(self.away_until - self.world.now, lambda: self._deliver(run_id))
            return
        free = [(worker, child) for worker in self.workers if (child := worker.free_child()) is not None]
        if not free:
            self.world.after(AGAIN_SECONDS, lambda: self._deliver(run_id))
            return
        self.waiting -= 1
        worker, child = self.world.rng.choice(free)
        worker.carry(child, run_id)


def unexpected(actor: Actor) -> str | None:
    """Say what an actor died of, when it is nothing that a database that is away explains."""
    if actor.error is None or is_transient(actor.error):
        return None
    return f"{actor.name} ended by {type(actor.error).__name__}: {actor.error}"[:400]
