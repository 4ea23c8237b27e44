"""REST of the audit log: the list by cursor and the last verification."""

from __future__ import annotations

import json
from typing import Any

from flask_smorest import Blueprint
from marshmallow import RAISE

from app.audit import queries
from app.audit.queries import AuditFilter
from app.audit.schemas import AuditEntrySchema, AuditQuery, VerificationSchema
from app.core.faces import documented
from app.core.flask_app import current_actor
from app.core.pagination import header

blueprint = Blueprint("audit_api", __name__, description="Append-only log of changes and refusals")
blueprints = (blueprint,)


@blueprint.get("/audit-logs")
@documented(blueprint)
@blueprint.arguments(AuditQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, AuditEntrySchema(many=True))
def list_audit_logs(wanted: AuditFilter, page_size: int, after: int | None = None) -> Any:
    """List entries, the newest first.

    By cursor only: send next_after of X-Pagination as after.
    """
    actor = current_actor()
    page = queries.list_entries(actor, wanted, after=after, page_size=page_size)
    names = queries.names_of(actor, [entry.user_id for entry in page.items])
    items = [queries.entry_data(entry, names) for entry in page.items]
    return items, 200, {"X-Pagination": json.dumps(header(page))}


@blueprint.get("/audit-logs/verification")
@documented(blueprint)
@blueprint.response(200, VerificationSchema)
def last_verification() -> Any:
    """Show the result of the last walk along the hash chain."""
    found = queries.last_verification(current_actor())
    return found or dict.fromkeys(VerificationSchema().fields)
