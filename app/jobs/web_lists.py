"""The lists of launches and jobs and their downloads. ``routes`` adds them to the slice's blueprint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from flask import Blueprint, Response, render_template, request

from app.core.actor import Actor
from app.core.errors import InvalidInput
from app.core.flask_app import current_actor
from app.core.listing_export import PAGE_SIZE, export_format, export_rows
from app.jobs import finding, listings, queries
from app.jobs.models import Job, Launch
from app.jobs.queries import JobFilter, LaunchFilter
from app.jobs.schemas import FAILURE_CODES, JobPageQuery, LaunchPageQuery

FAILURES = [(code, code.replace("_", " ")) for code in FAILURE_CODES]
LAUNCH_COLUMNS = (
    *("number", "uuid", "kind", "title", "status", "is_check", "user_name", "source", "origin_title", "jobs_total"),
    *("jobs_success", "jobs_failed", "jobs_cancelled", "created_at", "started_at", "completed_at"),
)
JOB_COLUMNS = (
    *("number", "job_id", "kind", "status", "failure_code", "error_message", "failed_task", "playbook_name"),
    *("server_name", "environment", "user_name", "launch_number", "is_check", "log_lines"),
    *("created_at", "started_at", "completed_at"),
)


def page_query(schema: Any, *, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Read the page's URL with the same schemas as the API; an empty field is no filter."""
    given = {name: value for name, value in request.args.items() if value != "" and name not in without}
    errors = schema.validate(given)
    if errors:
        raise InvalidInput("These filters cannot be used: " + ", ".join(sorted(errors)) + ".")
    loaded: dict[str, Any] = schema.load(given)
    return loaded


def _narrow(filter_type: Any, query: dict[str, Any]) -> Any:
    known = {field.name for field in fields(filter_type)}
    return filter_type(text=query["q"], **{name: value for name, value in query.items() if name in known})


def _paging(query: dict[str, Any]) -> dict[str, Any]:
    return {name: query.get(name) for name in ("page", "after", "page_size", "sort")}


def _launch_filter(actor: Actor, query: dict[str, Any]) -> LaunchFilter:
    if query.pop("mine"):
        query["user_id"] = actor.user_id
    narrow: LaunchFilter = _narrow(LaunchFilter, query)
    return narrow


def launches() -> str:
    """List launches."""
    actor = current_actor()
    query = page_query(LaunchPageQuery())
    page = queries.list_launches(actor, _launch_filter(actor, query), **_paging(query))
    return render_template(
        "jobs/launches.html",
        page=page.with_items(listings.launch_rows(page.items)),
        default_sort=queries.LAUNCH_SORT.default,
        failure_codes=FAILURES,
        playbooks=finding.recent_playbooks(actor),
        users=finding.recent_users(actor),
        sources=finding.recent_sources(actor),
        origins=finding.recent_origins(actor),
    )


def launches_export() -> Response:
    """Download the launches that the filters leave."""
    actor = current_actor()
    form = export_format(request.args.get("format"))
    query = page_query(LaunchPageQuery(), without=("format",))
    narrow, sort = _launch_filter(actor, query), query.get("sort")

    def describe(rows: Sequence[Launch]) -> list[dict[str, Any]]:
        return [_values(row, LAUNCH_COLUMNS) for row in listings.launch_rows(rows, explain=False)]

    return export_rows(
        lambda after: queries.list_launches(actor, narrow, sort=sort, after=after, page_size=PAGE_SIZE),
        describe,
        LAUNCH_COLUMNS,
        name="launches",
        form=form,
    )


def jobs() -> str:
    """List jobs."""
    actor = current_actor()
    query = page_query(JobPageQuery())
    page = queries.list_jobs(actor, _narrow(JobFilter, query), **_paging(query))
    return render_template(
        "jobs/jobs.html",
        page=page.with_items(listings.job_rows(page.items)),
        default_sort=queries.JOB_SORT.default,
        failure_codes=FAILURES,
        playbooks=finding.recent_playbooks(actor),
        users=finding.recent_users(actor),
        origins=finding.recent_origins(actor),
    )


def jobs_export() -> Response:
    """Download the jobs that the filters leave."""
    actor = current_actor()
    form = export_format(request.args.get("format"))
    query = page_query(JobPageQuery(), without=("format",))
    narrow, sort = _narrow(JobFilter, query), query.get("sort")

    def describe(rows: Sequence[Job]) -> list[dict[str, Any]]:
        return [_values(row, JOB_COLUMNS) for row in listings.job_rows(rows, explain=False)]

    return export_rows(
        lambda after: queries.list_jobs(actor, narrow, sort=sort, after=after, page_size=PAGE_SIZE),
        describe,
        JOB_COLUMNS,
        name="jobs",
        form=form,
    )


def _values(row: Any, columns: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in columns}


def routes(blueprint: Blueprint) -> None:
    """Add the lists to the slice's blueprint."""
    for path, view in (
        ("/launches", launches),
        ("/launches/export", launches_export),
        ("/jobs", jobs),
        ("/jobs/export", jobs_export),
    ):
        blueprint.add_url_rule(path, view_func=view)
