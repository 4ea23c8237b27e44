"""REST face of launches, jobs, lines and streams."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, request
from flask.views import MethodView
from flask_smorest import Blueprint

from app.core.faces import documented, paged, plain_text
from app.core.flask_app import PlatformFlask, current_actor
from app.jobs import listings, log_queries, queries, service
from app.jobs.queries import JobFilter, LaunchFilter
from app.jobs.schemas import (
    CancelQuery,
    JobQuery,
    JobSchema,
    LaunchDetailSchema,
    LaunchQuery,
    LaunchSchema,
    LogQuery,
    LogSchema,
    MatrixSchema,
    ResultsQuery,
    StreamQuery,
)
from app.jobs.streaming import job_stream

launches = Blueprint("api_launches", __name__, description="What was asked once, on one server or many")
jobs = Blueprint("api_jobs", __name__, description="One playbook on one server, and its log")
blueprints = [launches, jobs]


def _paging(query: dict[str, Any]) -> dict[str, Any]:
    return {name: query.pop(name) for name in ("page", "page_size", "after")}


def launch_detail(launch: Any) -> dict[str, Any]:
    """Return a launch with its runs and first jobs, for LaunchDetailSchema."""
    row = listings.launch_rows([launch])[0]
    data = {name: getattr(row, name) for name in row.__slots__}
    data["runs"] = queries.runs_of(launch)
    data["jobs"] = listings.job_rows(queries.jobs_of(launch))
    return data


@launches.route("/launches")
class Launches(MethodView):
    """All launches. POST belongs to the playbooks slice."""

    @documented(launches)
    @launches.arguments(LaunchQuery, location="query")
    @launches.response(200, LaunchSchema(many=True))
    def get(self, query: dict[str, Any]) -> Any:
        """List launches, newest first."""
        page = queries.list_launches(current_actor(), **_split(query, LaunchFilter))
        return paged(page, listings.launch_rows(page.items))


def _split(query: dict[str, Any], filter_type: Any) -> dict[str, Any]:
    paging = {**_paging(query), "sort": query.pop("sort", None)}
    return {"narrow": filter_type(**query), **paging}


@launches.route("/launches/<uuid:launch_uuid>")
class OneLaunch(MethodView):
    """One launch."""

    @documented(launches, 404)
    @launches.response(200, LaunchDetailSchema)
    def get(self, launch_uuid: Any) -> Any:
        """Show a launch with its runs and the first 100 of its jobs."""
        return launch_detail(queries.get_launch(current_actor(), str(launch_uuid)))


@launches.route("/launches/<uuid:launch_uuid>/cancel", methods=["POST"])
@documented(launches, 404, 409)
@launches.arguments(CancelQuery, location="query")
@launches.response(202, LaunchDetailSchema)
def cancel_launch(query: dict[str, Any], launch_uuid: Any) -> Any:
    """Cancel everything open in a launch. Asking twice is fine; ``at_once`` kills what still lives."""
    return launch_detail(service.cancel_launch(current_actor(), str(launch_uuid), at_once=query["at_once"]))


@launches.route("/launches/<uuid:launch_uuid>/results")
@documented(launches, 404)
@launches.arguments(ResultsQuery, location="query")
@launches.response(200, MatrixSchema)
def launch_results(query: dict[str, Any], launch_uuid: Any) -> Any:
    """Show the matrix server x task, paged by job number (``after``)."""
    launch = queries.get_launch(current_actor(), str(launch_uuid))
    part = queries.jobs_of(launch, after=query["after"], limit=query["limit"])
    data = listings.matrix(launch, part, all_tasks=True)
    data["next_after"] = part[-1].id if len(part) == query["limit"] else None
    return data


@launches.route("/launches/<uuid:launch_uuid>/logs")
@documented(launches, 404)
@launches.response(200, content_type="text/plain")
def launch_log(launch_uuid: Any) -> Response:
    """Read the run's log as the engine printed it, recap included (text)."""
    launch = queries.get_launch(current_actor(), str(launch_uuid))
    return plain_text(log_queries.launch_text(launch, queries.runs_of(launch)))


@jobs.route("/jobs")
class Jobs(MethodView):
    """All jobs. POST belongs to the playbooks slice."""

    @documented(jobs)
    @jobs.arguments(JobQuery, location="query")
    @jobs.response(200, JobSchema(many=True))
    def get(self, query: dict[str, Any]) -> Any:
        """List jobs, newest first; a pending one says why it waits."""
        page = queries.list_jobs(current_actor(), **_split(query, JobFilter))
        return paged(page, listings.job_rows(page.items))


@jobs.route("/jobs/<uuid:job_id>")
class OneJob(MethodView):
    """One job."""

    @documented(jobs, 404)
    @jobs.response(200, JobSchema)
    def get(self, job_id: Any) -> Any:
        """Show a job."""
        return listings.job_rows([queries.get_job(current_actor(), str(job_id))])[0]


@jobs.route("/jobs/<uuid:job_id>/cancel", methods=["POST"])
@documented(jobs, 404, 409)
@jobs.arguments(CancelQuery, location="query")
@jobs.response(202, JobSchema)
def cancel_job(query: dict[str, Any], job_id: Any) -> Any:
    """Cancel one job; 409 when it runs together with others (cancel the launch then). ``at_once`` kills it."""
    return listings.job_rows([service.cancel_job(current_actor(), str(job_id), at_once=query["at_once"])])[0]


@jobs.route("/jobs/<uuid:job_id>/logs")
@documented(jobs, 404)
@jobs.arguments(LogQuery, location="query")
@jobs.response(200, LogSchema)
def job_logs(query: dict[str, Any], job_id: Any) -> Any:
    """Read lines after a cursor as JSON; ``format=text`` gives the whole log as plain text."""
    job = queries.get_job(current_actor(), str(job_id))
    if query.pop("format") == "text":
        return plain_text(log_queries.job_text(job))
    return log_queries.tail(
        job,
        after=query["after"],
        before=query["before"],
        limit=query["limit"],
        level=query["level"],
        text=query["q"],
    )


@jobs.route("/jobs/<uuid:job_id>/stream")
@documented(jobs, 404)
@jobs.arguments(StreamQuery, location="query")
@jobs.response(200, content_type="text/event-stream")
def stream_job(query: dict[str, Any], job_id: Any) -> Response:
    """Follow a log live (server-sent events; the event id is the line number, ``Last-Event-ID`` resumes)."""
    app: PlatformFlask = current_app._get_current_object()  # type: ignore[attr-defined]
    return job_stream(app, str(job_id), query["after"], request.headers.get("Last-Event-ID"))
