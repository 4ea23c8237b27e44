"""The list of playbooks: filters, sorting, figures of each, and the same list as a file."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from flask import Blueprint, Response, render_template, request

from app.core.flask_app import current_actor
from app.core.listing_export import PAGE_SIZE, export_format, export_rows
from app.playbooks import queries
from app.playbooks.models import Playbook
from app.playbooks.schemas import PlaybookQuery
from app.playbooks.statistics import Statistics, brief_statistics, last_launches
from app.playbooks.web_forms import load

blueprint = Blueprint("lists", __name__)
PASSED_ON = ("server_id", "group", "format")  # of the address, but no filter: for the launch form, for the download
COLUMNS = ("id", "name", "description", "project_name", "file_path", "tags", "is_active", "is_approved", "success_rate",
           "runs_30d", "usual_seconds", "file_hash", "manifest_hash", "created_at", "updated_at")  # fmt: skip


def _query() -> dict[str, Any]:
    given = {name: value for name, value in request.args.items() if value and name not in PASSED_ON}
    return load(PlaybookQuery(), given)


def rows_of(playbooks: Sequence[Playbook]) -> list[SimpleNamespace]:
    """Return playbooks with the name of their project, their approval, figures and last launch (constant queries)."""
    actor = current_actor()
    ids = [playbook.id for playbook in playbooks]
    approved, launched = queries.approvals_of(actor, playbooks), last_launches(actor, ids)
    projects = queries.projects_by_id(actor, [playbook.project_id for playbook in playbooks])
    brief = brief_statistics(actor, ids)
    rows = []
    for playbook in playbooks:
        last, figures = launched.get(playbook.id), brief.get(playbook.id, Statistics())
        columns = {column.key: getattr(playbook, column.key) for column in Playbook.__table__.columns}
        rows.append(
            SimpleNamespace(
                **columns,
                project_name=projects[playbook.project_id].name,
                is_approved=playbook.id in approved,
                success_rate=figures.success_rate,
                runs_30d=figures.runs,
                usual_seconds=figures.usual_seconds,
                last_launch={
                    "uuid": last.uuid,
                    "number": last.id,
                    "status": last.status,
                    "created_at": last.created_at,
                }
                if last
                else None,
            )
        )
    return rows


def index() -> str:
    """Return the page of the list."""
    actor = current_actor()
    page = queries.list_playbooks(actor, **_query())
    projects = queries.list_projects(actor, page_size=100).items
    return render_template(
        "playbooks/index.html",
        page=page.with_items(rows_of(page.items)),
        projects=sorted(((row.id, row.name) for row in projects), key=lambda item: item[1]),
        sample_offer=queries.sample_project(actor) is None,
    )


@blueprint.get("/playbooks/export")
def export() -> Response:
    """Download the list with the filters of the address."""
    actor = current_actor()
    query = {**_query(), "page": 1, "page_size": PAGE_SIZE}
    return export_rows(
        lambda after: queries.list_playbooks(actor, **{**query, "after": after}),
        lambda playbooks: [vars(row) for row in rows_of(playbooks)],
        COLUMNS,
        name="playbooks",
        form=export_format(request.args.get("format")),
    )
