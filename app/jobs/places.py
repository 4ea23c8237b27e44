"""How many runs a worker carries at once, and how many of them in each of its queues.

A queue whose runs need much memory (``kinds.memory_of``) has as many places as fit into what is free when the worker
starts; its other queues share what is left of the worker's places.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.core.runtime import settings
from app.jobs import kinds
from app.runners.free_memory import free_memory_bytes


@dataclass(frozen=True, slots=True)
class QueuePlaces:
    """Places of one queue, fewer than the worker's or by another count, and why in a sentence."""

    places: int
    because: str


@dataclass(frozen=True, slots=True)
class WorkerPlaces:
    """Places of a worker. ``by_queue`` names the queues that do not simply have all of them."""

    concurrency: int
    by_queue: dict[str, QueuePlaces] = field(default_factory=dict)

    def as_json(self) -> dict[str, dict[str, int | str]]:
        """Return what the worker's row keeps."""
        return {name: {"places": own.places, "because": own.because} for name, own in self.by_queue.items()}


def of_worker(served: Sequence[str], asked: int | None = None) -> WorkerPlaces:
    """Return the places of a worker that serves these queues; measures this machine's memory if one needs much.

    ``asked`` is the number on the worker's command line, else that of the settings if somebody gave one. It holds for a
    worker whose runs are all of the heavy kind; beside others they still have no more places than memory.
    """
    number = settings().worker_concurrency if asked is None else asked
    is_given = asked is not None or "worker_concurrency" in settings().model_fields_set
    heavy = {name: need for name in served if (need := kinds.memory_of(name))}
    if not heavy:
        return WorkerPlaces(number)
    free = free_memory_bytes()
    is_heavy_only = len(heavy) == len(served)
    if is_heavy_only and is_given:
        told = {name: _as_asked(number, need, free) for name, need in heavy.items()}
        return WorkerPlaces(number, told)
    if is_heavy_only:
        number = max(number, len(os.sched_getaffinity(0)))
        number = min(number, max(max(1, free // need) for need in heavy.values()))
    return WorkerPlaces(number, {name: _by_memory(number, need, free) for name, need in heavy.items()})


def _by_memory(number: int, need: int, free: int) -> QueuePlaces:
    fitting = free // need
    began = f"{_size(free)} of memory were free when it started"
    if fitting < 1:
        return QueuePlaces(1, f"{began}, less than the {_size(need)} of one run; one at a time")
    if fitting > number:
        return QueuePlaces(number, f"{began}, enough for {fitting}; it has no more places than these")
    return QueuePlaces(fitting, f"{began}, {_size(need)} for each run")


def _as_asked(number: int, need: int, free: int) -> QueuePlaces:
    if number <= free // need:
        return QueuePlaces(number, "as its settings say")
    began = f"the {_size(free)} of memory that were free when it started"
    return QueuePlaces(number, f"as its settings say, although {began} are enough for {free // need}")


def _size(number: int) -> str:
    return f"{number / 1_000_000_000:.1f} GB"
