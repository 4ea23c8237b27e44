"""Pages of states that live elsewhere: register one, change it, read it now, bring it here, let go of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.audit import service as audit
from app.core.edit_version import typed_version
from app.core.errors import AppError, Conflict, InvalidInput
from app.core.flask_app import current_actor
from app.core.permissions import Permission, require
from app.terraform import (
    elsewhere_config,
    queries,
    queries_elsewhere,
    service_elsewhere,
    service_executions,
)
from app.terraform.elsewhere_kinds import KEYS, secret_names
from app.terraform.models_executions import ExecutionType
from app.terraform.models_state import StateBackend, TerraformState
from app.terraform.service_executions import ExecutionRequest

blueprint = Blueprint("terraform_elsewhere", __name__, template_folder="templates")
PROJECT = "/terraform/<uuid:terraform_uuid>"
ONE = f"{PROJECT}/workspaces/<workspace>/backend"


def _minutes() -> int | None:
    typed = request.form.get("read_every_minutes", "").strip()
    if not typed:
        return None
    if not (typed.isascii() and typed.isdigit() and len(typed) < 10):
        raise InvalidInput(read_every_minutes="Give a number of minutes, or nothing.")
    return int(typed)


def _config(backend: str) -> dict[str, Any]:
    """Return what was typed; an empty secret is left out, so that the stored one stays."""
    found: dict[str, Any] = {}
    for key in KEYS.get(backend, ()):
        typed = request.form.get(key.name, "").strip()
        if key.pattern is None:
            found[key.name] = key.name in request.form
        elif typed or not key.is_secret:
            found[key.name] = typed
    return found


def _form(
    project: Any, backend: str, head: TerraformState | None, error: AppError | None = None
) -> ResponseReturnValue:
    errors = {name: list(said) for name, said in error.errors.items()} if error else {}
    if error and (not errors or "backend_config" in errors):
        errors["_form"] = errors.pop("backend_config", [error.message])
    shown = elsewhere_config.shown(head) if head else None
    typed = {name: text for name, text in request.form.items() if name not in secret_names(backend)}
    page = render_template(
        "terraform/elsewhere_form.html",
        project=project,
        head=head,
        backend=backend,
        now=(shown or {}).get("config") or {},
        stored=(shown or {}).get("secrets") or [],
        is_lost=head is not None and shown is None,
        form={**{key.name: "" for key in KEYS[backend] if key.pattern is None}, **typed} if error else {},
        errors=errors,
    )
    return page, error.status if error else 200


@blueprint.route(f"{PROJECT}/elsewhere", methods=["GET", "POST"])
def register(terraform_uuid: Any) -> ResponseReturnValue:
    """Register a state that lives elsewhere; ``backend`` in the address or form says where."""
    actor = current_actor()
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, str(terraform_uuid))
    backend = request.values.get("backend", "")
    backend = backend if backend in KEYS else StateBackend.S3.value
    if request.method == "GET":
        return _form(project, backend, None)
    workspace = request.form.get("workspace", "").strip()
    try:
        with audit.savepoint():
            service_elsewhere.register_state(
                actor, project.uuid, workspace, backend, _config(backend), read_every_minutes=_minutes()
            )
    except (InvalidInput, Conflict) as error:
        return _form(project, backend, None, error)
    flash(f"{workspace} is registered. Read it now to see what it holds.", "success")
    return redirect(url_for("terraform_states.state", terraform_uuid=project.uuid, workspace=workspace), 303)


@blueprint.route(ONE, methods=["GET", "POST"])
def change(terraform_uuid: Any, workspace: str) -> ResponseReturnValue:
    """Change how a state is reached, and how often it is read by itself."""
    actor = current_actor()
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, str(terraform_uuid))
    head = queries_elsewhere.get_elsewhere(actor, project, workspace)
    if request.method == "GET":
        return _form(project, head.backend, head)
    try:
        with audit.savepoint():
            service_elsewhere.change_registration(
                actor,
                project.uuid,
                workspace,
                version=typed_version(),
                config=_config(head.backend),
                schedule=(_minutes(),),
            )
    except (InvalidInput, Conflict) as error:
        return _form(project, head.backend, head, error)
    flash("Saved. The next reading uses it.", "success")
    return redirect(url_for("terraform_states.state", terraform_uuid=project.uuid, workspace=workspace), 303)


@blueprint.post(f"{ONE}/read")
def read(terraform_uuid: Any, workspace: str) -> ResponseReturnValue:
    """Have a worker read the state now."""
    actor, uuid = current_actor(), str(terraform_uuid)
    require(actor, Permission.TERRAFORM_PLAN)
    queries_elsewhere.get_elsewhere(actor, queries.get_project(actor, uuid), workspace)
    try:
        wanted = ExecutionRequest(execution_type=ExecutionType.REFRESH, workspace=workspace)
        made = service_executions.execute(actor, uuid, wanted)
    except (Conflict, InvalidInput) as error:
        flash(error.message, "error")
        return redirect(url_for("terraform_states.state", terraform_uuid=uuid, workspace=workspace), 303)
    return redirect(url_for("terraform_executions.execution", execution_uuid=made.uuid), 303)


def _asked(
    endpoint: str, uuid: str, head: TerraformState, title: str, message: str, label: str, act: Callable[[], str]
) -> ResponseReturnValue:
    """Ask, then act and say what came of it."""
    back = url_for("terraform_states.state", terraform_uuid=uuid, workspace=head.workspace)
    if request.form.get("confirmed") != "1":
        return render_template(
            "confirm.html",
            title=title,
            message=message,
            expected_name=None,
            action=url_for(endpoint, terraform_uuid=uuid, workspace=head.workspace),
            hidden={},
            action_label=label,
            back_url=back,
        )
    had_versions = bool(head.state_version)
    try:
        with audit.savepoint():
            said = act()
        flash(said, "success")
    except Conflict as error:
        flash(error.message, "error")
        return redirect(back, 303)
    return redirect(back if had_versions else url_for("terraform.project", terraform_uuid=uuid), 303)


@blueprint.post(f"{ONE}/bring-here")
def bring_here(terraform_uuid: Any, workspace: str) -> ResponseReturnValue:
    """Make what was read last the platform's own state, after a question."""
    actor, uuid = current_actor(), str(terraform_uuid)
    require(actor, Permission.TERRAFORM_EDIT)
    require(actor, Permission.TERRAFORM_STATE_WRITE)
    head = queries_elsewhere.get_elsewhere(actor, queries.get_project(actor, uuid), workspace)

    def act() -> str:
        service_elsewhere.bring_here(actor, uuid, workspace)
        return f"The state of {workspace} lives here now. Take it out of use where it was."

    return _asked(
        ".bring_here",
        uuid,
        head,
        f"Bring the state of {workspace} here?",
        f"What was read last, version {head.state_version} with serial {head.serial}, becomes the platform's own, and "
        f"plans and applies write here. Nothing changes in {head.backend_location}: make sure that nobody writes there "
        "any more, or two states of the same things go different ways. Its credentials are removed here.",
        "Bring it here",
        act,
    )


@blueprint.post(f"{ONE}/remove")
def remove(terraform_uuid: Any, workspace: str) -> ResponseReturnValue:
    """Let go of a state that lives elsewhere, after a question."""
    actor, uuid = current_actor(), str(terraform_uuid)
    require(actor, Permission.TERRAFORM_EDIT)
    head = queries_elsewhere.get_elsewhere(actor, queries.get_project(actor, uuid), workspace)

    def act() -> str:
        service_elsewhere.remove_registration(actor, uuid, workspace)
        return f"{workspace} is no longer read from elsewhere."

    return _asked(
        ".remove",
        uuid,
        head,
        f"Let go of the state of {workspace}?",
        f"Nothing changes in {head.backend_location}. It is not read any more, and its credentials are removed here. "
        "Versions that were read stay in the list, and none of them is in force.",
        "Let go of it",
        act,
    )
