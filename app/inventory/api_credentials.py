"""REST of servers' passwords: which are set, set or replace one, remove one."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import RAISE

from app.core.faces import documented
from app.core.flask_app import current_actor
from app.inventory import queries, queries_kept, service_credentials
from app.inventory.schemas import NoQuery
from app.inventory.schemas_kept import CredentialOut, PasswordIn, credential_data

blueprint = Blueprint("server_credentials_api", __name__, description="Passwords of servers, write-only")


@blueprint.route("/servers/<int:server_id>/credentials", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, CredentialOut(many=True))
def list_credentials(server_id: int) -> list[dict[str, Any]]:
    """List which passwords of a server are set. The passwords themselves are never shown."""
    actor = current_actor()
    queries.get_server(actor, server_id)
    return [credential_data(row) for row in queries_kept.credentials_of(actor, server_id)]


@blueprint.route("/servers/<int:server_id>/credentials/<string:kind>", methods=["PUT"])
@documented(blueprint, 404, 409, 413, 415)
@blueprint.arguments(NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.arguments(PasswordIn)
@blueprint.response(200, CredentialOut)
def set_credential(body: dict[str, Any], server_id: int, kind: str) -> dict[str, Any]:
    """Set or replace a password: ``connection`` (signing in) or ``become`` (sudo, enable mode)."""
    actor = current_actor()
    row = service_credentials.set_credential(actor, server_id, kind, body["password"])
    return credential_data(row)


@blueprint.route("/servers/<int:server_id>/credentials/<string:kind>", methods=["DELETE"])
@documented(blueprint, 404)
@blueprint.arguments(NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(204)
def remove_credential(server_id: int, kind: str) -> None:
    """Forget a password; one that is not set is fine."""
    service_credentials.remove_credential(current_actor(), server_id, kind)
