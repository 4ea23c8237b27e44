"""Forms of the environment of a project's executions; its list stands on the page of variables."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.core.errors import AppError, Conflict, InvalidInput
from app.core.flask_app import current_actor
from app.core.permissions import Permission, require
from app.terraform import queries, service_environment

blueprint = Blueprint("terraform_environment", __name__, template_folder="templates")
PROJECT = "/terraform/<uuid:terraform_uuid>"


@blueprint.route(f"{PROJECT}/environment", methods=["GET", "POST"])
def environment(terraform_uuid: Any) -> ResponseReturnValue:
    """Set an environment variable: ``name`` in the address names one that is there."""
    actor = current_actor()
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, str(terraform_uuid))
    error: AppError | None = None
    if request.method == "POST":
        name = request.form.get("name", "").strip()
        try:
            service_environment.set_environment(
                actor,
                project.uuid,
                name,
                request.form.get("value", "").strip(),
                description=request.form.get("description", "").strip(),
                sensitive="sensitive" in request.form,
            )
            flash(f"{name} is set.", "success")
            return redirect(url_for("terraform_files.variables", terraform_uuid=project.uuid), 303)
        except (InvalidInput, Conflict) as refused:
            error = refused
    errors = {key: list(said) for key, said in error.errors.items()} if error else {}
    if error and not errors:
        errors = {"_form": [error.message]}
    known = {row.name: row for row in queries.list_environment(actor, project)}
    page = render_template(
        "terraform/environment_form.html",
        project=project,
        row=known.get(request.args.get("name", "")),
        form={key: text for key, text in request.form.items() if key != "value"} if error else {},
        errors=errors,
    )
    return page, error.status if error else 200


@blueprint.post(f"{PROJECT}/environment/remove")
def remove(terraform_uuid: Any) -> ResponseReturnValue:
    """Take one away after a question."""
    actor, uuid, name = current_actor(), str(terraform_uuid), request.form.get("name", "")
    require(actor, Permission.TERRAFORM_EDIT)
    queries.get_project(actor, uuid)
    back = url_for("terraform_files.variables", terraform_uuid=uuid)
    if request.form.get("confirmed") != "1":
        return render_template(
            "confirm.html",
            title=f"Remove {name[:200]}?",
            message="Executions from now on do not find it in their environment.",
            expected_name=None,
            action=url_for(".remove", terraform_uuid=uuid),
            hidden={"name": name},
            action_label="Remove",
            back_url=back,
        )
    service_environment.remove_environment(actor, uuid, name)
    flash(f"{name} was removed.", "success")
    return redirect(back, 303)
