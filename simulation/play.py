"""One history: a few launches on two hosts with workers and keepers, people who cancel, faults, and the judge."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.core.actor import Actor as Person
from app.core.actor import Role, Via
from app.core.db import db, unit_of_work
from app.core.errors import AppError
from app.core.retry import is_transient
from app.core.tenancy import tenant_scope
from app.jobs import service
from app.jobs.keeper import Chore, Keeper
from app.jobs.models import Job, Launch
from app.jobs.status import LockMode
from simulation import faults, kind
from simulation.broker import Broker, Worker, unexpected
from simulation.checks import Judge
from simulation.engine import Engines
from simulation.faults import Fault
from simulation.house import LEASE_SECONDS, House
from simulation.processes import Processes
from simulation.stage import stage
from simulation.world import Actor, Host, World

PATIENCE = 400.0  # simulated seconds after the last fault within which everything has to be final
SELF_FENCE_SECONDS = 12
NAME = "one after the other"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a history ended. ``broken`` is None when every invariant held."""

    seed: int
    faults: tuple[Fault, ...]
    broken: str | None
    steps: int
    commits: int
    seconds: float  # simulated
    engines: int
    lost: int
    crashes: Counter[str]  # by the place in the product's code
    jobs: Counter[str]  # by their status at the end
    trace: tuple[str, ...] = ()


class _Pause:
    """Stands in for the keeper's ``threading.Event``."""

    def __init__(self, world: World) -> None:
        self._world = world

    def is_set(self) -> bool:
        """Never: a simulated keeper is killed."""
        return False

    def wait(self, seconds: float) -> bool:
        """Sleep in simulated time."""
        self._world.sleep(stage.pause(seconds))
        return False


class Play:
    """Sets the stage, lets the history happen, asks the judge."""

    def __init__(
        self, house: House, seed: int, planned: Sequence[Fault] | None = None, *, tracing: bool = False
    ) -> None:
        self.house = house
        self.seed = seed
        self.faults = list(faults.draw(seed) if planned is None else planned)
        self.used: list[Fault] = []
        self.rng = random.Random(f"people {seed}")
        self.world = World(seed, tracing=tracing)
        self.processes = Processes()
        self.engines = Engines(self.world, self.processes)
        self.judge = Judge(self.world, house.outside, self.engines, LEASE_SECONDS)
        self.judge.servers = stage.servers
        self.is_crowd = any(fault.kind in faults.NEED_MANY for fault in self.faults)
        fence = self.rng.choice((0, 0, SELF_FENCE_SECONDS))
        self.hosts = [house.new_host(name, fence) for name in ("h1", "h2")]
        self.workers = [
            Worker(
                self.world,
                self.engines,
                self.processes,
                f"w{number}",
                host,
                3 if self.is_crowd else self.rng.choice((1, 2)),
                house.in_context,
            )
            for number, host in enumerate(self.hosts, 1)
        ]
        self.broker = Broker(
            self.world, self.workers, drop=self.rng.choice((0, 0, 0.1, 0.5)), double=self.rng.choice((0, 0.2))
        )
        self.keepers: list[tuple[Host, Actor | None]] = []
        self.quiet_after = 0.0
        self.tickets_fail = 0
        self.launches = 0
        self.requests_to_come = 0

    def run(self) -> Outcome:
        """Play it from the first request to the last check."""
        self.house.outside.empty()
        stage.world, stage.judge, stage.engines = self.world, self.judge, self.engines
        stage.broker, stage.play = self.broker, self
        stage.slowness = self.rng.choice((1.0, 2.0, 5.0))
        try:
            self._set_up()
            self._next_fault()
            self.world.run(self._is_over)
            if self.world.broken is None:
                self.world.end()
                self.judge.at_the_end()
        finally:
            self.world.end()
            for engine in self.engines.all:
                engine.kill("the end")
            stage.world = stage.judge = stage.engines = stage.broker = stage.play = None
        runs = self.judge.runs.values()
        return Outcome(
            self.seed, tuple(self.used), self.world.broken, self.world.steps, self.judge.commits, self.world.now,
            len(self.engines.all), sum(1 for run in runs if run[4] == "lost"), self.world.crashes,
            Counter(job[2] for job in self.judge.jobs.values()), tuple(self.world.trace or ()),
        )  # fmt: skip

    # --- who takes part

    def _set_up(self) -> None:
        # Most histories are small, so that many fit into an hour.
        small = self.rng.random() < 0.7 and not self.is_crowd
        apart = any(fault.kind in faults.NEED_TWO for fault in self.faults)
        for worker in self.workers[: 1 if (small or self.is_crowd) and not apart else 2]:
            worker.start()
        keeper_hosts = [self.house.new_host("k")] if self.rng.random() < 0.4 or apart else [self.hosts[0]]
        if self.rng.random() < (0.1 if small else 0.5):
            keeper_hosts.append(self.hosts[1])
        for number, host in enumerate(keeper_hosts):
            self.keepers.append((host, None))
            self.start_keeper(number)
        number = 4 if self.is_crowd else 1 if small else self.rng.choice((1, 2, 2, 3))
        moments = sorted(self.rng.choice((0.01, 0.05, 0.7)) for _ in range(number))
        for number, moment in enumerate(moments):
            self._request(moment, f"web launch {number}", self._launch)
        for number in range(self.rng.choice((0, 0, 0, 1) if small else (0, 0, 1, 2))):
            act = self.rng.choice((self._cancel_launch, self._cancel_job))
            self._request(self.rng.choice((0.03, 0.1, 0.5, 2.0)) * self.rng.random(), f"web cancel {number}", act)

    def _request(self, moment: float, name: str, act: Callable[[random.Random], None]) -> None:
        host = Host("web", self.hosts[0].settings)
        choices = random.Random(self.rng.random())
        self.requests_to_come += 1

        def work() -> None:
            try:
                with tenant_scope(self.house.tenant_id), unit_of_work():
                    act(choices)
            except AppError as error:
                self.world.say(f"refused: {error}")
            except Exception as error:
                if not is_transient(error):
                    raise

        def begin() -> None:
            self.requests_to_come -= 1
            self.world.spawn(name, host, self.processes.start(host), self.house.in_context(work))

        self.world.after(moment, begin)

    def _person(self) -> Person:
        return Person(self.house.tenant_id, self.house.user_id, Role.ADMIN, "ada", Via.SESSION)

    def _launch(self, choices: random.Random) -> None:
        number = 1 if self.is_crowd else choices.choice((1, 1, 2, 3))
        targets = sorted(choices.sample(sorted(stage.servers), number))
        shared, named = choices.random() < 0.2, choices.random() < 0.3
        service.submit(
            self._person(),
            service.Submission(
                kind="simulated",
                subject_type="playbook",
                subject_id=self.house.playbook_id,
                title="Simulated",
                inputs={},
                targets=targets,
                timeout_seconds=60,
                playbook_id=self.house.playbook_id,
                lock_mode=LockMode.SHARED if shared else LockMode.EXCLUSIVE,
                lock_name=NAME if named else None,
            ),
        )

    def _cancel_launch(self, choices: random.Random) -> None:
        found = list(db.session.scalars(db.select(Launch.uuid).order_by(Launch.id)))
        if found:
            service.cancel_launch(self._person(), choices.choice(found))

    def _cancel_job(self, choices: random.Random) -> None:
        found = list(db.session.scalars(db.select(Job.job_id).order_by(Job.id)))
        if found:
            service.cancel_job(self._person(), choices.choice(found))

    def start_keeper(self, number: int) -> None:
        """Start a keeper on its host, unless one lives there."""
        host, actor = self.keepers[number]
        if actor is not None or not host.up:
            return
        keeper = Keeper(host.name)
        keeper._stopped = _Pause(self.world)  # type: ignore[assignment]
        keeper._own = [chore for chore in keeper._own if chore.name not in ("sign of life",)]
        for chore in keeper._own:
            if chore.name == "leftover spools":
                chore.every_seconds = 15
        keeper._own.append(Chore("late tickets", 5, kind.tell_late))
        if self.world.now == 0 and self.rng.random() < 0.7:  # it has been there for a while
            for chore in keeper._own:
                chore.next_at = self.rng.random() * chore.every_seconds

        def work() -> None:
            try:
                keeper.run()
            finally:
                keeper._leadership.release()  # what the kernel does with the locked file of a dead process

        body = self.house.in_context(work)
        self.keepers[number] = host, self.world.spawn(f"keeper {number}", host, self.processes.start(host), body)

    # --- what faults do

    def kill_keeper(self, number: int, again_after: float) -> None:
        """Kill -9; another is started later."""
        host, actor = self.keepers[number]
        if actor is not None:
            self.world.kill(actor)
            host.alive.discard(actor.pid)
            self.keepers[number] = host, None
            self.world.after(again_after, lambda: self.start_keeper(number))

    def host_dies(self, host: Host, again_after: float | None) -> None:
        """Every process of a host is gone; it boots again later, or never."""
        if not host.up:
            return
        host.up = False
        for engine in self.engines.all:
            if engine.host is host:
                engine.kill("its host died")
        for worker in self.workers:
            if worker.host is host:
                worker.kill(again_after=None)
        for number, (place, actor) in enumerate(self.keepers):
            if place is host and actor is not None:
                self.world.kill(actor)
                self.keepers[number] = host, None
        host.alive.clear()

        def boot() -> None:
            host.boot += 1
            host.up = True
            host.settings.spool_root.mkdir(parents=True, exist_ok=True)
            for worker in self.workers:
                worker.start()
            for number in range(len(self.keepers)):
                self.start_keeper(number)

        if again_after is not None:
            self.world.after(again_after, boot)

    def when_claimed(self, seconds: float, act: Callable[[int], None]) -> None:
        """Call ``act`` with the next run that is claimed, so long after its claim is committed."""
        self.judge.on_claim.append(lambda run_id: self.world.promptly(seconds, lambda: act(run_id)))

    def carriers(self, run_id: int) -> list[Actor]:
        """Who carries a run and lives."""
        return [actor for actor in self.world.actors if actor.run_id == run_id and not actor.dead]

    def kill_carrier(self, run_id: int) -> None:
        """Kill -9 of the pool child that carries a run."""
        carriers = self.carriers(run_id)
        for worker in self.workers:
            for child in worker.children:
                if child.actor in carriers:
                    worker.kill_child(child)

    def cancel_run(self, run_id: int) -> None:
        """A person cancels the launch of a run now."""
        launch_id = self.judge.runs[run_id][8]

        def act(_choices: random.Random) -> None:
            found = db.session.scalar(db.select(Launch.uuid).where(Launch.id == launch_id))
            service.cancel_launch(self._person(), found)

        self._request(0.0, "web cancel claimed", act)

    def drain(self, worker: Worker) -> None:
        """TERM: it takes nothing new, its runs get some seconds, then it ends and starts anew."""
        if worker.thread is None or worker.life is None or worker.is_stopping:
            return
        worker.is_stopping = True
        worker.thread._drain_since = self.world.now
        life = worker.life

        def end_when_free() -> None:
            if worker.life is not life:
                return
            if all(child.is_free for child in worker.children):
                worker.kill(again_after=0.5)
                return
            self.quiet_after = max(self.quiet_after, self.world.now)
            self.world.after(0.5, end_when_free)

        self.world.after(0.5, end_when_free)

    # --- the course of it

    def _next_fault(self) -> None:
        self.world.on_step = self._strike
        self.world.fault_at = self.faults[0].step if self.faults else 1 << 60

    def _strike(self) -> None:
        fault = self.faults.pop(0)
        self.used.append(fault)
        self.quiet_after = max(self.quiet_after, self.world.now)
        faults.strike(fault, self)
        self._next_fault()

    def _is_over(self) -> bool:
        world = self.world
        while world.errors:
            if text := unexpected(world.errors.pop()):
                world.accuse(f"I15: {text}")
                return True
        if self.requests_to_come or world.now < self.quiet_after:
            return False
        if any(actor.name.startswith("web") for actor in world.actors):
            return False
        if not self.judge.are_all_final():
            if world.now > self.quiet_after + PATIENCE:
                world.accuse(f"I13: not final {PATIENCE:.0f} s after the last fault: {self._open()}")
            return False
        busy = self.engines.alive() or any(actor.run_id is not None for actor in world.actors)
        due = any(job[7] for job in self.judge.jobs.values())
        if busy or due:
            if world.now > self.quiet_after + PATIENCE + 60:
                for engine in self.engines.alive():
                    world.accuse(f"I11: engine {engine.marker} outlived its run")
                world.accuse(f"I13: final, and still at work: {[actor.name for actor in world.actors]}, due: {due}")
            return False
        return True

    def _open(self) -> list[tuple[object, ...]]:
        return [run[:5] for run in self.judge.runs.values() if run[10] is None]
