"""The page on which a saved launch is pressed. ``routes`` adds it to the slice's blueprint."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.accounts.idempotency import once
from app.core.errors import AppError
from app.core.flask_app import current_actor
from app.core.table import new_uuid
from app.jobs import references
from app.playbooks import queries, queries_saved, saved_rights, service_saved_launch
from app.playbooks.declarations import parse_specs
from app.playbooks.form_fields import form_fields
from app.playbooks.models_saved import SavedLaunch
from app.playbooks.plan import Plan, plan_of
from app.playbooks.saved_inputs import asked_variables, selection_from
from app.playbooks.saved_statistics import saved_figures
from app.playbooks.targets import launch_choices
from app.playbooks.web_forms import errors_for_form, from_inputs, typed_values
from app.playbooks.web_saved_form import read_press_form


def saved_press(saved_uuid: Any) -> ResponseReturnValue:
    """Ask for what a saved launch asks for, show what will happen, and launch it."""
    actor = current_actor()
    saved = queries_saved.get_saved(actor, str(saved_uuid))
    saved_rights.require_launch(actor, saved)
    playbook = queries.get_playbook(actor, saved.playbook_id)
    specs = parse_specs(playbook.variable_specs)
    if request.method == "GET":
        return _page(saved, form=None)
    typed = typed_values(specs, request.form)
    try:
        given = read_press_form(playbook, saved.ask, request.form)
        if request.form.get("act") == "preview":
            plan = _plan(saved, given)
            if request.headers.get("HX-Request"):
                return render_template("playbooks/_plan.html", plan=plan)
            return _page(saved, form=typed, plan=plan)

        def start() -> str:
            made = service_saved_launch.launch_saved(
                actor, saved.uuid, given, confirmed_by_name=request.form.get("confirm_name", "")
            )
            return made.uuid

        uuid, _ = once(actor, request.form.get("token") or None, f"press {saved.uuid}", given, "launch", start)
    except AppError as error:
        if error.status not in (404, 409, 422) or error.error == "in_progress":
            raise
        if request.headers.get("HX-Request"):
            return render_template("playbooks/_plan.html", plan_errors=errors_for_form(error))
        return _page(saved, form=typed, errors=errors_for_form(error)), error.status
    return redirect(url_for("jobs.launch", launch_uuid=uuid), 303)


def _plan(saved: SavedLaunch, given: dict[str, Any]) -> Plan:
    actor = current_actor()
    servers = service_saved_launch.servers_of_saved(actor, saved.uuid, given)
    is_check = bool(given.get("check", saved.options.get("check")))
    return plan_of(actor, [server.id for server in servers], is_check)


def _page(saved: SavedLaunch, *, form: dict[str, Any] | None, **more: Any) -> str:
    actor = current_actor()
    playbook = queries.get_playbook(actor, saved.playbook_id)
    asked = set(asked_variables(saved.ask))
    specs = [spec for spec in parse_specs(playbook.variable_specs) if spec.name in asked]
    own, open_choice = selection_from(saved.selection), selection_from(saved.selection).is_empty
    servers: Any = ()
    try:
        servers = (
            launch_choices(actor)["servers"]
            if open_choice and not saved_rights.is_lent(actor)
            else service_saved_launch.servers_of_saved(actor, saved.uuid)
        )
        problem = None
    except AppError as error:
        problem = [error.message, *(text for texts in error.errors.values() for text in texts)][-1]
    if form is None:
        form = from_inputs({**saved.options, "extra_vars": saved.variables}, [])
        form["server_ids"] = [] if open_choice else [str(server.id) for server in servers]
        form["limit"] = ""
    plan = plan_of(actor, [server.id for server in servers], bool(saved.options.get("check"))) if servers else None
    return render_template(
        "playbooks/saved_press.html",
        saved={"uuid": saved.uuid, "name": saved.name, "description": saved.description, "is_active": saved.is_active},
        playbook={"name": playbook.name, "id": playbook.id},
        is_approved=queries.approval_of(actor, playbook) is not None and playbook.is_active,
        ask=saved.ask,
        fields=form_fields(specs, playbook.variables or {}, kept=saved.secret_names or ()),
        references=[] if saved_rights.is_lent(actor) else references.offered(actor),
        servers=servers,
        own=own,
        open_choice=open_choice,
        problem=problem,
        usual_seconds=saved_figures(actor, [saved.uuid])[saved.uuid].usual_seconds,
        token=new_uuid(),
        form=form,
        **{"plan": None if open_choice else plan, **more},
    )


def routes(blueprint: Blueprint) -> None:
    """Add the page to the slice's blueprint."""
    path = "/saved-launches/<uuid:saved_uuid>/launch"
    blueprint.add_url_rule(path, "saved_press", saved_press, methods=["GET", "POST"])
