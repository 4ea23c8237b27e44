"""Engines: named installations of ansible-core, as the settings name them and as workers announce them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import select

from app.core.actor import Actor
from app.core.db import db
from app.core.permissions import Permission, require
from app.core.runtime import settings
from app.jobs import queues
from app.jobs.models import Run, Worker
from app.jobs.status import WorkerState
from app.runners.installations import Installation, inspect, own_folder

DEFAULT = "default"
OWN_KIND = "ansible"
# kind -> what this machine has of it (name -> what is said of it); filled at start by the slices that have their own.
FURTHER_KINDS: dict[str, Callable[[], dict[str, Any]]] = {}


@dataclass(frozen=True, slots=True)
class EngineRow:
    """One engine. ``versions`` has the version on each online worker that has it, ``problems`` what others say.

    ``notes``: what people should know of it on a worker.
    """

    name: str
    versions: Mapping[str, str] = field(default_factory=dict)  # worker -> version
    problems: Mapping[str, str] = field(default_factory=dict)  # worker -> why it cannot
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Name and versions in one line, e.g. ``old (ansible-core 2.15.13)``."""
        known = ", ".join(sorted(set(self.versions.values())))
        return f"{self.name} (ansible-core {known})" if known else f"{self.name} (no worker has it now)"


def folders() -> dict[str, Path]:
    """Return name -> virtual environment of every engine of this machine's settings; ``default`` is always there."""
    return {DEFAULT: own_folder(), **{name: Path(folder) for name, folder in settings().engines.items()}}


def inspect_all() -> dict[str, Installation]:
    """Look at every engine of this machine (starts each one's interpreter)."""
    return {name: inspect(name, folder) for name, folder in folders().items()}


@lru_cache(maxsize=32)
def _inspected(name: str, folder: Path) -> Installation:
    return inspect(name, folder)


def installation(name: str) -> Installation | None:
    """Return an engine of this machine, looked at once per process; None when the settings do not name it."""
    folder = folders().get(name)
    return None if folder is None else _inspected(name, folder)


def announcement() -> dict[str, Any]:
    """Return what this worker says of its engines, those of other kinds named as such."""
    told = {name: found.as_json() for name, found in inspect_all().items()}
    for kind, announce in FURTHER_KINDS.items():
        told |= {name: {**said, "kind": kind} for name, said in announce().items()}
    return told


def known_engines(actor: Actor) -> list[EngineRow]:
    """Return the engines that can be chosen, ``default`` first: those of the settings and of online workers."""
    require(actor, Permission.PLAYBOOK_VIEW)
    return announced(OWN_KIND, folders())


def announced(kind: str, names: Iterable[str] = ()) -> list[EngineRow]:
    """Return the engines of a kind: these names, and those of online workers; ``default`` first, then by name."""
    versions: dict[str, dict[str, str]] = {name: {} for name in names}
    problems: dict[str, dict[str, str]] = {}
    notes: dict[str, dict[str, str]] = {}
    for worker in _online():
        for name, told in (worker.engines or {}).items():
            if told.get("kind", OWN_KIND) != kind:
                continue
            versions.setdefault(name, {})
            if "version" in told:
                versions[name][worker.name] = str(told["version"])
                notes.setdefault(name, {}).update({worker.name: str(told["note"])} if told.get("note") else {})
            else:
                problems.setdefault(name, {})[worker.name] = str(told.get("problem", ""))
    names = sorted(versions, key=lambda name: (name != DEFAULT, name))
    return [EngineRow(name, versions[name], problems.get(name, {}), notes.get(name, {})) for name in names]


def _online() -> list[Worker]:
    return list(
        db.session.scalars(select(Worker).where(Worker.state == WorkerState.ONLINE).order_by(Worker.id).limit(1000))
    )


def can_carry(worker: Worker, run: Run) -> bool:
    """Say whether a worker has the run's engine; one that announces none (an older version) is taken at its word."""
    if worker.engines is None:
        return True
    told = worker.engines.get(run.engine)
    return told is not None and "problem" not in told


def installed_collections(name: str) -> set[str]:
    """Return the names of the collections that an online worker has in this engine."""
    return {found for worker in _online() for found in ((worker.engines or {}).get(name) or {}).get("collections", {})}


def carried_engines() -> set[str] | None:
    """Return the engines that online workers have; None when one of them does not say (an older version)."""
    workers = _online()
    if any(worker.engines is None for worker in workers):
        return None
    return {name for worker in workers for name, told in (worker.engines or {}).items() if "problem" not in told}


def missing_because(run: Run) -> str | None:
    """Return why no online worker can carry the run's engine, in a sentence; None when one can."""
    workers = [worker for worker in _online() if queues.serves(worker, run)]
    if any(can_carry(worker, run) for worker in workers):
        return None
    told = [
        f"{worker.name}: {said['problem']}"
        for worker in workers
        if (said := (worker.engines or {}).get(run.engine)) and "problem" in said
    ]
    why = f" ({'; '.join(told[:3])})" if told else ""
    return (
        f"No worker that is online has the engine '{run.engine}'{why}. Install it on a worker, name it in the "
        "worker's settings and restart it, or cancel and choose another engine for the project."
    )
