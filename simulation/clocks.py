"""Time and chance as the product sees them inside a history. Installed once per process, before the first one."""

from __future__ import annotations

import random
import sys
import time
import uuid
from datetime import datetime, tzinfo
from types import ModuleType
from typing import Any

from simulation.stage import stage


class SimulatedTime:
    """Stands in for the module ``time``: monotonic time and sleeping are the world's."""

    def __init__(self, *, is_watcher: bool) -> None:
        self._is_watcher = is_watcher  # whether the module's pauses are those between two looks

    @staticmethod
    def monotonic() -> float:
        """Seconds that no clock jump touches."""
        world = stage.world
        return time.monotonic() if world is None else world.now

    @staticmethod
    def clock_gettime(clock: int) -> float:
        """Seconds since boot."""
        world = stage.world
        return time.clock_gettime(clock) if world is None else world.now

    @staticmethod
    def time() -> float:
        """Seconds since 1970 by the wall clock."""
        world = stage.world
        return time.time() if world is None else world.wall().timestamp()

    def sleep(self, seconds: float) -> None:
        """Let others go on for that long."""
        world = stage.world
        if world is None:
            time.sleep(seconds)
        else:
            world.sleep(stage.pause(seconds) if self._is_watcher else seconds * stage.slowness)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


class SimulatedDatetime(datetime):
    """``datetime`` whose ``now`` is the world's."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        """The present moment."""
        world = stage.world
        return datetime.now(tz) if world is None else world.wall().astimezone(tz)


class SimulatedRandom:
    """Stands in for the module ``random``: jitter is drawn from the history's seed."""

    def __getattr__(self, name: str) -> Any:
        world = stage.world
        return getattr(random if world is None else world.rng, name)


class SimulatedUuid:
    """Stands in for the module ``uuid``: the same seed makes the same names."""

    @staticmethod
    def uuid4() -> uuid.UUID:
        """A random UUID of this history."""
        world = stage.world
        return uuid.uuid4() if world is None else uuid.UUID(int=world.rng.getrandbits(128), version=4)

    def __getattr__(self, name: str) -> Any:
        return getattr(uuid, name)


def install() -> None:
    """Give every loaded module of the engine simulated time, names and jitter."""
    from app.core import clock, retry, table
    from app.jobs import tasks

    for name, module in list(sys.modules.items()):
        is_engine = name.startswith(("app.jobs", "app.runners", "app.core.retry", "app.audit", "app.tickets"))
        if is_engine and getattr(module, "time", None) is time:
            put(module, time=SimulatedTime(is_watcher=name == tasks.__name__))
    put(clock, datetime=SimulatedDatetime)
    put(retry, random=SimulatedRandom())
    put(table, uuid=SimulatedUuid())


def put(module: ModuleType, **values: Any) -> None:
    """Replace names of a module: an edge of the product becomes a simulated one."""
    for name, value in values.items():
        if not hasattr(module, name):
            raise AttributeError(f"{module.__name__} has no {name} any more: the simulation has lost an edge")
        setattr(module, name, value)
