"""Pages of projects: list, one project with its history and files, source of any file, differences, settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.core.errors import AppError, InvalidInput
from app.core.flask_app import current_actor
from app.core.listing_export import PAGE_SIZE, export_format, export_rows
from app.core.permissions import Permission, require
from app.jobs.engine_list import known_engines
from app.playbooks import content, queries, queries_revisions, service_approval, service_projects
from app.playbooks.branch_rule import rule_of
from app.playbooks.downloads import as_download
from app.playbooks.models import PlaybookProject, ProjectSource
from app.playbooks.schemas_projects import DiffQuery, FileQuery, ProjectEditSchema, ProjectQuery, RevisionQuery
from app.playbooks.source_page import sync_context
from app.playbooks.web_forms import errors_for_form, load
from app.sources.differences import is_text, size_of

needs_blueprint = Blueprint("needs", __name__)
blueprint = Blueprint("projects", __name__, url_prefix="/playbooks/projects")
SHOWN_BYTES = 1_048_576  # a larger file is offered for download only
SHOWN_LINES = 10_000


COLUMNS = ("id", "uuid", "name", "description", "source", "git_url", "git_branch", "revision", "revision_at",
           "commit_hash", "playbooks", "unapproved", "engine", "is_active", "created_at")  # fmt: skip


def _given() -> dict[str, str]:
    return {name: value for name, value in request.args.items() if value and name != "format"}


def _rows(projects: Sequence[PlaybookProject]) -> list[dict[str, Any]]:
    """Return projects with the revision in force and what of it may run (constant queries)."""
    actor = current_actor()
    playbooks = queries.playbooks_by_project(actor, [project.id for project in projects])
    approved = queries.approvals_of(actor, [playbook for rows in playbooks.values() for playbook in rows])
    revisions = queries_revisions.revisions_by_id(actor, [row.revision_id for row in projects if row.revision_id])
    return [
        {
            "project": project,
            "revision": revisions.get(project.revision_id or 0),
            "playbooks": len(playbooks[project.id]),
            "unapproved": sum(1 for playbook in playbooks[project.id] if playbook.id not in approved),
            "rule": rule_of(project),
        }
        for project in projects
    ]


def _written(row: dict[str, Any]) -> dict[str, Any]:
    revision = row["revision"]
    plain = {name: getattr(row["project"], name) for name in COLUMNS if hasattr(row["project"], name)}
    found: dict[str, Any] = {}
    if revision:
        found = {"revision": revision.id, "revision_at": revision.created_at, "commit_hash": revision.commit_hash}
    return {**plain, **found, "playbooks": row["playbooks"], "unapproved": row["unapproved"]}


@blueprint.get("/")
def index() -> str:
    """List projects with the revision in force and what of it may run."""
    actor = current_actor()
    page = queries.list_projects(actor, **load(ProjectQuery(), _given()))
    return render_template(
        "projects/index.html",
        page=page.with_items(_rows(page.items)),
        sources=[(word.value, word.value) for word in ProjectSource],
    )


@blueprint.get("/export")
def export() -> Response:
    """Download the list with the filters of the address."""
    actor = current_actor()
    query = {**load(ProjectQuery(), _given()), "page": 1, "page_size": PAGE_SIZE}
    return export_rows(
        lambda after: queries.list_projects(actor, **{**query, "after": after}),
        lambda projects: [_written(row) for row in _rows(projects)],
        COLUMNS,
        name="projects",
        form=export_format(request.args.get("format")),
    )


@blueprint.get("/<uuid:project_uuid>")
def project(project_uuid: Any) -> str:
    """Show one project: playbooks, files, history, settings."""
    actor = current_actor()
    found = queries.get_project(actor, str(project_uuid))
    page = queries_revisions.list_revisions(actor, found, **load(RevisionQuery(), _given()))
    revision = content.revision_of(actor, found)
    playbooks = queries_revisions.playbooks_of(actor, found)
    approved = queries.approvals_of(actor, playbooks)
    people = {row.created_by for row in page.items if row.created_by} | {found.approved_branch_by or 0}
    return render_template(
        "projects/project.html",
        project=found,
        rule=rule_of(found),
        revision=revision,
        files=queries_revisions.files_of(actor, revision) if revision else [],
        playbooks=[(playbook, approved.get(playbook.id)) for playbook in playbooks],
        page=page,
        sizes=queries_revisions.sizes_of_changes(actor, page.items),
        names=queries.user_names(actor, sorted(people)),
        engine=next((row for row in known_engines(actor) if row.name == found.engine), None),
        **sync_context(actor, found),
    )


@blueprint.get("/<uuid:project_uuid>/revisions/<int:revision_id>")
def revision(project_uuid: Any, revision_id: int) -> str:
    """Show one revision: its files, and what it changed."""
    actor = current_actor()
    found = queries.get_project(actor, str(project_uuid))
    row = queries_revisions.get_revision(actor, found, revision_id)
    before = queries_revisions.revision_before(actor, row)
    changes = queries_revisions.compare_revisions(actor, before, row) if before else []
    return render_template(
        "projects/revision.html",
        project=found,
        revision=row,
        before=before,
        changes=changes,
        size=size_of(changes),
        files=queries_revisions.files_of(actor, row),
        names=queries.user_names(actor, [row.created_by] if row.created_by else []),
    )


@blueprint.get("/<uuid:project_uuid>/revisions/<int:revision_id>/file")
def file(project_uuid: Any, revision_id: int) -> str:
    """Show the text of one file, with line numbers that are links."""
    actor = current_actor()
    found = queries.get_project(actor, str(project_uuid))
    row = queries_revisions.get_revision(actor, found, revision_id)
    state, data = queries_revisions.file_of(actor, row, load(FileQuery(), _given())["path"])
    why = ""
    if state.size > SHOWN_BYTES:
        why = "This file is larger than 1 MiB. Download it to read it."
    elif not is_text(data):
        why = "This file is not text. Download it to look at it."
    lines = [] if why else data.decode("utf-8-sig").splitlines()
    return render_template(
        "projects/file.html",
        project=found,
        revision=row,
        file=state,
        why=why,
        lines=lines[:SHOWN_LINES],
        cut=len(lines) > SHOWN_LINES,
    )


@blueprint.get("/<uuid:project_uuid>/revisions/<int:revision_id>/raw")
def raw(project_uuid: Any, revision_id: int) -> Response:
    """Download one file as it is stored."""
    actor = current_actor()
    found = queries.get_project(actor, str(project_uuid))
    row = queries_revisions.get_revision(actor, found, revision_id)
    return as_download(*queries_revisions.file_of(actor, row, load(FileQuery(), _given())["path"]))


@blueprint.get("/<uuid:project_uuid>/diff")
def diff(project_uuid: Any) -> str:
    """Show what differs between any two revisions."""
    actor = current_actor()
    found = queries.get_project(actor, str(project_uuid))
    query = load(DiffQuery(), _given())
    new = queries_revisions.get_revision(actor, found, query["new"])
    old = (
        queries_revisions.get_revision(actor, found, query["old"])
        if query["old"]
        else queries_revisions.revision_before(actor, new)
    )
    changes = queries_revisions.compare_revisions(actor, old, new, path=query["path"])
    return render_template(
        "projects/diff.html",
        project=found,
        old=old,
        new=new,
        path=query["path"],
        changes=changes,
        size=size_of(changes),
        revisions=queries_revisions.list_revisions(actor, found).items,
    )


@blueprint.route("/<uuid:project_uuid>/edit", methods=["GET", "POST"])
def edit(project_uuid: Any) -> ResponseReturnValue:
    """Change name, description, engine and the branch rule."""
    actor = current_actor()
    require(actor, Permission.PLAYBOOK_EDIT)
    found = queries.get_project(actor, str(project_uuid))
    context = {"project": found, "rule": rule_of(found), "engines": _engine_options(found)}
    if request.method == "GET":
        return render_template("projects/edit.html", **context)
    from app.core.db import db

    try:
        with db.session.begin_nested():  # a refused form leaves nothing half done although it is shown again
            changes = load(ProjectEditSchema(), _changes(found))
            changes.pop("version", None)
            version = request.form.get("version", type=int)
            service_projects.edit_project(actor, found.uuid, changes, version=version)
    except AppError as error:
        if error.status not in (409, 422):
            raise
        shown = render_template("projects/edit.html", **context, form=request.form, errors=errors_for_form(error))
        return shown, error.status
    flash("Saved.", "success")
    return redirect(url_for("playbooks.projects.project", project_uuid=found.uuid), 303)


def _changes(found: PlaybookProject) -> dict[str, Any]:
    """Return what the form changes; the sample project's name and description are not in it."""
    form = request.form
    given: dict[str, Any] = {name: form[name] for name in ("name", "engine") if name in form}
    if "description" in form:
        given["description"] = form["description"].replace("\r\n", "\n")
    if found.source is ProjectSource.GIT and found.git_branch:
        given["approved_branch"] = found.git_branch if "approve_branch" in form else None
        if "approve_branch" in form and rule_of(found):
            given.pop("approved_branch")  # it holds already, in the name of whoever set it
    return given


def _engine_options(found: PlaybookProject) -> list[tuple[str, str]]:
    options = [(row.name, row.label) for row in known_engines(current_actor())]
    if found.engine not in [name for name, _ in options]:
        options.append((found.engine, f"{found.engine} (no worker has it now)"))
    return options


@blueprint.post("/<uuid:project_uuid>/approve")
def approve(project_uuid: Any) -> ResponseReturnValue:
    """Approve every playbook of the revision that was shown."""
    shown = request.form.get("manifest_hash", "")
    if not shown:
        raise InvalidInput("Say which content you read: open the project's page and approve there.")
    _project, playbooks = service_approval.approve_revision(current_actor(), str(project_uuid), manifest_hash=shown)
    flash(
        f"Approved: {len(playbooks)} {'playbook' if len(playbooks) == 1 else 'playbooks'} may be launched.", "success"
    )
    return redirect(url_for("playbooks.projects.project", project_uuid=project_uuid), 303)


@needs_blueprint.get("/playbooks/<int:playbook_id>/dependencies")
def dependencies(playbook_id: int) -> str:
    """Show what a playbook needs, and what of it is missing."""
    actor = current_actor()
    playbook = queries.view_playbook(actor, playbook_id)
    project = queries.project_of(actor, playbook)
    return render_template(
        "playbooks/dependencies.html",
        playbook=playbook,
        project=project,
        revision=content.find_revision(actor, playbook.project_id, playbook.manifest_hash),
        found=queries_revisions.needs_of(actor, playbook),
    )
