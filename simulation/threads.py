"""Threads of the product as actors of the same process. Stands in for ``threading`` in ``app.jobs.self_fence``."""

from __future__ import annotations

from collections.abc import Callable

from simulation.stage import stage
from simulation.world import Actor

LOOK_SECONDS = 0.25


class Event:
    """A flag that is looked at in simulated time."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Raise it."""
        self._is_set = True

    def wait(self, timeout: float) -> bool:
        """Sleep until it is raised or the time is over."""
        world = stage.world
        assert world is not None
        until = world.now + timeout
        while not self._is_set and world.now < until:
            world.sleep(min(LOOK_SECONDS, max(until - world.now, 0.0)))
        return self._is_set


class Thread:
    """A second actor with the pid of the first; whoever kills the process kills both."""

    def __init__(self, target: Callable[[], None], name: str, daemon: bool) -> None:
        self._target = target
        self._name = name
        self._actor: Actor | None = None

    def start(self) -> None:
        """Let it live."""
        world = stage.world
        assert world is not None and world.current is not None
        mine = world.current
        self._actor = world.spawn(f"{mine.name} {self._name}", mine.host, mine.pid, self._target)

    def join(self) -> None:
        """Wait for its end."""
        world = stage.world
        assert world is not None and self._actor is not None
        while self._actor in world.actors:
            world.sleep(LOOK_SECONDS)
