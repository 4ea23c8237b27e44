"""Listens to the engine room: tickets open and resolve with the end of a run."""

from __future__ import annotations

from app.jobs.events import RunFinished, run_finished
from app.tickets.opening import open_for_run
from app.tickets.resolving import resolve_by_run


@run_finished.connect
def follow_run(event: RunFinished, **_extra: object) -> None:
    """Open tickets for what failed, then resolve what is green; raises if it cannot (the engine rolls back)."""
    open_for_run(event)
    resolve_by_run(event)
