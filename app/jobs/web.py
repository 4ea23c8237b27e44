"""Pages of launches, jobs and the live log."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.core.errors import InvalidInput
from app.core.faces import plain_text
from app.core.flask_app import PlatformFlask, current_actor
from app.jobs import finding, kinds, listings, log_queries, queries, service
from app.jobs.models import Job, Launch
from app.jobs.queries import JobFilter, LaunchFilter
from app.jobs.schemas import JobPageQuery, LaunchPageQuery, LogQuery, SearchQuery
from app.jobs.streaming import browser_stream

blueprint = Blueprint("jobs", __name__, template_folder="templates")


def _query(schema: Any) -> dict[str, Any]:
    """Read the page's URL with the same schemas as the API; an empty field is no filter."""
    given = {name: value for name, value in request.args.items() if value != ""}
    errors = schema.validate(given)
    if errors:
        raise InvalidInput("These filters cannot be used: " + ", ".join(sorted(errors)) + ".")
    loaded: dict[str, Any] = schema.load(given)
    return loaded


@blueprint.get("/launches")
def launches() -> str:
    """List launches."""
    actor = current_actor()
    query = _query(LaunchPageQuery())
    page = queries.list_launches(
        actor,
        LaunchFilter(
            status=query["status"],
            playbook_id=query["playbook_id"],
            user_id=actor.user_id if query["mine"] else None,
            text=query["q"],
        ),
        page=query["page"],
        after=query["after"],
        page_size=query["page_size"],
    )
    return render_template("jobs/launches.html", page=page.with_items(listings.launch_rows(page.items)))


def _launch_context(launch: Launch) -> dict[str, Any]:
    row = listings.launch_row_with_history(launch)
    return {
        "launch": row,
        "matrix": {**listings.matrix(launch, queries.jobs_of(launch, failed_first=True)), "page": None},
    }


@blueprint.get("/launches/<uuid:launch_uuid>")
def launch(launch_uuid: Any) -> str:
    """Show one launch: matrix of servers and tasks, what was asked."""
    found = queries.get_launch(current_actor(), str(launch_uuid))
    earlier = queries.launch_by_id(found.tenant_id, found.relaunch_of) if found.relaunch_of else None
    return render_template(
        "jobs/launch.html",
        **_launch_context(found),
        inputs=listings.inputs_in_words(found),
        relaunch_of={"number": earlier.id, "uuid": earlier.uuid} if earlier else None,
    )


@blueprint.get("/launches/<uuid:launch_uuid>/live")
def launch_live(launch_uuid: Any) -> str:
    """Show the part of a launch's page that changes while it runs."""
    found = queries.get_launch(current_actor(), str(launch_uuid))
    return render_template("jobs/_launch_live.html", **_launch_context(found))


@blueprint.post("/launches/<uuid:launch_uuid>/cancel")
def launch_cancel(launch_uuid: Any) -> ResponseReturnValue:
    """Cancel a launch, then show it."""
    return _act(
        lambda: service.cancel_launch(current_actor(), str(launch_uuid)),
        "Cancelling. What has been done stays done.",
        url_for("jobs.launch", launch_uuid=launch_uuid),
    )


@blueprint.post("/launches/<uuid:launch_uuid>/relaunch")
def launch_relaunch(launch_uuid: Any) -> ResponseReturnValue:
    """Launch the same again, on the failed servers or on all; then show the new launch."""
    only = request.form.get("only", "failed")
    if only not in ("failed", "all"):
        raise InvalidInput(only="Choose 'failed' or 'all'.")
    actor = current_actor()
    found = queries.get_launch(actor, str(launch_uuid))
    again = kinds.get(found.kind).relaunch(actor, str(launch_uuid), only=only)
    return redirect(url_for("jobs.launch", launch_uuid=again.uuid), 303)


@blueprint.get("/launches/<uuid:launch_uuid>/raw")
def launch_raw(launch_uuid: Any) -> Response:
    """Give the run's log as the engine printed it."""
    found = queries.get_launch(current_actor(), str(launch_uuid))
    return plain_text(log_queries.launch_text(found, queries.runs_of(found)), f"launch-{found.id}.log")


@blueprint.get("/jobs")
def jobs() -> str:
    """List jobs."""
    actor = current_actor()
    query = _query(JobPageQuery())
    page = queries.list_jobs(
        actor,
        JobFilter(
            status=query["status"],
            playbook_id=query["playbook_id"],
            server_id=query["server_id"],
            user_id=query["user_id"],
            text=query["q"],
        ),
        page=query["page"],
        after=query["after"],
        page_size=query["page_size"],
    )
    return render_template(
        "jobs/jobs.html",
        page=page.with_items(listings.job_rows(page.items)),
        playbooks=finding.recent_playbooks(actor),
        users=finding.recent_users(actor),
    )


def _job(job_id: Any) -> Job:
    return queries.get_job(current_actor(), str(job_id))


@blueprint.get("/jobs/<uuid:job_id>")
def job(job_id: Any) -> str:
    """Show one job and its log."""
    found = _job(job_id)
    base = url_for("jobs.job", job_id=job_id)
    log = {
        "base": base,
        "stream_url": url_for("jobs.stream"),
        "job_id": found.job_id,
        "status": found.status.value,
        "last_line": found.log_lines,
        "first_failure_line": found.first_failure_line,
        "raw_url": f"{base}/raw",
        "download_url": f"{base}/download",
    }
    return render_template("jobs/job.html", job=listings.job_row_with_history(found), log=log, job_pk=found.id)


@blueprint.post("/jobs/<uuid:job_id>/cancel")
def job_cancel(job_id: Any) -> ResponseReturnValue:
    """Cancel a job, then show it."""
    return _act(
        lambda: service.cancel_job(current_actor(), str(job_id)),
        "Cancelling. What has been done stays done.",
        url_for("jobs.job", job_id=job_id),
    )


def _act(act: Any, done: str, target: str) -> ResponseReturnValue:
    act()
    flash(done, "ok")
    return redirect(target, 303)


@blueprint.get("/jobs/<uuid:job_id>/lines")
def lines(job_id: Any) -> Response:
    """Give lines by cursor to the log viewer."""
    query = _query(LogQuery())
    part = log_queries.tail(
        _job(job_id),
        after=query["after"],
        before=query["before"],
        limit=query["limit"],
        level=query["level"],
        text=query["q"],
    )
    return jsonify(
        lines=part.lines,
        last_line=part.last_line,
        complete=part.complete,
        status=part.status,
        first_failure_line=part.first_failure_line,
    )


@blueprint.get("/jobs/<uuid:job_id>/tasks")
def tasks(job_id: Any) -> Response:
    """Give the tasks of a job to the log viewer."""
    return jsonify(tasks=log_queries.tasks(_job(job_id)))


@blueprint.get("/jobs/<uuid:job_id>/search")
def search(job_id: Any) -> Response:
    """Search a log for the log viewer."""
    query = _query(SearchQuery())
    found = log_queries.search(
        _job(job_id), query["q"], after=query["after"], level=query["level"], limit=query["limit"]
    )
    return jsonify(hits=found.hits, more=found.more, scanned_to=found.scanned_to)


@blueprint.get("/jobs/<uuid:job_id>/run-lines")
def run_lines(job_id: Any) -> Response:
    """Give the lines of the run that belong to no server to the log viewer."""
    return jsonify(log_queries.run_lines(_job(job_id)))


@blueprint.get("/jobs/<uuid:job_id>/raw")
def raw(job_id: Any) -> Response:
    """Give a log as plain text."""
    return plain_text(log_queries.job_text(_job(job_id)))


@blueprint.get("/jobs/<uuid:job_id>/download")
def download(job_id: Any) -> Response:
    """Give a log as a file."""
    found = _job(job_id)
    return plain_text(log_queries.job_text(found), f"job-{found.id}.log")


@blueprint.get("/stream")
def stream() -> Response:
    """Follow several jobs live, for all tabs of a browser."""
    app: PlatformFlask = current_app._get_current_object()  # type: ignore[attr-defined]
    return browser_stream(app, request.args.getlist("job"), request.headers.get("Last-Event-ID"))
