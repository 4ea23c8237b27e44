"""REST: launching playbooks, and launching again. What was launched is read in the engine room's part."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint

from app.core.faces import documented
from app.core.flask_app import current_actor
from app.jobs import queries as job_queries
from app.jobs.listings import job_rows, launch_rows
from app.jobs.models import Launch
from app.jobs.schemas import JobSchema, LaunchSchema
from app.playbooks import service, service_adhoc
from app.playbooks.launch_once import KEY, launch_once
from app.playbooks.schemas import (
    NewJobSchema,
    NewLaunchSchema,
    RelaunchSchema,
    relaunch_changes,
    to_options,
    to_selection,
)
from app.playbooks.targets import Selection

launches = Blueprint("playbook_launches_api", __name__, description="Launching playbooks")


@launches.post("/launches")
@launches.arguments(NewLaunchSchema)
@launches.response(202, LaunchSchema)
@documented(launches, 404, 409, 413, 415)
@launches.doc(**KEY)
def create_launch(data: dict[str, Any]) -> Any:
    """Launch a playbook on servers chosen by id, group, tag or environment."""

    def start() -> Launch:
        return service.launch_playbook(
            current_actor(),
            data["playbook_id"],
            selection=to_selection(data),
            options=to_options(data),
            source="api",
        )

    launch, headers = launch_once("launch", data, start)
    return launch_rows([launch])[0], 202, headers


@launches.post("/jobs")
@launches.arguments(NewJobSchema, example={"playbook_id": 3, "server_id": 7, "extra_vars": {"greeting": "hi"}})
@launches.response(202, JobSchema)
@documented(launches, 404, 409, 413, 415)
@launches.doc(**KEY)
def create_job(data: dict[str, Any]) -> Any:
    """Run a playbook on one server."""

    def start() -> Launch:
        return service.launch_playbook(
            current_actor(),
            data["playbook_id"],
            selection=Selection(server_ids=(data["server_id"],)),
            options=to_options(data),
            source="api",
        )

    launch, headers = launch_once("job", data, start)
    job = job_queries.list_jobs(current_actor(), job_queries.JobFilter(launch_id=launch.id)).items[0]
    return job_rows([job])[0], 202, {**headers, "Location": f"/api/v1/jobs/{job.job_id}"}


@launches.post("/launches/<uuid:launch_uuid>/relaunch")
@launches.arguments(RelaunchSchema)
@launches.response(202, LaunchSchema)
@documented(launches, 404, 409, 413, 415)
@launches.doc(**KEY)
def relaunch(data: dict[str, Any], launch_uuid: Any) -> Any:
    """Launch the same again, on what failed, all of it or other servers, with other values where they are given."""
    changes, selection = relaunch_changes(data)

    def start() -> Launch:
        actor, uuid = current_actor(), str(launch_uuid)
        return service_adhoc.relaunch_any(actor, uuid, only=data["only"], changes=changes, selection=selection)

    launch, headers = launch_once(f"relaunch {launch_uuid}", data, start)
    return launch_rows([launch])[0], 202, headers
