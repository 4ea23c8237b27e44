"""The page of a relaunch with other inputs. ``routes`` adds it to the slice's blueprint."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.accounts.idempotency import once
from app.core.errors import AppError, NotFound
from app.core.flask_app import current_actor
from app.core.permissions import Permission, require
from app.core.table import new_uuid
from app.jobs import references
from app.jobs.input_differences import input_differences
from app.jobs.models import Launch
from app.playbooks import queries, service
from app.playbooks.declarations import VariableType, parse_specs
from app.playbooks.form_fields import form_fields
from app.playbooks.plan import Plan, plan_of
from app.playbooks.schemas import to_options, to_selection
from app.playbooks.statistics import statistics
from app.playbooks.targets import choices_with
from app.playbooks.web_forms import errors_for_form, from_inputs, options_of, read_launch_form, typed_values


def relaunch(launch_uuid: Any) -> ResponseReturnValue:
    """Show an old launch's inputs as a form (``?only=failed``: its failed servers), and launch them changed."""
    actor = current_actor()
    require(actor, Permission.JOB_LAUNCH)
    old = service.get_launch(actor, str(launch_uuid))
    if old.kind != queries.KIND:
        raise NotFound("The form of this launch")
    playbook = queries.get_playbook(actor, old.subject_id)
    specs = parse_specs(playbook.variable_specs)
    if request.method == "GET":
        only = "failed" if request.args.get("only") == "failed" else "all"
        return _page(old, form=from_inputs(old.inputs, service.servers_of_launch(actor, old, only)))
    typed = typed_values(specs, request.form)
    try:
        data = read_launch_form(playbook.id, specs, request.form)
        changes = {**options_of(to_options(data)), "extra_vars": data["extra_vars"]}
        if request.form.get("act") == "preview":
            _, planned = service.prepare_relaunch(actor, old.uuid, changes=changes, selection=to_selection(data))
            found = input_differences(actor.tenant_id, old.inputs, planned.inputs)
            return _answer(old, plan_of(actor, planned.targets, planned.is_check), found, typed)

        def start() -> str:
            made = service.relaunch(
                actor,
                old.uuid,
                changes=changes,
                selection=to_selection(data),
                confirmed_by_name=request.form.get("confirm_name", ""),
            )
            return made.uuid

        uuid, _ = once(actor, request.form.get("token") or None, f"relaunch {old.uuid}", data, "launch", start)
    except AppError as error:
        if error.status not in (404, 409, 422) or error.error == "in_progress":
            raise
        if request.headers.get("HX-Request"):
            return render_template("playbooks/_plan.html", plan_errors=errors_for_form(error))
        return _page(old, form=typed, errors=errors_for_form(error)), error.status
    return redirect(url_for("jobs.launch", launch_uuid=uuid), 303)


def _answer(old: Launch, plan: Plan, differences: list[Any], typed: dict[str, Any]) -> str:
    """Give the plan alone to the script, the whole page to people without one."""
    if request.headers.get("HX-Request"):
        return render_template("playbooks/_plan.html", plan=plan, differences=differences, old_number=old.id)
    return _page(old, form=typed, plan=plan, differences=differences)


def _page(old: Launch, *, form: dict[str, Any], **more: Any) -> str:
    actor = current_actor()
    playbook = queries.get_playbook(actor, old.subject_id)
    specs = parse_specs(playbook.variable_specs)
    secrets = {spec.name for spec in specs if spec.type is VariableType.SECRET}
    kept = secrets & service.secrets_of_launch(old).keys()
    wanted = [int(text) for text in form.get("server_ids") or () if str(text).isdigit()]
    choices, left_out = choices_with(actor, wanted)
    return render_template(
        "playbooks/relaunch.html",
        old={"uuid": old.uuid, "number": old.id, "status": old.status.value},
        playbook={"name": playbook.name, "id": playbook.id, "is_active": playbook.is_active},
        is_approved=queries.approval_of(actor, playbook) is not None,
        content_changed=playbook.manifest_hash != old.inputs.get("manifest_hash"),
        left_out=left_out,
        fields=form_fields(specs, playbook.variables or {}, kept=kept),
        references=references.offered(actor),
        usual_seconds=statistics(actor, playbook).usual_seconds,
        selected=[],
        token=new_uuid(),
        form=form,
        **choices,
        **more,
    )


def routes(blueprint: Blueprint) -> None:
    """Add the page to the slice's blueprint."""
    path = "/launches/<uuid:launch_uuid>/relaunch/edit"
    blueprint.add_url_rule(path, "relaunch", relaunch, methods=["GET", "POST"])
