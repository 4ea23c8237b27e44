"""REST of the audit log: entries by cursor, one entry, the filtered list as a file, the state of the chain."""

from __future__ import annotations

from typing import Any

from flask import Response
from flask_smorest import Blueprint
from marshmallow import RAISE

from app.audit import queries, service_log, state
from app.audit.export_file import export_response
from app.audit.queries import AuditFilter
from app.audit.schemas import AuditEntrySchema, AuditQuery, ExportQuery, VerificationSchema
from app.core.faces import documented, paged
from app.core.flask_app import current_actor

blueprint = Blueprint("audit_api", __name__, description="Append-only log of changes and refusals")
blueprints = (blueprint,)


@blueprint.get("/audit-logs")
@documented(blueprint)
@blueprint.arguments(AuditQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, AuditEntrySchema(many=True))
def list_audit_logs(wanted: AuditFilter, page_size: int, after: int | None = None) -> Any:
    """List entries, the newest first.

    By cursor only: send next_after of X-Pagination as after. With conditions that no index holds (outcome, via,
    ip_address, resource_uuid, q) a page looks at 50,000 entries and may be short, or empty, although next_after
    goes on.
    """
    actor = current_actor()
    page = queries.list_entries(actor, wanted, after=after, page_size=page_size)
    names = queries.names_of(actor, [entry.user_id for entry in page.items])
    return paged(page, [queries.entry_data(entry, names) for entry in page.items])


@blueprint.get("/audit-logs/<int:entry_id>")
@documented(blueprint, 404)
@blueprint.response(200, AuditEntrySchema)
def get_audit_log(entry_id: int) -> Any:
    """Show one entry. Archived ones are in their files."""
    actor = current_actor()
    entry = queries.get_entry(actor, entry_id)
    return queries.entry_data(entry, queries.names_of(actor, [entry.user_id]))


@blueprint.post("/audit-logs/export")
@documented(blueprint)
@blueprint.arguments(ExportQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, {"type": "string"}, content_type="text/csv")
@blueprint.doc(responses={200: {"content": {"application/jsonl": {"schema": {"type": "string"}}}}})
def export_audit_logs(wanted: AuditFilter, form: str) -> Response:
    """Download all entries of a filter as CSV or JSON lines, the newest first.

    Leaves an entry itself, and is a POST for that. Cells that a spreadsheet would take for a formula begin with '.
    """
    return export_response(lambda: {"wanted": wanted, "form": form})


@blueprint.get("/audit-logs/verification")
@documented(blueprint)
@blueprint.response(200, VerificationSchema)
def last_verification() -> Any:
    """Show the result of the last walk along the hash chain, what is under way, anchored and archived."""
    return _state()


@blueprint.post("/audit-logs/verification")
@documented(blueprint, 409)
@blueprint.response(200, VerificationSchema)
def verify() -> Any:
    """Walk along the chain now.

    A chain of more than 20,000 entries is walked by the keeper: the answer says how far it is in running.
    """
    service_log.verify_now(current_actor())
    return _state()


def _state() -> dict[str, Any]:
    return {**dict.fromkeys(VerificationSchema().fields), **state.chain_state(current_actor())}
