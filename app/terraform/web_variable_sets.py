"""Pages of variable sets: list, one with its values and projects, forms; attaching to projects."""

from __future__ import annotations

import json
from typing import Any, cast

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from marshmallow import RAISE, ValidationError

from app.audit import service as audit
from app.core.edit_version import typed_version
from app.core.errors import AppError, Conflict, InvalidInput, NotFound
from app.core.flask_app import current_actor
from app.core.permissions import Permission, require
from app.terraform import queries, service_set_variables, service_variable_sets
from app.terraform import queries_variable_sets as reads
from app.terraform.models_variable_sets import Category, TerraformSetVariable, TerraformVariableSet
from app.terraform.schemas_variable_sets import TerraformVariableSetQuery
from app.terraform.service_set_variables import SetVariableInput

blueprint = Blueprint("terraform_variable_sets", __name__, template_folder="templates")
SETS = "/terraform/variable-sets"
ONE = f"{SETS}/<uuid:set_uuid>"
VARIABLE = f"{ONE}/variables/<uuid:set_variable_uuid>"


def _errors(error: AppError | None) -> dict[str, list[str]]:
    if error is None:
        return {}
    return {name: list(said) for name, said in error.errors.items()} or {"_form": [error.message]}


@blueprint.get(SETS)
def index() -> str:
    """List sets by name."""
    given = {name: value for name, value in request.args.items() if value != ""}
    try:
        query: dict[str, Any] = TerraformVariableSetQuery().load(given, unknown=RAISE)
    except ValidationError as error:
        raise InvalidInput("These filters cannot be used: correct the address or clear the filters.") from error
    actor = current_actor()
    page = reads.list_sets(
        actor,
        text=query.get("q"),
        is_global=query.get("is_global"),
        page=query["page"],
        page_size=query["page_size"],
        after=query.get("after"),
        sort=query.get("sort"),
    )
    counts = reads.counts(actor, [found.id for found in page.items])
    return render_template("terraform/variable_sets.html", page=page, counts=counts, default_sort="name")


@blueprint.get(ONE)
def variable_set(set_uuid: Any) -> str:
    """Show one set: its variables, and the projects that it is attached to."""
    actor = current_actor()
    found = reads.get_set(actor, str(set_uuid))
    return render_template(
        "terraform/variable_set.html",
        found=found,
        variables=reads.list_set_variables(actor, found),
        projects=reads.projects_of_set(actor, found),
        others=reads.projects_without_set(actor, found),
    )


@blueprint.route(f"{SETS}/new", methods=["GET", "POST"], defaults={"set_uuid": None})
@blueprint.route(f"{ONE}/edit", methods=["GET", "POST"])
def edit(set_uuid: Any) -> ResponseReturnValue:
    """Add a set, or change one."""
    actor = current_actor()
    require(actor, Permission.TERRAFORM_SET_EDIT)
    found = None if set_uuid is None else reads.get_set(actor, str(set_uuid))
    error: AppError | None = None
    if request.method == "POST":
        given: service_variable_sets.SetInput = {
            "name": request.form.get("name", ""),
            "description": request.form.get("description", "").replace("\r\n", "\n"),
            "is_global": "is_global" in request.form,
        }
        try:
            with audit.savepoint():
                if found is None:
                    saved = service_variable_sets.add_set(actor, given)
                else:
                    saved = service_variable_sets.change_set(actor, found.uuid, given, version=typed_version())
            flash(f"{saved.name} was saved.", "success")
            return redirect(url_for(".variable_set", set_uuid=saved.uuid), 303)
        except (InvalidInput, Conflict) as refused:
            error = refused
    page = render_template(
        "terraform/variable_set_form.html",
        found=found,
        form=request.form.to_dict() if error else {},
        errors=_errors(error),
    )
    return page, error.status if error else 200


@blueprint.post(f"{ONE}/remove")
def remove(set_uuid: Any) -> ResponseReturnValue:
    """Remove a set after a question."""
    actor = current_actor()
    require(actor, Permission.TERRAFORM_SET_EDIT)
    found = reads.get_set(actor, str(set_uuid))
    name, back = found.name, url_for(".variable_set", set_uuid=found.uuid)
    if request.form.get("confirmed") != "1":
        return render_template(
            "confirm.html",
            title=f"Remove {name}?",
            message="Its values go with it. Executions from now on do without them.",
            expected_name=None,
            action=url_for(".remove", set_uuid=found.uuid),
            hidden={},
            action_label="Remove",
            back_url=back,
        )
    try:
        with audit.savepoint():
            service_variable_sets.remove_set(actor, found.uuid)
    except Conflict as error:
        flash(error.message, "error")
        return redirect(back, 303)
    flash(f"{name} was removed.", "success")
    return redirect(url_for(".index"), 303)


# --- the variables of a set


def _given(category: Category) -> SetVariableInput:
    form = request.form
    given: dict[str, Any] = {
        "name": form.get("name", "").strip(),
        "category": category,
        "description": form.get("description", ""),
        "sensitive": "sensitive" in form,
    }
    text = form.get("value", "").replace("\r\n", "\n")
    if text or "keep" not in form:
        given["value"] = text
        if "as_json" in form and category is Category.TERRAFORM:
            try:
                given["value"] = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise InvalidInput(value="This is not JSON: texts stand in double quotes there.") from error
    return cast(SetVariableInput, given)


def _category(typed: str) -> Category:
    try:
        return Category(typed)
    except ValueError:
        raise InvalidInput(category="Choose what the variable is for.") from None


def _variable_page(
    found: TerraformVariableSet, row: TerraformSetVariable | None, error: AppError | None
) -> ResponseReturnValue:
    value = None if row is None else row.value
    form = {key: text for key, text in request.form.items() if key != "value" or "sensitive" not in request.form}
    page = render_template(
        "terraform/set_variable_form.html",
        found=found,
        row=row,
        is_json=not isinstance(value, str) and value is not None,
        text=value if isinstance(value, str) else "" if value is None else json.dumps(value, indent=2),
        form=form if error else {},
        errors=_errors(error),
    )
    return page, error.status if error else 200


@blueprint.route(f"{ONE}/variables/new", methods=["GET", "POST"], defaults={"set_variable_uuid": None})
@blueprint.route(VARIABLE, methods=["GET", "POST"])
def variable(set_uuid: Any, set_variable_uuid: Any) -> ResponseReturnValue:
    """Add a value to a set, or change one."""
    actor = current_actor()
    require(actor, Permission.TERRAFORM_SET_EDIT)
    found = reads.get_set(actor, str(set_uuid))
    row = None if set_variable_uuid is None else reads.get_set_variable(actor, found, str(set_variable_uuid))
    if request.method == "GET":
        return _variable_page(found, row, None)
    try:
        with audit.savepoint():
            if row is None:
                given = _given(_category(request.form.get("category", "")))
                saved = service_set_variables.add_variable(actor, found.uuid, given)
            else:
                given = _given(row.category)
                given["name"] = row.name
                saved = service_set_variables.change_variable(
                    actor, found.uuid, row.uuid, given, version=typed_version()
                )
    except (InvalidInput, Conflict) as error:
        return _variable_page(found, row, error)
    flash(f"{saved.name} was saved.", "success")
    return redirect(url_for(".variable_set", set_uuid=found.uuid), 303)


@blueprint.post(f"{VARIABLE}/remove")
def variable_remove(set_uuid: Any, set_variable_uuid: Any) -> ResponseReturnValue:
    """Take a value away after a question."""
    actor = current_actor()
    require(actor, Permission.TERRAFORM_SET_EDIT)
    found = reads.get_set(actor, str(set_uuid))
    row = reads.get_set_variable(actor, found, str(set_variable_uuid))
    name, back = row.name, url_for(".variable_set", set_uuid=found.uuid)
    if request.form.get("confirmed") != "1":
        return render_template(
            "confirm.html",
            title=f"Remove {name} from {found.name}?",
            message="Executions of every project that has this set do without it from now on.",
            expected_name=None,
            action=url_for(".variable_remove", set_uuid=found.uuid, set_variable_uuid=row.uuid),
            hidden={},
            action_label="Remove",
            back_url=back,
        )
    service_set_variables.remove_variable(actor, found.uuid, row.uuid)
    flash(f"{name} was removed.", "success")
    return redirect(back, 303)


# --- which projects have it

_ACTS = {
    "attach": (service_variable_sets.attach, "{set} is attached to {project}."),
    "detach": (service_variable_sets.detach, "{set} was detached from {project}."),
    "first": (service_variable_sets.put_first, "The values of {set} count first in {project}."),
}


@blueprint.post("/terraform/<uuid:terraform_uuid>/variable-sets")
def arrange(terraform_uuid: Any) -> ResponseReturnValue:
    """Attach a set to a project, detach it, or put it first; ``back`` says which page to show then."""
    actor, uuid = current_actor(), str(terraform_uuid)
    require(actor, Permission.TERRAFORM_SET_EDIT)
    project = queries.get_project(actor, uuid)
    act, set_uuid = request.form.get("act", ""), request.form.get("set_uuid", "")
    if act not in _ACTS or not set_uuid:
        raise InvalidInput("Choose a variable set, and what to do with it.")
    command, said = _ACTS[act]
    found = reads.get_set(actor, set_uuid)
    try:
        with audit.savepoint():
            command(actor, uuid, set_uuid)
        flash(said.format(set=found.name, project=project.name), "success")
    except (Conflict, NotFound) as error:
        flash(error.message, "error")
    if request.form.get("back") == "set":
        return redirect(url_for(".variable_set", set_uuid=found.uuid), 303)
    return redirect(url_for("terraform_files.variables", terraform_uuid=uuid), 303)


@blueprint.post(f"{ONE}/attach")
def attach(set_uuid: Any) -> ResponseReturnValue:
    """Attach a set to the project that was chosen on its page."""
    actor = current_actor()
    require(actor, Permission.TERRAFORM_SET_EDIT)
    found = reads.get_set(actor, str(set_uuid))
    project = queries.get_project(actor, request.form.get("project_uuid", ""))
    try:
        with audit.savepoint():
            service_variable_sets.attach(actor, project.uuid, found.uuid)
        flash(f"{found.name} is attached to {project.name}.", "success")
    except Conflict as error:
        flash(error.message, "error")
    return redirect(url_for(".variable_set", set_uuid=found.uuid), 303)
