"""Pages' acts on a project's repository: read it, accept the ssh host key of its host."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from app.core.errors import Conflict, InvalidInput
from app.core.flask_app import current_actor
from app.core.permissions import Permission, require
from app.terraform import queries, service_executions, service_git
from app.terraform.models_executions import ExecutionType
from app.terraform.service_executions import ExecutionRequest

blueprint = Blueprint("terraform_git", __name__, template_folder="templates")
PROJECT = "/terraform/<uuid:terraform_uuid>"


@blueprint.post(f"{PROJECT}/read")
def read(terraform_uuid: Any) -> ResponseReturnValue:
    """Read a branch: an execution of type init, which fetches providers and modules besides."""
    actor, uuid = current_actor(), str(terraform_uuid)
    require(actor, Permission.TERRAFORM_PLAN)
    queries.get_project(actor, uuid)
    branch = request.form.get("branch", "").strip() or None
    try:
        wanted = ExecutionRequest(execution_type=ExecutionType.INIT, branch=branch, note="read from git")
        made = service_executions.execute(actor, uuid, wanted)
    except (Conflict, InvalidInput) as error:
        flash(" ".join(text for said in error.errors.values() for text in said) or error.message, "error")
        return redirect(url_for("terraform_files.files", terraform_uuid=uuid), 303)
    return redirect(url_for("terraform_executions.execution", execution_uuid=made.uuid), 303)


@blueprint.post(f"{PROJECT}/host-key")
def host_key(terraform_uuid: Any) -> ResponseReturnValue:
    """Accept the ssh host key that was shown."""
    actor, uuid = current_actor(), str(terraform_uuid)
    try:
        service_git.accept_host_key(actor, uuid, request.form.get("fingerprint", "")[:100])
        flash("The host key is accepted. Plan again, or read the repository.", "success")
    except Conflict as error:
        flash(error.message, "error")
    return redirect(url_for("terraform.project", terraform_uuid=uuid), 303)
