"""REST: one change to many servers."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import RAISE

from app.core.faces import documented
from app.core.flask_app import current_actor
from app.inventory import service_bulk
from app.inventory.schemas import NoQuery
from app.inventory.schemas_bulk import BulkIn, BulkOut, bulk_row, to_change, to_choice
from app.inventory.service_bulk import BulkResult

blueprint = Blueprint("server_bulk_api", __name__, description="One change to many servers")


@blueprint.route("/servers:bulk-edit", methods=["POST"])
@documented(blueprint, 404, 409, 413, 415)
@blueprint.arguments(NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.arguments(BulkIn)
@blueprint.response(200, BulkOut)
def bulk_edit(body: dict[str, Any]) -> dict[str, Any]:
    """Change many servers, all or none; 409 says by host name what was refused."""
    actor = current_actor()
    servers = service_bulk.choose(actor, **to_choice(body))
    if body["dry_run"]:
        results = [BulkResult(server, changed=False) for server in servers]
    else:
        ids = [server.id for server in servers]
        versions = {int(server_id): version for server_id, version in body["versions"].items()}
        results = service_bulk.change_servers(actor, ids, to_change(body), versions=versions)
    return {"count": len(results), "dry_run": body["dry_run"], "servers": [bulk_row(result) for result in results]}
