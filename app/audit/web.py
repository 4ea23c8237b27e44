"""The audit page: entries with filters, the state of the chain, and a button that checks it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError

from app.audit import queries, service
from app.audit.models import AuditEntry
from app.audit.schemas import AuditQuery
from app.core.actor import Actor
from app.core.errors import InvalidInput
from app.core.flask_app import current_actor

blueprint = Blueprint("audit", __name__, template_folder="templates")

# Offered by the filter; the URL takes any word.
ACTIONS = ("CREATE", "UPDATE", "DELETE", "LOGIN", "LOGOUT", "LAUNCH", "CANCEL", "APPROVE", "REVOKE", "REFUSED")
TYPES = ("server", "host_key", "playbook_project", "playbook", "launch", "run", "job", "ticket", "user", "session",
         "api_key", "tenant", "audit")  # fmt: skip


@blueprint.get("/audit")
def index() -> str:
    """List entries."""
    actor = current_actor()
    try:
        query = AuditQuery().load({name: value for name, value in request.args.items() if value != ""})
    except ValidationError as error:
        raise InvalidInput("These filters cannot be used: correct the address or clear the filters.") from error
    found = queries.list_entries(actor, **query)
    return render_template(
        "audit/index.html",
        page=found.with_items(_rows(actor, list(found.items))),
        verification=queries.last_verification(actor),
        people=queries.people(actor),
        actions=[(word, word.replace("_", " ").capitalize()) for word in ACTIONS],
        types=[(word, word.replace("_", " ").capitalize()) for word in TYPES],
    )


@blueprint.post("/audit/verification")
def verify() -> ResponseReturnValue:
    """Walk the chain now."""
    result = service.verify_now(current_actor())
    flash(result.message, "success" if result.intact else "error")
    return redirect(url_for(".index"))


def _rows(actor: Actor, entries: list[AuditEntry]) -> list[dict[str, Any]]:
    names = queries.names_of(actor, [entry.user_id for entry in entries])
    return [_row(entry, names) for entry in entries]


def _row(entry: AuditEntry, names: dict[int, str]) -> dict[str, Any]:
    if entry.user_id is None:
        who = "system" if entry.via == "system" else "nobody signed in"
    else:
        who = names.get(entry.user_id, f"user {entry.user_id}")
    label, url = entry.resource_type.replace("_", " "), None
    if entry.resource_id is not None:
        label = f"{label} {entry.resource_id}"
        url = url_for(".index", resource_type=entry.resource_type, resource_id=entry.resource_id)
    return {**queries.entry_data(entry, names), "who": who, "resource_label": label, "resource_url": url}
