"""Many histories on one house, and one history again: printed, or with as few faults as it breaks with."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.runners.process import set_parent_death_signal
from simulation.house import House
from simulation.play import Outcome, Play
from simulation.report import Summary

_house: House | None = None
_template: Path | None = None
_folder: Path | None = None


def use(template: Path | None, folder: Path | None = None) -> None:
    """Have this process's house made from a migrated SQLite file, in a folder of somebody else's."""
    global _template, _folder
    _template, _folder = template, folder / f"{os.getpid()}" if folder else None


def begin(template: Path, folder: Path) -> None:
    """``use`` in a process of a pool; it leaves the terminal's interrupt to its parent and dies with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    set_parent_death_signal(signal.SIGKILL)
    use(template, folder)


@contextmanager
def a_house() -> Iterator[House]:
    """This process's house, made on the first call and kept: building one takes seconds."""
    global _house
    if _house is None:
        _house = House(_template, _folder)
        gc.collect()
        gc.freeze()  # application, models and compiled statements stay: no need to look at them again
        gc.set_threshold(100_000, 50, 1000)
    yield _house


def close_house() -> None:
    """Remove this process's house."""
    global _house
    if _house is not None:
        _house.close()
        _house = None


def play_many(first: int, number: int, name: str | None = None, *, stop_at_first: bool = False) -> Summary:
    """Play ``number`` histories from seed ``first`` on, without the mechanism ``name`` if there is one."""
    from simulation.mutations import without

    summary = Summary()
    with a_house() as house, without(house, name):
        for seed in range(first, first + number):
            outcome = Play(house, seed).run()
            summary.histories += 1
            summary.steps += outcome.steps
            summary.commits += outcome.commits
            summary.simulated_seconds += outcome.seconds
            summary.engines += outcome.engines
            summary.lost += outcome.lost
            summary.faults.update(fault.kind for fault in outcome.faults)
            summary.crashes += outcome.crashes
            summary.jobs += outcome.jobs
            if outcome.broken is not None:
                summary.broken.append((seed, outcome.broken, ", ".join(map(str, outcome.faults))))
                if stop_at_first:
                    break
    return summary


def play_piece(piece: tuple[int, int, str | None, bool]) -> Summary:
    """``play_many`` for a pool of processes."""
    first, number, name, stop_at_first = piece
    return play_many(first, number, name, stop_at_first=stop_at_first)


def replay(seed: int, name: str | None = None, *, shrink: bool = False) -> Outcome:
    """Play one history again with its trace; ``shrink`` leaves out every fault without which it still breaks."""
    from simulation.mutations import without

    with a_house() as house, without(house, name):
        outcome = Play(house, seed, tracing=True).run()
        if shrink and outcome.broken is not None:
            outcome = _shrunk(house, outcome)
    return outcome


def _shrunk(house: House, outcome: Outcome) -> Outcome:
    kept = list(outcome.faults)
    for fault in list(kept):
        fewer = [other for other in kept if other is not fault]
        again = Play(house, outcome.seed, fewer, tracing=True).run()
        if again.broken is not None:
            kept, outcome = fewer, again
    return outcome
