"""The page of workers: what carries the runs, and the switches of the platform's administrator."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.core.db import in_unit_of_work
from app.core.errors import InvalidInput
from app.core.flask_app import current_actor
from app.jobs import queries_workers, service_workers

DAYS = 7  # a worker that left stays on the page this long


def _page(**more: object) -> str:
    actor = current_actor()
    return render_template(
        "jobs/workers.html",
        workers=queries_workers.list_workers(actor, days=DAYS),
        carried=queries_workers.carried_by_worker(actor),
        pause=queries_workers.pause(),
        **more,
    )


def workers() -> str:
    """List the workers."""
    return _page()


def drain(worker_id: int) -> ResponseReturnValue:
    """Let a worker take nothing new."""
    worker = service_workers.drain_worker(current_actor(), worker_id)
    flash(f"{worker.name} finishes what it runs and takes nothing new.", "success")
    return redirect(url_for(".workers"))


def give_back(worker_id: int) -> ResponseReturnValue:
    """Let a worker take runs again."""
    worker = service_workers.give_back_worker(current_actor(), worker_id)
    flash(f"{worker.name} takes runs again.", "success")
    return redirect(url_for(".workers"))


def pause_dispatch() -> ResponseReturnValue:
    """Pause dispatch with a reason."""
    try:
        service_workers.pause_dispatch(current_actor(), request.form.get("reason", ""))
    except InvalidInput as error:
        return _page(errors=error.errors, form=request.form), error.status
    flash("Dispatch is paused: what runs goes on, nothing new is started.", "success")
    return redirect(url_for(".workers"))


def resume_dispatch() -> ResponseReturnValue:
    """Resume dispatch."""
    service_workers.resume_dispatch(current_actor())
    flash("Dispatch goes on.", "success")
    return redirect(url_for(".workers"))


def _pause() -> queries_workers.Pause | None:
    """Return the pause for a page's frame; the page of an error is made when its unit has ended, and asks nothing."""
    return queries_workers.pause() if in_unit_of_work() else None


def register(blueprint: Blueprint) -> None:
    """Add the page and its buttons to the blueprint of jobs, and the pause to every page."""
    blueprint.app_context_processor(lambda: {"dispatch_pause": _pause})
    blueprint.get("/workers")(workers)
    blueprint.post("/workers/<int:worker_id>/drain")(drain)
    blueprint.post("/workers/<int:worker_id>/give-back")(give_back)
    blueprint.post("/dispatch/pause")(pause_dispatch)
    blueprint.post("/dispatch/resume")(resume_dispatch)
