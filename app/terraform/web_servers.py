"""Pages of what an apply becomes: rules per type, and the servers made by them."""

from __future__ import annotations

from typing import Any, cast

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.core.errors import AppError, Conflict, InvalidInput
from app.core.flask_app import current_actor
from app.core.permissions import Permission, require
from app.jobs import launchers
from app.terraform import queries, queries_servers, service_servers
from app.terraform.service_servers import RuleInput

blueprint = Blueprint("terraform_servers", __name__, template_folder="templates")
PROJECT = "/terraform/<uuid:terraform_uuid>"


def _errors(error: AppError | None) -> dict[str, list[str]]:
    if error is None:
        return {}
    return {name: list(said) for name, said in error.errors.items()} or {"_form": [error.message]}


@blueprint.get(f"{PROJECT}/servers")
def servers(terraform_uuid: Any) -> str:
    """Show the rules, and the servers that resources became."""
    actor = current_actor()
    project = queries.get_project(actor, str(terraform_uuid))
    number = request.args.get("page", "")
    page = int(number) if number.isascii() and number.isdigit() and 0 < len(number) < 7 and int(number) else 1
    return render_template(
        "terraform/servers.html",
        project=project,
        rules=queries_servers.list_rules(actor, project),
        page=queries_servers.list_made(actor, project, page=page),
        saved=launchers.titles[launchers.SAVED](actor),
        workspaces=[found.state.workspace for found in queries.list_workspaces(actor, project)],
    )


def _given() -> RuleInput:
    form = request.form
    given: dict[str, Any] = {name: form.get(name, "").strip() for name in service_servers.TEXTS}
    given |= {
        "resource_type": form.get("resource_type", "").strip(),
        "ssh_key_path": form.get("ssh_key_path", "").strip() or None,
        "python_interpreter": form.get("python_interpreter", "").strip() or None,
        "tags": [tag.strip() for tag in form.get("tags", "").split(",") if tag.strip()],
        "become": "become" in form,
        "trusts_first_key": "trusts_first_key" in form,
        "bootstrap_uuid": form.get("bootstrap_uuid") or None,
    }
    return cast(RuleInput, given)


@blueprint.route(f"{PROJECT}/server-rules/new", methods=["GET", "POST"], defaults={"rule_uuid": None})
@blueprint.route(f"{PROJECT}/server-rules/<uuid:rule_uuid>", methods=["GET", "POST"])
def rule(terraform_uuid: Any, rule_uuid: Any) -> ResponseReturnValue:
    """Add or change a rule."""
    actor = current_actor()
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, str(terraform_uuid))
    found = None if rule_uuid is None else queries_servers.get_rule(actor, project, str(rule_uuid))
    error: AppError | None = None
    if request.method == "POST":
        typed = request.form.get("version", "")
        version = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 10 else None
        try:
            if found is None:
                service_servers.add_rule(actor, project.uuid, _given())
            else:
                service_servers.change_rule(actor, project.uuid, found.uuid, _given(), version=version)
            flash("The rule holds from the next apply on; or bring the servers up to date now.", "success")
            return redirect(url_for(".servers", terraform_uuid=project.uuid), 303)
        except (InvalidInput, Conflict) as refused:
            error = refused
    page = render_template(
        "terraform/rule_form.html",
        project=project,
        rule=found,
        saved=launchers.titles[launchers.SAVED](actor),
        form=request.form.to_dict() if error else {},
        errors=_errors(error),
    )
    return page, error.status if error else 200


@blueprint.post(f"{PROJECT}/server-rules/<uuid:rule_uuid>/remove")
def rule_remove(terraform_uuid: Any, rule_uuid: Any) -> ResponseReturnValue:
    """Take a rule away after a question."""
    actor, uuid = current_actor(), str(terraform_uuid)
    require(actor, Permission.TERRAFORM_EDIT)
    found = queries_servers.get_rule(actor, queries.get_project(actor, uuid), str(rule_uuid))
    back = url_for(".servers", terraform_uuid=uuid)
    if request.form.get("confirmed") != "1":
        return render_template(
            "confirm.html",
            title=f"Remove the rule for {found.resource_type}?",
            message="Its servers stay as they are, and no apply changes them any more.",
            expected_name=None,
            action=url_for(".rule_remove", terraform_uuid=uuid, rule_uuid=found.uuid),
            hidden={},
            action_label="Remove",
            back_url=back,
        )
    service_servers.remove_rule(actor, uuid, found.uuid)
    flash("The rule was removed.", "success")
    return redirect(back, 303)


@blueprint.post(f"{PROJECT}/servers/sync")
def sync(terraform_uuid: Any) -> ResponseReturnValue:
    """Bring the servers of a workspace up to date now."""
    actor, uuid = current_actor(), str(terraform_uuid)
    require(actor, Permission.TERRAFORM_EDIT)
    try:
        done = service_servers.sync(actor, uuid, request.form.get("workspace", "").strip())
        flash(f"Made {done['made']}, changed {done['changed']}, taken out of use {done['left']}.", "success")
        if done["problems"]:
            flash(f"{done['problems']} could not be brought up to date; the list says why.", "error")
    except (InvalidInput, Conflict) as error:
        flash(" ".join(text for said in error.errors.values() for text in said) or error.message, "error")
    return redirect(url_for(".servers", terraform_uuid=uuid), 303)
