"""Pages of a workspace's state: versions, differences, lock; restore, import, unlock, download."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.core.errors import AppError, Conflict, InvalidInput, Locked
from app.core.flask_app import current_actor
from app.core.permissions import Permission, require
from app.core.runtime import settings
from app.terraform import queries, queries_git, state_locks, state_store
from app.terraform.models import TerraformProject
from app.terraform.output_references import reference_to
from app.terraform.state_bytes import StateUnreadable
from app.terraform.state_document import StateTooLarge

blueprint = Blueprint("terraform_states", __name__, template_folder="templates")
FORM_BYTES = 65_536  # of what stands around the file
WORKSPACE = "/terraform/<uuid:terraform_uuid>/workspaces/<workspace>"


@blueprint.url_value_preprocessor
def _allow_states(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Raise the limit of the body where states come in, before anything reads the form."""
    if endpoint == "terraform_states.import_state":
        request.max_content_length = settings().state_max_bytes + FORM_BYTES
        if (request.content_length or 0) > request.max_content_length:
            raise StateTooLarge


def _number(name: str) -> int | None:
    text = request.args.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text) > 0 else None


def _outputs(project: TerraformProject, workspace: str) -> list[tuple[str, dict[str, Any]]] | None:
    """Return the outputs of the newest state by name, with their references; None when it cannot be opened."""
    try:
        found = state_store.read_outputs(current_actor(), project.uuid, workspace)
        return [
            (name, {**output, "reference": reference_to(project, workspace, name)})
            for name, output in sorted(found.items())
        ]
    except StateUnreadable:
        return None


@blueprint.get(WORKSPACE)
def state(terraform_uuid: Any, workspace: str) -> str:
    """Show a workspace: its lock, its versions, and how two of them differ."""
    actor = current_actor()
    project = queries.get_project(actor, str(terraform_uuid))
    found = queries.get_workspace(actor, project, workspace)
    before, after = _number("before"), _number("after")
    differences = None
    if before and after:
        differences = state_store.compare_versions(actor, project.uuid, workspace, before, after)
    versions = queries.list_versions(actor, project, workspace, page=_number("page") or 1, after=_number("cursor"))
    return render_template(
        "terraform/state.html",
        project=project,
        state=found.state,
        lock=queries.lock_data(found.lock),
        page=versions,
        branches=queries_git.branch_names(actor, [file.branch_id for file in versions.items]),
        before=before,
        after=after,
        differences=differences,
        outputs=_outputs(project, workspace) if project.is_active else [],
    )


@blueprint.get(f"{WORKSPACE}/versions/<int:version>/download")
def download(terraform_uuid: Any, workspace: str, version: int) -> Response:
    """Give a version as terraform wrote it, with what is sensitive in it; leaves an audit entry."""
    data = state_store.read_version(current_actor(), str(terraform_uuid), workspace, version)
    response = Response(data, mimetype="application/json")
    # A workspace's name is letters, digits and . _ - only, so it needs no quoting.
    response.headers["Content-Disposition"] = f'attachment; filename="{workspace}-{version}.tfstate"'
    return response


@blueprint.post(f"{WORKSPACE}/versions/<int:version>/restore")
def restore(terraform_uuid: Any, workspace: str, version: int) -> ResponseReturnValue:
    """Make an older version the newest, after a question."""
    actor, uuid = current_actor(), str(terraform_uuid)
    require(actor, Permission.TERRAFORM_STATE_WRITE)
    queries.get_workspace(actor, queries.get_project(actor, uuid), workspace)
    back = url_for(".state", terraform_uuid=uuid, workspace=workspace)
    if request.form.get("confirmed") != "1":
        return render_template(
            "confirm.html",
            title=f"Put version {version} of {workspace} back?",
            message="Its content becomes a new version, and the present one stays in the list. Nothing in the world "
            "changes by it: the next plan shows what terraform would do to make both agree.",
            expected_name=None,
            action=url_for(".restore", terraform_uuid=uuid, workspace=workspace, version=version),
            hidden={},
            action_label="Put it back",
            back_url=back,
        )
    try:
        made = state_store.restore_version(actor, uuid, workspace, version)
        flash(f"Version {version} is the newest again, as version {made.version}.", "success")
    except (Conflict, Locked) as error:
        flash(error.message, "error")
    return redirect(back)


@blueprint.post(f"{WORKSPACE}/unlock")
def unlock(terraform_uuid: Any, workspace: str) -> ResponseReturnValue:
    """Take a lock away, after a question that names its holder."""
    actor, uuid = current_actor(), str(terraform_uuid)
    require(actor, Permission.TERRAFORM_STATE_UNLOCK)
    back = url_for(".state", terraform_uuid=uuid, workspace=workspace)
    found = queries.get_workspace(actor, queries.get_project(actor, uuid), workspace)
    lock = queries.lock_data(found.lock)
    if lock is None:
        flash("It is not locked any more.", "info")
        return redirect(back)
    if request.form.get("confirmed") != "1":
        return render_template(
            "confirm.html",
            title=f"Take the lock of {workspace} from {lock['who']}?",
            message="Only when nothing is under way there any more: what still works loses its right to store its "
            "state, and what it made would be known to nobody. This is an alert in the audit log.",
            expected_name=None,
            action=url_for(".unlock", terraform_uuid=uuid, workspace=workspace),
            hidden={},
            action_label="Unlock",
            back_url=back,
        )
    state_locks.unlock_state(actor, uuid, workspace, None)
    flash(f"The lock of {lock['who']} was taken away.", "success")
    return redirect(back)


@blueprint.post("/terraform/<uuid:terraform_uuid>/import")
def import_state(terraform_uuid: Any) -> ResponseReturnValue:
    """Take over a state file that lived elsewhere."""
    actor, uuid = current_actor(), str(terraform_uuid)
    require(actor, Permission.TERRAFORM_STATE_WRITE)
    queries.get_project(actor, uuid)
    workspace, file = request.form.get("workspace", "").strip(), request.files.get("file")
    try:
        if file is None or not file.filename:
            raise InvalidInput("Choose a state file, such as terraform.tfstate.")
        made = state_store.import_state(actor, uuid, workspace, file.stream.read())
    except (InvalidInput, Conflict, Locked) as error:
        flash(_said(error), "error")
        return redirect(url_for("terraform.project", terraform_uuid=uuid))
    flash(f"The state was taken over as version {made.version} of {workspace}.", "success")
    return redirect(url_for(".state", terraform_uuid=uuid, workspace=workspace))


def _said(error: AppError) -> str:
    return " ".join([error.message, *(str(text) for said in error.errors.values() for text in said)])
