"""Pages of providers: each instance with what the files say of it, and what people set for it."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.core.edit_version import typed_version
from app.core.errors import AppError, Conflict, InvalidInput
from app.core.flask_app import current_actor
from app.core.permissions import Permission, require
from app.terraform import queries, queries_provider_settings, service_provider_settings
from app.terraform.provider_credentials import names_of, why_none

blueprint = Blueprint("terraform_provider_settings", __name__, template_folder="templates")
PROJECT = "/terraform/<uuid:terraform_uuid>"


@blueprint.get(f"{PROJECT}/providers")
def providers(terraform_uuid: Any) -> str:
    """List the instances of providers: declared by the files, with settings, or both."""
    actor = current_actor()
    project = queries.get_project(actor, str(terraform_uuid))
    instances = queries_provider_settings.list_instances(actor, project)
    return render_template("terraform/providers.html", project=project, instances=instances, form={}, errors={})


def _configuration() -> dict[str, Any]:
    text = request.form.get("configuration", "").strip()
    if not text:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidInput(configuration='This is no JSON. Write an object such as {"max_retries": 5}.') from None
    if not isinstance(found, dict):
        raise InvalidInput(configuration='Write a JSON object such as {"max_retries": 5}.')
    return found


def _credentials(names: tuple[str, ...]) -> dict[str, str | None]:
    """Return what was typed; an empty field keeps what is stored, the box takes it away."""
    if "forget" in request.form:
        return dict.fromkeys(names)
    typed = {name: request.form.get(f"credential_{name}", "").strip() for name in names}
    return {name: text for name, text in typed.items() if text}


@blueprint.route(f"{PROJECT}/provider-settings", methods=["GET", "POST"])
def settings(terraform_uuid: Any) -> ResponseReturnValue:
    """Set region, arguments and credentials of the instance that the address names; without one, back to the list."""
    actor = current_actor()
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, str(terraform_uuid))
    instance = request.args.get("instance", "").strip()
    if not instance:
        return redirect(url_for(".providers", terraform_uuid=project.uuid), 303)
    name, _, alias = instance.partition(".")
    names = names_of(name, alias)
    error: AppError | None = None
    if request.method == "POST":
        try:
            service_provider_settings.set_provider(
                actor,
                project.uuid,
                instance,
                region=request.form.get("region", ""),
                configuration=_configuration(),
                credentials=_credentials(names),
                version=typed_version(),
            )
            flash(f"The settings of {instance} hold from the next plan on. Plans that waited are void.", "success")
            return redirect(url_for(".providers", terraform_uuid=project.uuid), 303)
        except (InvalidInput, Conflict) as refused:
            error = refused
    errors = {key: list(said) for key, said in error.errors.items()} if error else {}
    if error and not errors:
        errors = {"_form": [error.message]}
    row = queries_provider_settings.find_settings(actor, project, name, alias)
    page = render_template(
        "terraform/provider_form.html",
        project=project,
        instance=instance,
        row=row,
        names=names,
        why_none="" if names else why_none(name, alias),
        configuration=json.dumps(row.configuration, indent=2, ensure_ascii=False) if row and row.configuration else "",
        form={key: text for key, text in request.form.items() if not key.startswith("credential_")} if error else {},
        errors=errors,
    )
    return page, error.status if error else 200


@blueprint.post(f"{PROJECT}/provider-settings/remove")
def remove(terraform_uuid: Any) -> ResponseReturnValue:
    """Take the settings of an instance away after a question."""
    actor, uuid, instance = current_actor(), str(terraform_uuid), request.form.get("instance", "")
    require(actor, Permission.TERRAFORM_EDIT)
    queries.get_project(actor, uuid)
    back = url_for(".providers", terraform_uuid=uuid)
    if request.form.get("confirmed") != "1":
        return render_template(
            "confirm.html",
            title=f"Remove the settings of {instance[:401]}?",
            message="Its credentials are gone with them, and what the files say holds. Plans that wait become void.",
            expected_name=None,
            action=url_for(".remove", terraform_uuid=uuid),
            hidden={"instance": instance},
            action_label="Remove",
            back_url=back,
        )
    service_provider_settings.remove_provider(actor, uuid, instance)
    flash(f"The settings of {instance} were removed.", "success")
    return redirect(back, 303)
