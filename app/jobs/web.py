"""Pages of launches, jobs and the live log."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.core.errors import InvalidInput
from app.core.faces import plain_text
from app.core.flask_app import PlatformFlask, current_actor
from app.core.permissions import Permission, require
from app.jobs import kinds, listings, log_queries, queries, rights, service, web_lists, web_log_store, web_workers
from app.jobs.input_differences import input_differences
from app.jobs.models import Job, Launch
from app.jobs.schemas import LogQuery, SearchQuery
from app.jobs.status import JOB_FINAL
from app.jobs.streaming import browser_stream
from app.jobs.web_lists import page_query

blueprint = Blueprint("jobs", __name__, template_folder="templates")
web_workers.register(blueprint)
web_log_store.register(blueprint)
web_lists.routes(blueprint)


def _launch_context(launch: Launch) -> dict[str, Any]:
    row = listings.launch_row_with_history(launch)
    return {
        "launch": row,
        "may_cancel": rights.may_cancel(current_actor(), launch.user_id),
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
        differences=input_differences(found.tenant_id, earlier.inputs, found.inputs) if earlier else [],
    )


@blueprint.get("/launches/<uuid:launch_uuid>/live")
def launch_live(launch_uuid: Any) -> str:
    """Show the part of a launch's page that changes while it runs."""
    found = queries.get_launch(current_actor(), str(launch_uuid))
    return render_template("jobs/_launch_live.html", **_launch_context(found))


@blueprint.post("/launches/<uuid:launch_uuid>/cancel")
def launch_cancel(launch_uuid: Any) -> ResponseReturnValue:
    """Cancel a launch after a question, then show it; with production servers in it its title has to be typed."""
    actor = current_actor()
    rights.require_cancel(actor)
    found = queries.get_launch(actor, str(launch_uuid))
    rights.require_cancel(actor, found.user_id)
    target = url_for("jobs.launch", launch_uuid=launch_uuid)
    if found.status not in JOB_FINAL:
        servers = f"{found.jobs_total} server{'' if found.jobs_total == 1 else 's'}"
        expected = found.title if listings.has_production(found) else None
        if not _is_confirmed(expected):
            title = f"Cancel launch L-{found.id}?"
            message = f"{found.title} stops on {servers}. What has been done stays done."
            return _ask(title, message, expected, "Cancel the launch", target)
    service.cancel_launch(actor, str(launch_uuid))
    flash("Cancelling. What has been done stays done.", "ok")
    return redirect(target, 303)


def _is_confirmed(expected: str | None) -> bool:
    typed = request.form.get("confirm_name", "").strip()
    return request.form.get("confirmed") == "1" and (expected is None or typed == expected.strip())


def _ask(title: str, message: str, expected: str | None, label: str, back: str) -> str:
    hidden = {name: value for name, value in request.form.items() if name == "only"}
    return render_template(
        "confirm.html",
        title=title,
        message=message,
        expected_name=expected,
        action=request.path,
        hidden=hidden,
        action_label=label,
        back_url=back,
    )


@blueprint.post("/launches/<uuid:launch_uuid>/relaunch")
def launch_relaunch(launch_uuid: Any) -> ResponseReturnValue:
    """Launch the same again, on the failed servers or on all; then show the new launch."""
    only = request.form.get("only", "failed")
    if only not in ("failed", "all"):
        raise InvalidInput(only="Choose 'failed' or 'all'.")
    actor = current_actor()
    require(actor, Permission.JOB_LAUNCH)
    found = queries.get_launch(actor, str(launch_uuid))
    if not found.is_check and listings.has_production(found) and not _is_confirmed(found.title):
        which = "the servers where it failed" if only == "failed" else "all its servers"
        message = f"{found.title} runs again on {which}, production among them."
        back = url_for("jobs.launch", launch_uuid=launch_uuid)
        return _ask(f"Relaunch L-{found.id}?", message, found.title, "Relaunch", back)
    again = kinds.get(found.kind).relaunch(actor, str(launch_uuid), only=only)
    return redirect(url_for("jobs.launch", launch_uuid=again.uuid), 303)


@blueprint.get("/launches/<uuid:launch_uuid>/raw")
def launch_raw(launch_uuid: Any) -> Response:
    """Give the run's log as the engine printed it."""
    found = queries.get_launch(current_actor(), str(launch_uuid))
    return plain_text(log_queries.launch_text(found, queries.runs_of(found)), f"launch-{found.id}.log")


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
    return render_template(
        "jobs/job.html",
        job=listings.job_row_with_history(found),
        log=log,
        job_pk=found.id,
        may_cancel=rights.may_cancel(current_actor(), found.user_id),
    )


@blueprint.post("/jobs/<uuid:job_id>/cancel")
def job_cancel(job_id: Any) -> ResponseReturnValue:
    """Cancel a job after a question, then show it; on a production server the server's name has to be typed."""
    actor = current_actor()
    rights.require_cancel(actor)
    row = listings.job_rows([_job(job_id)], explain=False)[0]
    rights.require_cancel(actor, row.user_id)
    target = url_for("jobs.job", job_id=job_id)
    if row.status in ("pending", "running"):
        expected = row.server_name if row.environment == listings.PRODUCTION else None
        if not _is_confirmed(expected):
            message = f"{row.playbook_name} stops on {row.server_name or 'no server'}. What has been done stays done."
            return _ask(f"Cancel job #{row.number}?", message, expected, "Cancel the job", target)
    at_once = request.form.get("at_once") == "1"
    service.cancel_job(actor, str(job_id), at_once=at_once)
    flash("It is killed now." if at_once else "Cancelling. What has been done stays done.", "ok")
    return redirect(target, 303)


@blueprint.get("/jobs/<uuid:job_id>/lines")
def lines(job_id: Any) -> Response:
    """Give lines by cursor to the log viewer."""
    query = page_query(LogQuery())
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
        missing=[gap.sentence for gap in part.missing],
    )


@blueprint.get("/jobs/<uuid:job_id>/tasks")
def tasks(job_id: Any) -> Response:
    """Give the tasks of a job to the log viewer."""
    return jsonify(tasks=log_queries.tasks(_job(job_id)))


@blueprint.get("/jobs/<uuid:job_id>/search")
def search(job_id: Any) -> Response:
    """Search a log for the log viewer."""
    query = page_query(SearchQuery())
    found = log_queries.search(
        _job(job_id), query["q"], after=query["after"], level=query["level"], limit=query["limit"]
    )
    return jsonify(
        hits=found.hits, more=found.more, scanned_to=found.scanned_to, missing=[gap.sentence for gap in found.missing]
    )


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
