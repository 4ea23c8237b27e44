"""Simulated processes: who lives on which host. Stands in for ``app.runners.process`` where the engine asks."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

from app.runners.process import ProcessIdentity
from simulation.stage import stage
from simulation.world import Host

MEMORY_BYTES = 8 << 30


class Machine:
    """Stands in for ``psutil`` and ``os`` where a worker says how its machine is: always the same."""

    @staticmethod
    def virtual_memory() -> SimpleNamespace:
        """Half of it is free."""
        return SimpleNamespace(total=MEMORY_BYTES, available=MEMORY_BYTES // 2)

    @staticmethod
    def statvfs(_path: object) -> SimpleNamespace:
        """Half of it is free."""
        return SimpleNamespace(f_blocks=1 << 20, f_bavail=1 << 19, f_frsize=4096)

    @staticmethod
    def getloadavg() -> tuple[float, float, float]:
        """Nothing to do."""
        return 0.0, 0.0, 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


class Processes:
    """Numbers of processes, never used twice."""

    def __init__(self) -> None:
        self._last = 100

    def start(self, host: Host) -> int:
        """Make a living process on a host and return its pid."""
        self._last += 1
        host.alive.add(self._last)
        return self._last


def identity_of(host: Host, pid: int) -> ProcessIdentity:
    """A process of a host's present boot."""
    return ProcessIdentity(pid, pid * 10, host.boot_id)


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether that process lives, seen from the host of whoever asks."""
    host = _here()
    return identity.boot_id == host.boot_id and identity.pid in host.alive


def boot_id() -> str:
    """The boot of the host of whoever asks."""
    return _here().boot_id


def this_process() -> ProcessIdentity:
    """The identity of whoever asks."""
    world = stage.world
    assert world is not None and world.current is not None
    return identity_of(world.current.host, world.current.pid)


def census(marker: str) -> list[int]:
    """Pids of what lives of a run on this host."""
    assert stage.engines is not None
    return [engine.pid for engine in stage.engines.of(_here(), marker) if engine.is_alive]


def kill_marked(marker: str) -> None:
    """End every process of a run on this host."""
    assert stage.world is not None and stage.engines is not None
    stage.world.step(f"end every process of {marker}")
    for engine in stage.engines.of(_here(), marker):
        engine.kill("salvage")


def _here() -> Host:
    assert stage.world is not None and stage.world.current is not None
    return stage.world.current.host
