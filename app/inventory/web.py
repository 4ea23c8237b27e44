"""Pages of the inventory: list, one server, add, edit, and the buttons on them."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.audit import queries as audit_queries
from app.audit.queries import AuditFilter
from app.core.actor import Actor
from app.core.edit_version import typed_version
from app.core.errors import AppError, Conflict, InvalidInput
from app.core.flask_app import current_actor
from app.core.permissions import Permission, can, require
from app.inventory import (
    forms,
    queries,
    queries_kept,
    service,
    service_host_keys,
    service_tests,
    web_bulk,
    web_credentials,
    web_facts,
    web_list,
)
from app.inventory.connection_test import Trust, trust_of
from app.inventory.failures import Outcome
from app.inventory.models import HostKey, Server
from app.inventory.schemas import test_state

blueprint = Blueprint("inventory", __name__, template_folder="templates")
web_credentials.routes(blueprint)
web_facts.routes(blueprint)
web_list.routes(blueprint)
web_bulk.routes(blueprint)

CHANGES = 20


def _key_rows(actor: Actor, keys: list[HostKey]) -> list[dict[str, Any]]:
    names = audit_queries.names_of(actor, {key.accepted_by for key in keys})
    return [
        {
            "id": key.id,
            "key_type": key.key_type,
            "fingerprint": key.fingerprint,
            "trust": trust_of(key).value,
            "accepted_at": key.accepted_at,
            "accepted_by_name": names.get(key.accepted_by or 0),
            "revoked_at": key.revoked_at,
            "replaces": trust_of(key) is Trust.WAITING
            and any(other.key_type == key.key_type and trust_of(other) is Trust.ACCEPTED for other in keys),
        }
        for key in keys
    ]


def _test_context(actor: Actor, server: Server) -> dict[str, Any]:
    return {
        "server": server,
        "test_state": test_state(server),
        "key_changed": server.last_test_code == Outcome.HOST_KEY_CHANGED.value,
        "host_keys": _key_rows(actor, list(queries.list_host_keys(actor, server.id))),
    }


def _changes(actor: Actor, server: Server) -> list[dict[str, Any]]:
    if not can(actor, Permission.AUDIT_VIEW):
        return []
    wanted = AuditFilter(resource_type="server", resource_id=server.id)
    entries = audit_queries.list_entries(actor, wanted, page_size=CHANGES).items
    names = audit_queries.names_of(actor, {entry.user_id for entry in entries})
    return [
        {
            "at": entry.timestamp,
            "who": names.get(entry.user_id or 0, "the platform"),
            "what": entry.event.replace(":", " ").replace("_", " "),
            "fields": sorted(entry.details) if entry.event == "server:update" and entry.details else [],
        }
        for entry in entries
    ]


@blueprint.get("/servers/<int:server_id>")
def server(server_id: int) -> str:
    """Show one server."""
    actor = current_actor()
    found = queries.get_server(actor, server_id)
    return render_template(
        "inventory/server.html",
        **_test_context(actor, found),
        jump_host_name=queries.name_of(actor, found.jump_host_id),
        key_facts=queries_kept.key_facts(actor, server_id),
        passwords={row.kind: row.set_at for row in queries_kept.credentials_of(actor, server_id)},
        changes=_changes(actor, found),
    )


@blueprint.get("/servers/<int:server_id>/test")
def server_test_state(server_id: int) -> ResponseReturnValue:
    """The part of the page that changes while a test runs; asked for again by htmx until it is done."""
    actor = current_actor()
    found = queries.get_server(actor, server_id)
    if request.headers.get("HX-Request") != "true":
        return redirect(url_for(".server", server_id=server_id))
    return render_template("inventory/_test.html", **_test_context(actor, found))


def _form_page(server: Server | None, error: AppError | None = None) -> ResponseReturnValue:
    actor = current_actor()
    form = request.form.to_dict() if error else {}
    if error and "hostname" in form:
        form.setdefault("become", "")
    errors = {name: list(found) for name, found in error.errors.items()} if error else {}
    if error and not errors:
        errors = {"_form": [error.message]}
    choices = queries.list_jump_host_choices(actor)
    if server is not None and server.jump_host_id and server.jump_host_id not in dict(choices):
        choices.insert(0, (server.jump_host_id, queries.name_of(actor, server.jump_host_id) or "?"))
    page = render_template(
        "inventory/server_form.html",
        server=server,
        form=form,
        errors=errors,
        jump_hosts=choices,
        environments=queries.list_words(actor)["environments"],
    )
    return page, error.status if error else 200


@blueprint.route("/servers/new", methods=["GET", "POST"])
def server_new() -> ResponseReturnValue:
    """Add a server."""
    actor = current_actor()
    require(actor, Permission.SERVER_EDIT)
    if request.method == "GET":
        return _form_page(None)
    try:
        given, _version = forms.read_form(request.form)
        made = service.create_server(actor, given)
    except (InvalidInput, Conflict) as error:
        return _form_page(None, error)
    flash(f"{made.hostname} was added. Test the connection next.", "success")
    return redirect(url_for(".server", server_id=made.id))


@blueprint.route("/servers/<int:server_id>/edit", methods=["GET", "POST"])
def server_edit(server_id: int) -> ResponseReturnValue:
    """Edit a server."""
    actor = current_actor()
    require(actor, Permission.SERVER_EDIT)
    found = queries.get_server(actor, server_id)
    if request.method == "GET":
        return _form_page(found)
    try:
        given, version = forms.read_form(request.form)
        service.update_server(actor, server_id, given, version=version)
    except (InvalidInput, Conflict) as error:
        return _form_page(found, error)
    flash(f"{found.hostname} was saved.", "success")
    return redirect(url_for(".server", server_id=server_id))


@blueprint.post("/servers/<int:server_id>/deactivate")
def server_deactivate(server_id: int) -> ResponseReturnValue:
    """Deactivate a server, after a question that names it; on production its name has to be typed."""
    actor = current_actor()
    require(actor, Permission.SERVER_EDIT)
    found = queries.get_server(actor, server_id)
    reasons = service.list_reasons_to_stay(actor, found) if found.is_active else []
    expected = found.hostname if found.environment == "production" else None
    is_named = expected is None or request.form.get("confirm_name", "").strip() == expected
    if not reasons and not (request.form.get("confirmed") == "1" and is_named):
        return render_template(
            "confirm.html",
            title=f"Deactivate {found.hostname}?",
            message=f"No new job will reach {found.hostname} ({found.ip_address}). Its jobs, tickets and log stay, "
            "and it can be activated again.",
            expected_name=expected,
            action=url_for(".server_deactivate", server_id=server_id),
            hidden={"version": found.version},
            action_label="Deactivate",
            back_url=url_for(".server", server_id=server_id),
        )
    service.deactivate_server(actor, server_id, version=typed_version())
    flash(f"{found.hostname} is inactive now.", "success")
    return redirect(url_for(".server", server_id=server_id))


@blueprint.post("/servers/<int:server_id>/activate")
def server_activate(server_id: int) -> ResponseReturnValue:
    """Take a server back into use."""
    found = service.reactivate_server(current_actor(), server_id, version=typed_version())
    flash(
        f"{found.hostname} is active again. If it was reinstalled, test the connection: its new host keys then stand "
        "beside the old ones.",
        "success",
    )
    return redirect(url_for(".server", server_id=server_id))


@blueprint.post("/servers/<int:server_id>/test")
def server_test(server_id: int) -> ResponseReturnValue:
    """Ask a worker to test the connection."""
    service_tests.request_server_test(current_actor(), server_id)
    return redirect(url_for(".server", server_id=server_id, _anchor="connection"))


@blueprint.post("/servers/<int:server_id>/host-keys/<int:key_id>/accept")
def host_key_accept(server_id: int, key_id: int) -> ResponseReturnValue:
    """Trust a host key, then test the connection with it."""
    actor = current_actor()
    key = service_host_keys.accept_host_key(actor, server_id, key_id)
    service_tests.request_server_test(actor, server_id)
    flash(f"{key.fingerprint} is accepted; the connection is being tested.", "success")
    return redirect(url_for(".server", server_id=server_id, _anchor="connection"))


@blueprint.post("/servers/<int:server_id>/host-keys/replace")
def host_keys_replace(server_id: int) -> ResponseReturnValue:
    """Trust the new keys of a reinstalled server in place of the old ones, then test the connection with them."""
    actor = current_actor()
    ids = [int(text) for text in request.form.getlist("key_ids") if text.isascii() and text.isdigit()]
    keys = service_host_keys.replace_host_keys(actor, server_id, ids)
    service_tests.request_server_test(actor, server_id)
    flash(f"{len(keys)} new keys are accepted, the old ones revoked; the connection is being tested.", "success")
    return redirect(url_for(".server", server_id=server_id, _anchor="connection"))


@blueprint.post("/servers/<int:server_id>/host-keys/<int:key_id>/revoke")
def host_key_revoke(server_id: int, key_id: int) -> ResponseReturnValue:
    """Trust a host key no longer."""
    key = service_host_keys.revoke_host_key(current_actor(), server_id, key_id)
    flash(f"{key.fingerprint} is no longer trusted.", "success")
    return redirect(url_for(".server", server_id=server_id, _anchor="connection"))
