"""Pages of playbooks: list, one playbook, upload, edit, approval, launch form."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.accounts.idempotency import once
from app.core.errors import AppError, InvalidInput
from app.core.flask_app import current_actor
from app.core.permissions import Permission, require
from app.core.table import new_uuid
from app.core.yaml_gate import MAX_BYTES
from app.jobs import listings, references
from app.jobs import queries as job_queries
from app.jobs.queries import JobFilter
from app.playbooks import (
    projects,
    queries,
    service,
    service_approval,
    service_content,
    service_syntax,
    web_adhoc,
    web_approval,
    web_list,
    web_projects,
    web_relaunch,
    web_saved,
    web_saved_launch,
)
from app.playbooks.declarations import parse_specs
from app.playbooks.form_fields import form_fields
from app.playbooks.models import Playbook
from app.playbooks.schemas import EditSchema, UploadSchema, to_options, to_selection
from app.playbooks.statistics import statistics
from app.playbooks.targets import launch_choices
from app.playbooks.uploads import as_yaml, form_to_edit, form_to_upload
from app.playbooks.web_forms import errors_for_form, load, read_launch_form, typed_values

blueprint = Blueprint("playbooks", __name__, template_folder="templates")
web_relaunch.routes(blueprint)
web_saved.routes(blueprint)
web_saved_launch.routes(blueprint)
blueprint.register_blueprint(web_projects.blueprint)
blueprint.register_blueprint(web_projects.needs_blueprint)
blueprint.register_blueprint(web_approval.blueprint)
blueprint.register_blueprint(web_list.blueprint)
web_adhoc.routes(blueprint)
SHOWN_LINES = 2000


def _row(playbook: Playbook, **more: Any) -> SimpleNamespace:
    columns = {column.key: getattr(playbook, column.key) for column in Playbook.__table__.columns}
    return SimpleNamespace(**columns, **more)


@blueprint.get("/playbooks")
def index() -> str:
    """List playbooks."""
    return web_list.index()


@blueprint.get("/playbooks/<int:playbook_id>")
def playbook(playbook_id: int) -> str:
    """Show one playbook: source, what changed since its approval, variables, figures, jobs."""
    actor = current_actor()
    found = queries.view_playbook(actor, playbook_id)
    project, figures = queries.project_of(actor, found), statistics(actor, found)
    approval = queries.approval_of(actor, found)
    source = service_approval.read_source(actor, playbook_id)
    jobs = job_queries.list_jobs(actor, JobFilter(playbook_id=found.id), page_size=20).items
    names = queries.user_names(actor, [approval.approved_by]) if approval else {}
    return render_template(
        "playbooks/playbook.html",
        playbook=_row(found, project_name=project.name, project_source=project.source.value, project_uuid=project.uuid),
        source=source.lines[:SHOWN_LINES],
        source_cut=len(source.lines) > SHOWN_LINES,
        changes=source.changes,
        revision=source.revision,
        files=[{"path": path, "size": size} for path, size in source.files],
        approval={
            "approved_by_name": names.get(approval.approved_by, "somebody"),
            "created_at": approval.created_at,
            "kind": str(approval.kind),
            "branch": approval.branch,
        }
        if approval
        else None,
        stats=figures,
        durations=figures.durations,
        outcome=figures.outcome,
        syntax=service_syntax.last_check(actor, found),
        jobs=listings.job_rows(jobs),
    )


@blueprint.route("/playbooks/upload", methods=["GET", "POST"])
def upload() -> ResponseReturnValue:
    """Upload a playbook, or a new version of one (``?playbook_id=``)."""
    actor = current_actor()
    require(actor, Permission.PLAYBOOK_EDIT)
    known = request.args.get("playbook_id", type=int)
    row = queries.get_playbook(actor, known) if known is not None else None
    context = {"playbook": row, "max_bytes": MAX_BYTES}
    if request.method == "GET":
        return render_template("playbooks/upload.html", **context)

    def act() -> Playbook:
        data = form_to_upload(request.form, request.files.get("file"))
        if row is not None:
            return _new_version(row, data)
        if not data.get("file_name"):
            data["file_name"] = "site.yml"
        loaded = load(UploadSchema(), data)
        return service_content.upload_playbook(actor, data=loaded.pop("content").encode(), **loaded)

    return _form(act, "playbooks/upload.html", context, "Stored. Read it once more, then approve it.")


def _new_version(row: Playbook, data: dict[str, Any]) -> Playbook:
    actor, text = current_actor(), data.pop("content", None)
    if not text:
        raise InvalidInput(file="Choose the file, or paste its text below.")
    changes = load(EditSchema(), {name: data[name] for name in ("name", "description", "tags") if name in data})
    version = changes.pop("version", None) or request.form.get("version", type=int)
    service_content.edit_playbook(actor, row.id, changes, version=version)
    return service_content.replace_file(actor, row.id, data=text.encode())


@blueprint.route("/playbooks/<int:playbook_id>/edit", methods=["GET", "POST"])
def edit(playbook_id: int) -> ResponseReturnValue:
    """Change what is declared about a playbook."""
    actor = current_actor()
    require(actor, Permission.PLAYBOOK_EDIT)
    row = queries.get_playbook(actor, playbook_id)
    context = {
        "playbook": row,
        "declared": as_yaml(row.variable_specs),
        "defaults": as_yaml(row.variables),
        "suggestions": as_yaml(service_approval.suggest_variables(actor, playbook_id)),
    }
    if request.method == "GET":
        return render_template("playbooks/edit.html", **context)

    def act() -> Playbook:
        changes = load(EditSchema(), form_to_edit(request.form))
        changes.pop("version", None)
        changes.setdefault("shares_servers", False)
        return service_content.edit_playbook(actor, row.id, changes, version=request.form.get("version", type=int))

    return _form(act, "playbooks/edit.html", context, "Saved.")


def _form(act: Callable[[], Playbook], template: str, context: dict[str, Any], said: str) -> ResponseReturnValue:
    """Do it and show the playbook; or show the form again with what was typed."""
    from app.core.db import db

    try:
        with db.session.begin_nested():  # a refused form leaves nothing half done although it is shown again
            made = act()
    except AppError as error:
        if error.status not in (409, 422):
            raise
        return render_template(template, **context, form=request.form, errors=errors_for_form(error)), error.status
    flash(said, "success")
    return redirect(url_for("playbooks.playbook", playbook_id=made.id), 303)


def _act(act: Callable[[], Any], said: str, target: str) -> ResponseReturnValue:
    act()
    flash(said, "success")
    return redirect(target, 303)


@blueprint.post("/playbooks/adopt-samples")
def adopt_samples() -> ResponseReturnValue:
    """Adopt the sample project."""
    return _act(
        lambda: projects.adopt_sample_project(current_actor()),
        "The sample playbooks are here and approved.",
        url_for("playbooks.index"),
    )


@blueprint.post("/playbooks/<int:playbook_id>/deactivate")
def deactivate(playbook_id: int) -> ResponseReturnValue:
    """Take a playbook out of use; one without jobs is deleted."""
    version = request.form.get("version", type=int)
    return _act(
        lambda: service_content.delete_playbook(current_actor(), playbook_id, version=version),
        "It can no longer be launched.",
        url_for("playbooks.index"),
    )


def _launch_page(found: Playbook, **more: Any) -> str:
    actor = current_actor()
    figures = statistics(actor, found)
    approved = queries.approval_of(actor, found) is not None
    return render_template(
        "playbooks/launch_form.html",
        playbook=_row(found, is_approved=approved),
        fields=form_fields(parse_specs(found.variable_specs), found.variables or {}),
        references=references.offered(actor),
        usual_seconds=figures.usual_seconds,
        token=new_uuid(),  # sent back with the form: a double click launches once
        **launch_choices(actor),
        **more,
    )


@blueprint.route("/playbooks/<int:playbook_id>/launch", methods=["GET", "POST"])
def launch(playbook_id: int) -> ResponseReturnValue:
    """Launch a playbook; ``?again=<launch uuid>`` goes to the form with that launch's values."""
    actor = current_actor()
    require(actor, Permission.JOB_LAUNCH)
    found = queries.get_playbook(actor, playbook_id)
    again = request.args.get("again")
    if request.method == "GET":
        if again:
            return redirect(url_for("playbooks.relaunch", launch_uuid=service.get_launch(actor, again).uuid))
        return _launch_page(
            found, selected=[request.args.get("server_id", type=int)], chosen_groups=request.args.getlist("group")[:50]
        )
    specs = parse_specs(found.variable_specs)
    try:
        data = read_launch_form(found.id, specs, request.form)

        def start() -> str:
            made = service.launch_playbook(
                actor,
                found.id,
                selection=to_selection(data),
                options=to_options(data),
                confirmed_by_name=request.form.get("confirm_name", ""),
            )
            return made.uuid

        uuid, _ = once(actor, request.form.get("token") or None, "launch form", data, "launch", start)
    except AppError as error:
        # A twin of this request got there first: what this one began has to be rolled back, so no page is made.
        if error.status not in (404, 409, 422) or error.error == "in_progress":
            raise
        shown = _launch_page(found, selected=[], form=typed_values(specs, request.form), errors=errors_for_form(error))
        return shown, error.status
    return redirect(url_for("jobs.launch", launch_uuid=uuid), 303)
