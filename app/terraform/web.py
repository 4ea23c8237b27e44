"""Pages of Terraform projects: list, one with its workspaces, add, edit, take out of use."""

from __future__ import annotations

from typing import Any, cast

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from marshmallow import RAISE, ValidationError

from app.audit import service as audit
from app.core.errors import AppError, Conflict, InvalidInput
from app.core.flask_app import current_actor
from app.core.permissions import Permission, require
from app.core.runtime import settings
from app.sources.git_fields import offered_keys
from app.sources.models import CredentialKind
from app.terraform import binaries, out_of_use, queries, queries_executions, queries_infrastructure, service
from app.terraform.models import ProjectSource, TerraformProject
from app.terraform.models_executions import Review
from app.terraform.models_state import DEFAULT_WORKSPACE
from app.terraform.schemas import TerraformProjectEdit, TerraformProjectQuery
from app.terraform.schemas_infrastructure import money
from app.terraform.service import ProjectInput

blueprint = Blueprint("terraform", __name__, template_folder="templates")
CREDENTIALS = [
    (CredentialKind.NONE.value, "none: anybody may read it"),
    (CredentialKind.TOKEN.value, "token, for https"),
    (CredentialKind.SSH_KEY.value, "deploy key, for ssh"),
]


def _query() -> dict[str, Any]:
    given = {name: value for name, value in request.args.items() if value != ""}
    try:
        found: dict[str, Any] = TerraformProjectQuery().load(given, unknown=RAISE)
    except ValidationError as error:
        raise InvalidInput("These filters cannot be used: correct the address or clear the filters.") from error
    return found


@blueprint.get("/terraform")
def index() -> str:
    """List projects by name."""
    query = _query()
    page = queries.list_projects(
        current_actor(),
        text=query.get("q"),
        is_active=query.get("is_active", True),
        page=query["page"],
        page_size=query["page_size"],
        after=query.get("after"),
        sort=query.get("sort"),
    )
    counts = queries.count_workspaces(current_actor(), [project.id for project in page.items])
    return render_template("terraform/projects.html", page=page, counts=counts, default_sort="name")


@blueprint.get("/terraform/<uuid:terraform_uuid>")
def project(terraform_uuid: Any) -> str:
    """Show one project: its workspaces, who holds their locks, and how a command line is connected."""
    actor = current_actor()
    found = queries.get_project(actor, str(terraform_uuid))
    offered = binaries.offer(actor)
    path = url_for("terraform_backend.state", terraform_uuid=found.uuid, workspace=DEFAULT_WORKSPACE)
    return render_template(
        "terraform/project.html",
        project=found,
        owner=queries.owner_of(actor, found),
        workspaces=queries.list_workspaces(actor, found),
        executions=queries_executions.list_executions(actor, project=found, page_size=5).items,
        waiting=queries_executions.list_executions(actor, project=found, review=Review.WAITING, page_size=5).items,
        versions=offered.versions[found.program],
        version_notes=offered.notes,
        what_stays=out_of_use.what_stays(actor, found) if found.is_active else "",
        offered=offered_keys(found),
        costs=queries_infrastructure.costs(actor, found),
        money=money,
        backend_address=f"{settings().public_url.rstrip('/')}{path}",
    )


def _form_page(found: TerraformProject | None, error: AppError | None = None) -> ResponseReturnValue:
    errors = {name: list(said) for name, said in error.errors.items()} if error else {}
    if error and not errors:
        errors = {"_form": [error.message]}
    offered = binaries.offer(current_actor())
    page = render_template(
        "terraform/project_form.html",
        project=found,
        versions=list(dict.fromkeys(v for versions in offered.versions.values() for v in versions)),
        version_notes=offered.notes,
        form={name: text for name, text in request.form.items() if name != "credential_secret"} if error else {},
        credentials=CREDENTIALS,
        errors=errors,
    )
    return page, error.status if error else 200


def _number(typed: str) -> int | str | None:
    """Return a typed number, or what was typed instead for the schema to name."""
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 10 else typed or None


def _read_source() -> dict[str, Any]:
    """Return where the files come from; the fields of git only with git, an empty secret keeps the stored one."""
    form = request.form
    given: dict[str, Any] = {"source": form["source"]} if "source" in form else {}
    if given.get("source") != ProjectSource.GIT.value:
        return given
    given |= {name: form.get(name, "").strip() for name in ("git_repository_url", "credential_kind")}
    given["git_branch"] = form.get("git_branch", "").strip() or "main"
    given["credential_user"] = form.get("credential_user", "").strip() or None
    if form.get("credential_secret", "").strip():
        given["credential_secret"] = form["credential_secret"]
    return given


def _read_form() -> tuple[ProjectInput, int | None]:
    form = request.form
    given: dict[str, Any] = {
        "name": form.get("name", "").strip(),
        "description": form.get("description", "").strip() or None,
        "is_destroy_protected": "is_destroy_protected" in form,
        "timeout_seconds": _number(form.get("timeout_seconds", "").strip()),
    }
    if "required_tags" in form:
        given["required_tags"] = [name.strip() for name in form["required_tags"].split(",") if name.strip()]
    given |= {
        name: form[name].strip()
        for name in ("program", "apply_policy", "working_directory", "tag_policy")
        if name in form
    }
    given |= _read_source()
    if form.get("terraform_version", "").strip():
        given["terraform_version"] = form["terraform_version"].strip()
    if version := form.get("version", "").strip():
        given["version"] = _number(version)
    try:
        loaded = TerraformProjectEdit().load(given)
    except ValidationError as error:
        messages = cast(dict[str, list[str]], error.messages)
        raise InvalidInput(**{name: str(said[0]) for name, said in messages.items()}) from error
    seen: int | None = loaded.pop("version", None)
    return cast(ProjectInput, loaded), seen


@blueprint.route("/terraform/new", methods=["GET", "POST"])
def project_new() -> ResponseReturnValue:
    """Add a project."""
    actor = current_actor()
    require(actor, Permission.TERRAFORM_EDIT)
    if request.method == "GET":
        return _form_page(None)
    try:
        given, _version = _read_form()
        with audit.savepoint():
            made = service.create_project(actor, given)
    except (InvalidInput, Conflict) as error:
        return _form_page(None, error)
    next_step = "Plan, and a worker reads it" if made.source is ProjectSource.GIT else "Give it files"
    flash(f"The project {made.name} was added. {next_step}, or connect a command line to it.", "success")
    return redirect(url_for(".project", terraform_uuid=made.uuid))


@blueprint.route("/terraform/<uuid:terraform_uuid>/edit", methods=["GET", "POST"])
def project_edit(terraform_uuid: Any) -> ResponseReturnValue:
    """Edit a project."""
    actor = current_actor()
    require(actor, Permission.TERRAFORM_EDIT)
    found = queries.get_project(actor, str(terraform_uuid))
    if request.method == "GET":
        return _form_page(found)
    try:
        given, version = _read_form()
        with audit.savepoint():
            service.update_project(actor, found.uuid, given, version=version)
    except (InvalidInput, Conflict) as error:
        return _form_page(found, error)
    flash(f"The project {found.name} was saved.", "success")
    return redirect(url_for(".project", terraform_uuid=found.uuid))


@blueprint.post("/terraform/<uuid:terraform_uuid>/active")
def project_active(terraform_uuid: Any) -> ResponseReturnValue:
    """Take a project out of use, after a question, or back into it."""
    actor = current_actor()
    require(actor, Permission.TERRAFORM_EDIT)
    found = queries.get_project(actor, str(terraform_uuid))
    is_active = request.form.get("is_active") == "1"
    if not is_active and request.form.get("confirmed") != "1":
        return render_template(
            "confirm.html",
            title=f"Take {found.name} out of use?",
            message=out_of_use.what_stays(actor, found),
            expected_name=None,
            action=url_for(".project_active", terraform_uuid=found.uuid),
            hidden={"is_active": "0"},
            action_label="Take it out of use",
            back_url=url_for(".project", terraform_uuid=found.uuid),
        )
    try:
        service.set_active(actor, found.uuid, is_active=is_active)
        flash(f"The project {found.name} is {'in use again' if is_active else 'out of use'}.", "success")
    except Conflict as error:
        flash(error.message, "error")
    return redirect(url_for(".project", terraform_uuid=found.uuid))
