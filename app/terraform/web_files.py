"""Pages of a project's files and variables: list, editor, upload, revisions; values, secret ones write-only."""

from __future__ import annotations

import json
from typing import Any, cast

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.audit import service as audit
from app.core.errors import AppError, Conflict, InvalidInput
from app.core.flask_app import current_actor
from app.core.permissions import Permission, require
from app.core.runtime import settings
from app.sources.differences import is_text
from app.terraform import (
    configuration_check,
    queries,
    queries_files,
    queries_git,
    queries_variable_sets,
    service_files,
    service_variables,
)
from app.terraform.models_files import TerraformRevision
from app.terraform.schemas_variable_rules import rules_of_form
from app.terraform.service_files import MAX_EDIT_BYTES
from app.terraform.service_variables import VariableInput
from app.terraform.variable_rules import declared_rules, rules_of

blueprint = Blueprint("terraform_files", __name__, template_folder="templates")
PROJECT = "/terraform/<uuid:terraform_uuid>"


def _errors(error: AppError | None) -> dict[str, list[str]]:
    if error is None:
        return {}
    return {name: list(said) for name, said in error.errors.items()} or {"_form": [error.message]}


def _said(error: AppError) -> str:
    return " ".join(text for said in error.errors.values() for text in said) or error.message


@blueprint.get(f"{PROJECT}/files")
def files(terraform_uuid: Any) -> str:
    """List the files in force, and the revisions before."""
    actor = current_actor()
    project = queries.get_project(actor, str(terraform_uuid))
    revision = queries_files.current_revision(actor, project)
    branches = queries_git.list_branches(actor, project)
    number = request.args.get("page", "")
    page = int(number) if number.isascii() and number.isdigit() and 0 < len(number) < 7 and int(number) else 1
    return render_template(
        "terraform/files.html",
        project=project,
        revision=revision,
        files=queries_files.list_files(actor, revision),
        page=queries_files.list_revisions(actor, project, page=page, page_size=20),
        names=queries_files.author_names(actor, project),
        branches=branches,
        branch_names={branch.id: branch.name for branch in branches},
        saved=configuration_check.problem_of_file(actor, revision, request.args.get("saved", "")),
    )


@blueprint.url_value_preprocessor
def _allow_archives(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Raise the limit of the body where archives come in, before anything reads the form."""
    if endpoint == "terraform_files.upload":
        request.max_content_length = settings().archive_max_bytes + 65_536


@blueprint.post(f"{PROJECT}/archive")
def upload(terraform_uuid: Any) -> ResponseReturnValue:
    """Make the files of an archive the files in force."""
    actor, uuid = current_actor(), str(terraform_uuid)
    require(actor, Permission.TERRAFORM_EDIT)
    queries.get_project(actor, uuid)
    sent = request.files.get("file")
    back = redirect(url_for(".files", terraform_uuid=uuid), 303)
    if sent is None or not sent.filename:
        flash("Choose a zip or tar archive first.", "error")
        return back
    try:
        made = service_files.upload_archive(
            actor, uuid, sent.stream.read(), strip_folder="strip_folder" in request.form
        )
        flash(f"{made.file_count} files are in force now.", "success")
    except (InvalidInput, Conflict) as error:
        flash(_said(error), "error")
    return back


@blueprint.route(f"{PROJECT}/edit-file", methods=["GET", "POST"])
def file_edit(terraform_uuid: Any) -> ResponseReturnValue:
    """Edit one file, or write a new one; ``path`` in the address names it."""
    actor = current_actor()
    if request.method == "POST":
        require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, str(terraform_uuid))
    revision = queries_files.current_revision(actor, project)
    path, error = request.args.get("path", ""), None
    if request.method == "POST":
        path = request.form.get("path", "").strip()
        try:
            service_files.save_file(
                actor,
                project.uuid,
                path,
                request.form.get("content", ""),
                base=request.form.get("base") or None,
                note=request.form.get("note", "").strip() or None,
            )
            flash(f"{path} was saved. Plan next, to see what it means.", "success")
            return redirect(url_for(".files", terraform_uuid=project.uuid, saved=path), 303)
        except (InvalidInput, Conflict) as refused:
            error = refused
    text = _text(revision, path) if path and error is None else ""
    page = render_template(
        "terraform/file_form.html",
        project=project,
        revision=revision,
        path=path,
        is_new=not path or (error is not None and not request.args.get("path")),
        text=text,
        form=request.form.to_dict() if error else {},
        errors=_errors(error),
    )
    return page, error.status if error else 200


def _text(revision: TerraformRevision | None, path: str) -> str | None:
    """Return a file's text; None for what no browser can edit."""
    if revision is None:
        raise InvalidInput("This project has no files yet.")
    data = queries_files.read_file(current_actor(), revision, path)
    return data.decode() if is_text(data) and len(data) <= MAX_EDIT_BYTES else None


@blueprint.post(f"{PROJECT}/remove-file")
def file_remove(terraform_uuid: Any) -> ResponseReturnValue:
    """Take one file away after a question."""
    actor, uuid, path = current_actor(), str(terraform_uuid), request.form.get("path", "")
    require(actor, Permission.TERRAFORM_EDIT)
    queries.get_project(actor, uuid)
    back = url_for(".files", terraform_uuid=uuid)
    if request.form.get("confirmed") != "1":
        return render_template(
            "confirm.html",
            title=f"Remove {path[:200]}?",
            message="The revision before keeps it.",
            expected_name=None,
            action=url_for(".file_remove", terraform_uuid=uuid),
            hidden={"path": path},
            action_label="Remove",
            back_url=back,
        )
    try:
        service_files.remove_file(actor, uuid, path)
        flash(f"{path} was removed.", "success")
    except Conflict as error:
        flash(error.message, "error")
    return redirect(back, 303)


@blueprint.post(f"{PROJECT}/revisions/<uuid:revision_uuid>/restore")
def revision_restore(terraform_uuid: Any, revision_uuid: Any) -> ResponseReturnValue:
    """Put an older revision's files in force again."""
    actor, uuid = current_actor(), str(terraform_uuid)
    require(actor, Permission.TERRAFORM_EDIT)
    try:
        made = service_files.restore_revision(actor, uuid, str(revision_uuid))
        flash(f"{made.file_count} files of that revision are in force again.", "success")
    except (Conflict, InvalidInput) as error:
        flash(_said(error), "error")
    return redirect(url_for(".files", terraform_uuid=uuid), 303)


# --- variables


def _given() -> VariableInput:
    form = request.form
    given: dict[str, Any] = {
        "name": form.get("name", "").strip(),
        "description": form.get("description", "").strip() or None,
        "sensitive": "sensitive" in form,
    }
    text = form.get("value", "").replace("\r\n", "\n")
    if text or "keep" not in form:
        given["value"] = text
        if "as_json" in form:
            try:
                given["value"] = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise InvalidInput(value=f"This is not JSON: {error}.") from error
    if "has_rules" in form:
        given["rules"] = rules_of_form(form)
    return cast(VariableInput, given)


@blueprint.route(f"{PROJECT}/variables", methods=["GET", "POST"])
def variables(terraform_uuid: Any) -> ResponseReturnValue:
    """List the values of a project's variables, and add one."""
    actor = current_actor()
    if request.method == "POST":
        require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, str(terraform_uuid))
    error: AppError | None = None
    if request.method == "POST":
        try:
            with audit.savepoint():
                made = service_variables.add_variable(actor, project.uuid, _given())
            flash(f"{made.name} has a value now.", "success")
            return redirect(url_for(".variables", terraform_uuid=project.uuid), 303)
        except (InvalidInput, Conflict) as refused:
            error = refused
    values = queries_variable_sets.project_values(actor, project)
    page = render_template(
        "terraform/variables.html",
        project=project,
        values=values,
        free=queries_variable_sets.sets_to_attach(actor, values.sets),
        form=_kept_form() if error else {},
        errors=_errors(error),
    )
    return page, error.status if error else 200


def _kept_form() -> dict[str, str]:
    """Return what was typed, without a secret value: those are never sent back."""
    return {key: text for key, text in request.form.items() if key != "value" or "sensitive" not in request.form}


@blueprint.route(f"{PROJECT}/variables/<uuid:variable_uuid>", methods=["GET", "POST"])
def variable_edit(terraform_uuid: Any, variable_uuid: Any) -> ResponseReturnValue:
    """Change a value."""
    actor = current_actor()
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, str(terraform_uuid))
    found = service_variables.get_variable(actor, project, str(variable_uuid))
    error: AppError | None = None
    if request.method == "POST":
        typed = request.form.get("version", "")
        version = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 10 else None
        try:
            with audit.savepoint():
                service_variables.change_variable(actor, project.uuid, found.uuid, _given(), version=version)
            flash(f"{found.name} was saved.", "success")
            return redirect(url_for(".variables", terraform_uuid=project.uuid), 303)
        except (InvalidInput, Conflict) as refused:
            error = refused
    value = found.value
    page = render_template(
        "terraform/variable_form.html",
        project=project,
        variable=found,
        rules=rules_of(found),
        declared=declared_rules(found),
        is_json=not isinstance(value, str) and value is not None,
        text=value if isinstance(value, str) else "" if value is None else json.dumps(value, indent=2),
        form=_kept_form() if error else {},
        errors=_errors(error),
    )
    return page, error.status if error else 200


@blueprint.post(f"{PROJECT}/variables/<uuid:variable_uuid>/remove")
def variable_remove(terraform_uuid: Any, variable_uuid: Any) -> ResponseReturnValue:
    """Take a value away after a question."""
    actor, uuid = current_actor(), str(terraform_uuid)
    require(actor, Permission.TERRAFORM_EDIT)
    found = service_variables.get_variable(actor, queries.get_project(actor, uuid), str(variable_uuid))
    back = url_for(".variables", terraform_uuid=uuid)
    if request.form.get("confirmed") != "1":
        return render_template(
            "confirm.html",
            title=f"Remove the value of {found.name}?",
            message="The next plan takes that of a set, or the configuration's own default; without one it is refused.",
            expected_name=None,
            action=url_for(".variable_remove", terraform_uuid=uuid, variable_uuid=found.uuid),
            hidden={},
            action_label="Remove",
            back_url=back,
        )
    name = found.name
    try:
        service_variables.remove_variable(actor, uuid, found.uuid)
        flash(f"{name} has no value here any more.", "success")
    except Conflict as error:
        flash(error.message, "error")
    return redirect(back, 303)
