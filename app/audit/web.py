"""Pages of the audit log: entries with filters, one entry, what happened to one thing, the state of the chain."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError

from app.audit import queries, service_log, state
from app.audit.entry_rows import entry_rows, thing_label
from app.audit.export_file import export_response
from app.audit.queries import AuditFilter
from app.audit.schemas import AuditQuery, ExportQuery
from app.core.errors import InvalidInput
from app.core.flask_app import current_actor
from app.core.schemas import Schema

blueprint = Blueprint("audit", __name__, template_folder="templates")

# Offered by the filter; the URL takes any word.
ACTIONS = ("CREATE", "UPDATE", "DELETE", "LOGIN", "LOGOUT", "LAUNCH", "CANCEL", "APPROVE", "REVOKE", "REFUSED")
TYPES = (
    "server", "server_group", "host_key", "playbook_project", "playbook", "saved_launch", "launch", "run", "job",
    "ticket", "user", "team", "session", "api_key", "tenant", "audit", "audit_archive",
)  # fmt: skip
DOORS = [("session", "web pages"), ("api_key", "REST API"), ("system", "the platform"), ("cli", "command line")]
OUTCOMES = [("success", "done"), ("refused", "refused"), ("failed", "failed")]
RECENT = 10  # entries that an entity's page shows


def _asked(schema: type[Schema], names: Any) -> dict[str, Any]:
    try:
        asked: dict[str, Any] = schema().load({name: value for name, value in names if value != ""})
    except ValidationError as error:
        raise InvalidInput("These filters cannot be used: correct the address or clear the filters.") from error
    return asked


@blueprint.get("/audit")
def index() -> str:
    """List entries; with resource_type and resource_id the history of one thing."""
    actor = current_actor()
    query = _asked(AuditQuery, request.args.items())
    found = queries.list_entries(actor, **query)
    wanted: AuditFilter = query["wanted"]
    return render_template(
        "audit/index.html",
        page=found.with_items(entry_rows(actor, list(found.items))),
        verification=queries.last_verification(actor),
        walk=queries.open_walk(actor),
        thing=thing_label(actor, wanted.resource_type, wanted.resource_id),
        people=queries.people(actor),
        actions=[(word, word.replace("_", " ").capitalize()) for word in ACTIONS],
        types=[(word, word.replace("_", " ").capitalize()) for word in TYPES],
        doors=DOORS,
        outcomes=OUTCOMES,
        scan_limit=queries.SCAN_LIMIT,
    )


@blueprint.get("/audit/entries/<int:entry_id>")
def entry(entry_id: int) -> str:
    """Show one entry: a link that stays."""
    actor = current_actor()
    found = queries.get_entry(actor, entry_id)
    return render_template("audit/entry.html", e=entry_rows(actor, [found])[0])


@blueprint.get("/audit/history")
def history() -> str:
    """Answer the newest entries about one thing, for its own page."""
    actor = current_actor()
    wanted: AuditFilter = _asked(AuditQuery, request.args.items())["wanted"]
    found = queries.list_entries(actor, wanted, page_size=RECENT)
    return render_template("audit/history.html", rows=entry_rows(actor, list(found.items)))


@blueprint.post("/audit/export")
def export() -> Response:
    """Download the filtered list."""
    return export_response(lambda: _asked(ExportQuery, ((n, v) for n, v in request.form.items() if n != "csrf_token")))


@blueprint.get("/audit/verification")
def verification() -> str:
    """Show the state of the chain: last walk, what is under way, anchor, archives, earlier walks."""
    return render_template("audit/verification.html", state=state.chain_state(current_actor()))


@blueprint.post("/audit/verification")
def verify() -> ResponseReturnValue:
    """Walk the chain now, or have the keeper do it."""
    result = service_log.verify_now(current_actor())
    if result is None:
        flash("The log is long: the keeper verifies it now. This page shows how far it is.", "success")
    else:
        flash(result.message, "success" if result.intact else "error")
    return redirect(url_for(".verification"))
