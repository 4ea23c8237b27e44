"""The page that runs one module on some servers."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from app.accounts.idempotency import once
from app.core.errors import AppError
from app.core.flask_app import current_actor
from app.core.permissions import Permission, require
from app.core.table import new_uuid
from app.inventory.for_run import load_launchable
from app.playbooks import adhoc, service_adhoc
from app.playbooks.schemas import to_selection
from app.playbooks.schemas_adhoc import AdhocLaunchSchema, to_adhoc_options
from app.playbooks.targets import launch_choices
from app.playbooks.web_forms import errors_for_form, load, where_and_how

MOST_IN_ADDRESS = 200


def _page(**more: Any) -> str:
    actor = current_actor()
    modules = service_adhoc.allowed_modules(actor)
    choices = launch_choices(actor)
    wanted = [int(text) for text in request.args.getlist("server_ids")[:MOST_IN_ADDRESS] if text.isdigit()]
    offered = {server.id for server in choices["servers"]}
    missing = [server_id for server_id in wanted if server_id not in offered and server_id < 2**31]
    if missing:  # ticked in a list, beyond those that the form offers
        choices["servers"] = [*choices["servers"], *load_launchable(actor, missing)]
    return render_template(
        "playbooks/adhoc.html",
        modules=[(name, adhoc.short_name(name), name in adhoc.READING) for name in modules],
        selected=wanted,
        token=new_uuid(),  # sent back with the form: a double click launches once
        **choices,
        **more,
    )


def _read(form: MultiDict[str, str]) -> dict[str, Any]:
    """Return loaded AdhocLaunchSchema data."""
    data = {**where_and_how(form), "module": form.get("module", ""), "arguments": form.get("arguments", "")}
    return load(AdhocLaunchSchema(), {**data, "become": "become" in form})


def _typed(form: MultiDict[str, str]) -> dict[str, Any]:
    """Return what was typed, for showing the form again."""
    shown: dict[str, Any] = {
        name: form.getlist(name) if name in ("server_ids", "groups", "tags") else form[name] for name in form
    }
    for name in ("check", "diff", "become"):
        shown.setdefault(name, "")
    return shown


def _again(launch_uuid: str) -> dict[str, Any]:
    old = service_adhoc.get_launch(current_actor(), launch_uuid).inputs
    shown = {name: "1" if old.get(name) else "" for name in ("check", "diff", "become")}
    arguments = old.get("arguments") or {}
    return {
        **shown,
        "module": old.get("module"),
        "arguments": json.dumps(arguments) if arguments else "",
        "server_ids": [str(server_id) for server_id in old.get("server_ids") or []],
        "groups": [],
        "tags": [],
        "forks": old.get("forks", 5),
        "verbosity": str(old.get("verbosity", 0)),
        "timeout": old.get("timeout_seconds") or "",
    }


def adhoc_form() -> ResponseReturnValue:
    """Run a module; ``?server_ids=`` and ``?module=`` choose beforehand, ``?again=`` an earlier launch's inputs."""
    actor = current_actor()
    require(actor, Permission.JOB_LAUNCH)
    if request.method == "GET":
        if again := request.args.get("again"):
            return _page(form=_again(again))
        return _page(form={"module": request.args.get("module", "")} if "module" in request.args else {})
    try:
        data = _read(request.form)

        def start() -> str:
            made = service_adhoc.launch_adhoc(
                actor,
                data["module"],
                data["arguments"],
                selection=to_selection(data),
                options=to_adhoc_options(data),
                become=data["become"],
                confirmed_by_name=request.form.get("confirm_name", ""),
            )
            return made.uuid

        uuid, _ = once(actor, request.form.get("token") or None, "adhoc form", data, "launch", start)
    except AppError as error:
        # A twin of this request got there first: what this one began has to be rolled back, so no page is made.
        if error.status not in (404, 409, 422) or error.error == "in_progress":
            raise
        return _page(form=_typed(request.form), errors=errors_for_form(error)), error.status
    return redirect(url_for("jobs.launch", launch_uuid=uuid), 303)


def routes(blueprint: Blueprint) -> None:
    """Add the page."""
    blueprint.add_url_rule("/adhoc", "adhoc", adhoc_form, methods=["GET", "POST"])
