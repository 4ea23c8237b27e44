"""The page of how the log is kept, for the platform's administrators."""

from __future__ import annotations

from flask import Blueprint, render_template

from app.core.flask_app import current_actor
from app.core.runtime import settings
from app.jobs.log_state import show_log_state


def log_store() -> str:
    """Show what is sealed, what waits, what is damaged."""
    state, damaged = show_log_state(current_actor())
    return render_template(
        "jobs/log_store.html",
        state=state,
        damaged=damaged,
        seal_after_days=settings().seal_after_days,
        store=settings().segment_store,
    )


def register(blueprint: Blueprint) -> None:
    """Add the page to the blueprint of jobs."""
    blueprint.get("/log-store")(log_store)
