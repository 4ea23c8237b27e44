"""REST face of workers and dispatch: what carries the runs, and the switches of the platform's administrators."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask_smorest import Blueprint

from app.core.faces import documented
from app.core.flask_app import current_actor
from app.core.permissions import Permission, require
from app.jobs import queries_workers, service_workers
from app.jobs.schemas_workers import DispatchSchema, PauseSchema, WorkerSchema

workers = Blueprint("api_workers", __name__, description="What carries the runs")
dispatch = Blueprint("api_dispatch", __name__, description="Whether runs are handed to workers")
blueprints = [workers, dispatch]


@workers.route("/workers")
@documented(workers)
@workers.response(200, WorkerSchema(many=True))
def list_workers() -> Any:
    """List the workers of the last day with their load (not paged: a platform has tens of them)."""
    return _rows()


@workers.route("/workers/<int:worker_id>/drain", methods=["POST"])
@documented(workers, 404)
@workers.response(200, WorkerSchema)
def drain_worker(worker_id: int) -> Any:
    """Let a worker finish what it runs and take nothing new, over restarts too. Asking twice is fine."""
    service_workers.drain_worker(current_actor(), worker_id)
    return _row(worker_id)


@workers.route("/workers/<int:worker_id>/give-back", methods=["POST"])
@documented(workers, 404)
@workers.response(200, WorkerSchema)
def give_back_worker(worker_id: int) -> Any:
    """Let a drained worker take runs again. Asking twice is fine."""
    service_workers.give_back_worker(current_actor(), worker_id)
    return _row(worker_id)


def _rows() -> list[dict[str, Any]]:
    rows = queries_workers.list_workers(current_actor())
    carried = queries_workers.carried_by_worker(current_actor())
    return [{**asdict(row), "runs": carried.get(row.id, [])} for row in rows]


def _row(worker_id: int) -> dict[str, Any]:
    row = queries_workers.worker_row(current_actor(), worker_id)
    return {**asdict(row), "runs": queries_workers.carried_by_worker(current_actor()).get(row.id, [])}


@dispatch.route("/dispatch")
@documented(dispatch)
@dispatch.response(200, DispatchSchema)
def show_dispatch() -> Any:
    """Say whether runs are handed to workers, and if not why and since when."""
    require(current_actor(), Permission.WORKER_VIEW)
    return _dispatch()


@dispatch.route("/dispatch/pause", methods=["POST"])
@documented(dispatch, 409)
@dispatch.arguments(PauseSchema)
@dispatch.response(200, DispatchSchema)
def pause_dispatch(body: dict[str, Any]) -> Any:
    """Start no further runs on the whole platform; what runs goes on. 409 when it is paused already."""
    service_workers.pause_dispatch(current_actor(), body["reason"])
    return _dispatch()


@dispatch.route("/dispatch/resume", methods=["POST"])
@documented(dispatch, 409)
@dispatch.response(200, DispatchSchema)
def resume_dispatch() -> Any:
    """Start runs again. 409 when it is not paused, and after a restore, which only `flask ops resume` ends."""
    service_workers.resume_dispatch(current_actor())
    return _dispatch()


def _dispatch() -> dict[str, Any]:
    pause = queries_workers.pause()
    if pause is None:
        return {"paused": False, "reason": None, "since": None, "restored": False}
    return {"paused": True, "reason": pause.reason, "since": pause.since, "restored": pause.restored}
