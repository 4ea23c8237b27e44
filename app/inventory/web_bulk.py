"""The page that changes many servers: what it means by name and number first, then all or none."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError

from app.audit import service as audit
from app.core.errors import AppError, InvalidInput
from app.core.flask_app import current_actor
from app.core.permissions import Permission, require
from app.inventory import queries, service_bulk
from app.inventory.forms import first_sentence
from app.inventory.schemas_bulk import BulkIn, to_change
from app.inventory.web_list import read_query

CLEAR = "-"  # typed into a field: take away what is there
PRODUCTION = "production"


def _numbers(texts: list[str]) -> list[int]:
    return [int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 10]


def _read_form() -> dict[str, Any]:
    """Return loaded BulkIn data. Raises InvalidInput by field; empty fields change nothing."""
    form = request.form
    given: dict[str, Any] = {"server_ids": _numbers(form.getlist("server_ids")), "test": "test" in form}
    pairs = [text.partition(":") for text in form.getlist("versions")]
    given["versions"] = {one: int(two) for one, _, two in pairs if one.isdigit() and two.isdigit()}
    for name in ("add_tags", "remove_tags"):
        given[name] = [tag.strip() for tag in form.get(name, "").split(",") if tag.strip()]
    for name in ("environment", "ssh_user", "python_interpreter"):
        if text := form.get(name, "").strip():
            given[name] = None if text == CLEAR and name != "ssh_user" else text
    for name in ("ssh_port", "jump_host_id"):
        if text := form.get(name, "").strip():
            if text != CLEAR and not (text.isascii() and text.isdigit() and len(text) < 10):
                raise InvalidInput(**{name: "Give a whole number."})
            given[name] = None if text == CLEAR else int(text)
    if form.get("is_active") in ("0", "1"):
        given["is_active"] = form["is_active"] == "1"
    try:
        loaded: dict[str, Any] = BulkIn().load(given)
    except ValidationError as error:
        messages: Any = error.messages
        raise InvalidInput(**{str(name): first_sentence(found) for name, found in messages.items()}) from error
    return loaded


def _page(server_ids: list[int], error: AppError | None = None) -> ResponseReturnValue:
    actor = current_actor()
    if server_ids:
        servers = service_bulk.choose(actor, server_ids=server_ids)
    else:
        servers = service_bulk.choose(actor, wanted=read_query("all", "page", "page_size", "after", "sort")[1])
    refused = error.errors if error is not None and error.error == "bulk_refused" else {}
    errors = {} if error is None else {"_form": [error.message]} if refused or not error.errors else error.errors
    page = render_template(
        "inventory/bulk.html",
        servers=servers,
        production=[server.hostname for server in servers if server.environment == PRODUCTION],
        refused=refused,
        errors=errors,
        form=request.form.to_dict() if error is not None else {},
        jump_hosts=queries.list_jump_host_choices(actor),
        environments=queries.list_words(actor)["environments"],
    )
    return page, error.status if error else 200


def servers_bulk() -> ResponseReturnValue:
    """Change the ticked servers (``?server_ids=``), or all that the filters of the address mean (``?all=1``)."""
    actor = current_actor()
    require(actor, Permission.SERVER_EDIT)
    if request.method == "GET":
        ids = _numbers(request.args.getlist("server_ids"))
        if not ids and request.args.get("all") != "1":
            flash("Tick the servers first, then choose what to do with them.", "warning")
            return redirect(url_for("inventory.servers"))
        return _page(ids)
    ids = _numbers(request.form.getlist("server_ids"))
    try:
        data = _read_form()
        _confirm_production(ids, data)
        with audit.savepoint():  # a refused form leaves nothing half done although it is shown again
            results = service_bulk.change_servers(
                actor, ids, to_change(data), versions={int(one): two for one, two in data["versions"].items()}
            )
    except AppError as error:
        if error.status not in (409, 422) or not ids:
            raise
        return _page(ids, error)
    changed = sum(result.changed for result in results)
    said = f"{changed} of {len(results)} servers were changed" + (
        "." if changed == len(results) else "; others were so."
    )
    flash(f"{len(results)} connections are being tested. {said}" if data["test"] else said, "success")
    return redirect(url_for("inventory.servers"), 303)


def _confirm_production(ids: list[int], data: dict[str, Any]) -> None:
    if data.get("is_active") is not False:
        return
    servers = service_bulk.choose(current_actor(), server_ids=ids)
    hit = [server.hostname for server in servers if server.environment == PRODUCTION]
    if hit and request.form.get("confirm_name", "").strip() != PRODUCTION:
        raise InvalidInput(confirm_name=f"{', '.join(hit[:3])} would be deactivated. Type production to go on.")


def routes(blueprint: Blueprint) -> None:
    """Add the page."""
    blueprint.add_url_rule("/servers/bulk", "servers_bulk", servers_bulk, methods=["GET", "POST"])
