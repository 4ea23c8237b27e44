"""Faults: what goes wrong, at which step, drawn from the seed. All end by themselves; then everything must end well."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.play import Play
    from simulation.world import Host

SOON = (0.0, 0.001, 0.002, 0.004, 0.006, 0.01)  # seconds; from claim to begin it takes about 0.01
FROZEN_SECONDS = 90.0  # long enough for a keeper that looks seldom
NEED_TWO = {"host_gone", "left_behind"}  # kinds that need a second worker, and a keeper on a machine of its own
NEED_MANY = ("child_stops",)  # kinds that need several runs at once on one machine
LENGTHS = (0.2, 1.5, 5.0, 40.0)  # seconds; the longest is twice the lease


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong at a step of the history; ``dice`` makes its further choices."""

    step: int
    kind: str
    dice: float

    def __str__(self) -> str:
        return f"{self.kind} at step {self.step}"

    def pick(self, number: int) -> int:
        """A choice out of so many."""
        return int(self.dice * 1_000_003) % number


def draw(seed: int) -> list[Fault]:
    """Return the faults of a history in the order of their steps."""
    rng = random.Random(f"faults {seed}")
    number = rng.choice((0, 1, 1, 1, 2, 2, 3, 4))
    reach = rng.choice((60, 100, 150, 300))
    kinds = [*KINDS, *NEED_MANY]  # those twice: what they look for is rare
    found = [Fault(rng.randint(1, reach), rng.choice(kinds), rng.random()) for _ in range(number)]
    return sorted(found, key=lambda fault: fault.step)


def strike(fault: Fault, play: Play) -> None:
    """Let it happen; ``play.quiet_after`` moves behind its end."""
    play.world.say(f"FAULT {fault}")
    KINDS[fault.kind](fault, play)


def _until(fault: Fault, play: Play) -> float:
    end = play.world.now + LENGTHS[fault.pick(len(LENGTHS))]
    play.quiet_after = max(play.quiet_after, end)
    return end


def _host(fault: Fault, play: Play) -> int:
    return fault.pick(7) % len(play.hosts)


def kill_executor(fault: Fault, play: Play) -> None:
    """Kill -9 of a pool child that carries a run, or of one that does not when none does."""
    children = [(worker, child) for worker in play.workers for child in worker.children]
    busy = [pair for pair in children if not pair[1].is_free]
    if busy or children:
        worker, child = (busy or children)[fault.pick(len(busy or children))]
        worker.kill_child(child)


def kill_worker(fault: Fault, play: Play) -> None:
    """Kill -9 of a worker's main process; its children die with it. Another is started later."""
    play.workers[fault.pick(len(play.workers))].kill(again_after=LENGTHS[fault.pick(3)])
    _until(fault, play)


def kill_keeper(fault: Fault, play: Play) -> None:
    """Kill -9 of a keeper, which is started again later."""
    play.kill_keeper(fault.pick(len(play.keepers)), again_after=LENGTHS[fault.pick(3)])
    _until(fault, play)


def kill_supervisor(fault: Fault, play: Play) -> None:
    """Kill -9 of an engine's supervisor; in every second case what it started lives on."""
    alive = play.engines.alive()
    if alive:
        engine = alive[fault.pick(len(alive))]
        if fault.pick(2):
            engine.kill("fault")
        else:
            engine.lose_supervisor()


def kill_web(fault: Fault, play: Play) -> None:
    """Kill -9 of the web process in the middle of a request."""
    alive = [actor for actor in play.world.actors if actor.name.startswith("web")]
    if alive:
        play.world.kill(alive[fault.pick(len(alive))])


def host_dies(fault: Fault, play: Play) -> None:
    """A whole machine dies; it comes back later, with its spools or without."""
    host = play.hosts[_host(fault, play)]
    play.host_dies(host, again_after=LENGTHS[fault.pick(4)])
    if fault.pick(5) < 2:
        shutil.rmtree(host.settings.spool_root, ignore_errors=True)
        host.lost_spools = True
        play.world.say(f"the spools of {host.name} are gone")
    _until(fault, play)


def host_gone(fault: Fault, play: Play) -> None:
    """A machine with a worker dies and never comes back; the other one stays."""
    if all(host.up for host in play.hosts):
        play.host_dies(play.hosts[_host(fault, play)], again_after=None)


def left_behind(fault: Fault, play: Play) -> None:
    """The machine of the next one who has claimed a run freezes soon, and goes on when another has claimed it too.

    When nobody does (it had begun, or was cancelled), it goes on after the longest time.
    """

    def freeze(run_id: int) -> None:
        for actor in play.carriers(run_id):
            host, began = actor.host, play.world.now
            play.world.say(f"{host.name} freezes, {actor.name} is left behind")
            host.stalled_until = began + FROZEN_SECONDS
            host.away.append((began, host.stalled_until))
            play.quiet_after = max(play.quiet_after, host.stalled_until)

            def thaw(claimed: int, host: Host = host, began: float = began) -> None:
                if claimed != run_id:
                    play.when_claimed(0.0, thaw)
                    return
                host.stalled_until = play.quiet_after = play.world.now
                host.away.append((began, play.world.now))

            play.when_claimed(SOON[fault.pick(7) % len(SOON)], thaw)

    play.when_claimed(SOON[fault.pick(len(SOON))], freeze)


def child_stops(fault: Fault, play: Play) -> None:
    """The next one who has claimed a run stops (SIGSTOP) while another on its machine is killed; then it goes on.

    It is killed soon after: the watchdog may be busy with the other one until then.
    """

    def stop(run_id: int) -> None:
        for actor in play.carriers(run_id):
            here = [other for other in play.world.actors if other.host is actor.host and not other.dead]
            others = [other.run_id for other in here if other.run_id not in (None, run_id)]
            if not others:
                play.when_claimed(SOON[fault.pick(len(SOON))], stop)
                return
            now = play.world.now
            actor.stopped_until = now + (0.7, 1.0, 1.3)[fault.pick(3)]
            for other in others:
                play.kill_carrier(other)
            after = actor.stopped_until - now + (0.02, 0.05, 0.1, 0.5)[fault.pick(4)]
            play.world.after(after, lambda: play.kill_carrier(run_id))

    play.when_claimed(SOON[fault.pick(len(SOON))], stop)


def cancelled_while_claimed(fault: Fault, play: Play) -> None:
    """A person cancels the next run that is claimed, before it begins or about then; its executor may be killed."""

    def cancel(run_id: int) -> None:
        play.cancel_run(run_id)
        if fault.pick(3):
            play.world.promptly(SOON[fault.pick(7) % len(SOON)] * 2, lambda: play.kill_carrier(run_id))

    play.when_claimed(SOON[fault.pick(len(SOON))], cancel)


def database_away(fault: Fault, play: Play) -> None:
    """Nobody reaches the database for a while."""
    play.world.away_until = _until(fault, play)


def host_cut_off(fault: Fault, play: Play) -> None:
    """One machine does not reach the database for a while; its engines go on."""
    host = play.hosts[_host(fault, play)]
    host.cut_until = _until(fault, play)
    host.away.append((play.world.now, host.cut_until))


def host_freezes(fault: Fault, play: Play) -> None:
    """One machine stands still for a while (a paused virtual machine)."""
    host = play.hosts[_host(fault, play)]
    host.stalled_until = _until(fault, play)
    host.away.append((play.world.now, host.stalled_until))


def connection_lost(fault: Fault, play: Play) -> None:
    """The next statements of some actors fail."""
    for actor in play.world.actors[: 1 + fault.pick(4)]:
        actor.refuse_next = True


def commit_unknown(fault: Fault, play: Play) -> None:
    """The next commits are done, and nobody hears of it."""
    play.world.unknown_commits = 1 + fault.pick(2)


def commit_refused(fault: Fault, play: Play) -> None:
    """The next commits are not done."""
    play.world.refused_commits = 1 + fault.pick(2)


def clock_jumps(fault: Fault, play: Play) -> None:
    """The clock of the database and the hosts is set two hours on or back."""
    play.world.clock_offset += 7200.0 if fault.pick(2) else -7200.0


def broker_away(fault: Fault, play: Play) -> None:
    """No doorbell can be rung for a while."""
    play.broker.away_until = _until(fault, play)


def forged_doorbells(fault: Fault, play: Play) -> None:
    """Messages for runs that are unknown, at work or over; five for each that there is."""
    for run_id in [*list(play.judge.runs) * 5, 4711]:
        play.broker.send(run_id)


def drain_worker(fault: Fault, play: Play) -> None:
    """A worker is asked to stop (deploy): it finishes what it can, and another takes its place."""
    play.drain(play.workers[fault.pick(len(play.workers))])
    _until(fault, play)


def preparation_fails(fault: Fault, play: Play) -> None:
    """The next preparations or starts of an engine fail."""
    kind = ("disk", "broken", "error", "start")[fault.pick(4)]
    play.engines.prepare_fails += [kind] * (1, 2, 8)[fault.pick(7) % 3]


def tickets_fail(fault: Fault, play: Play) -> None:
    """Whoever listens to the end of a run raises, some times."""
    play.tickets_fail = 1 + fault.pick(3)


KINDS: dict[str, Callable[[Fault, Play], None]] = {
    function.__name__: function
    for function in (
        kill_executor, kill_worker, kill_keeper, kill_supervisor, kill_web, host_dies, host_gone, left_behind,
        child_stops, cancelled_while_claimed, database_away, host_cut_off,
        host_freezes, connection_lost, commit_unknown, commit_refused, clock_jumps, broker_away, forged_doorbells,
        drain_worker, preparation_fails, tickets_fail,
    )
}  # fmt: skip
