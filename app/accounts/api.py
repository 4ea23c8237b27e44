"""REST: who a key acts for, and its owner's keys. Keys are made and revoked with a session only."""

from __future__ import annotations

from typing import Any

from flask import g
from flask_smorest import Blueprint

from app.accounts import queries, service
from app.accounts.identity import Identity
from app.accounts.models import ApiKey
from app.accounts.schemas import KeySchema, MeSchema, NewKeySchema, PageSchema
from app.core.faces import documented, paged
from app.core.flask_app import current_actor
from app.core.pagination import paginate
from app.core.permissions import Permission, can

blueprint = Blueprint("accounts_api", __name__, description="You and your keys")
blueprints = (blueprint,)


@blueprint.get("/me")
@documented(blueprint)
@blueprint.response(200, MeSchema)
def me() -> dict[str, Any]:
    """Say whose key this is and what it may do."""
    actor = current_actor()
    found: Identity = g.identity
    return {
        "user": {"id": actor.user_id, "username": actor.label},
        "tenant": {"id": actor.tenant_id, "name": found.tenant_name},
        "role": actor.role.value,
        "scopes": [permission.value for permission in Permission if can(actor, permission)],
        "api_key": {"id": actor.api_key_id, "prefix": actor.api_key_prefix},
    }


@blueprint.get("/api-keys")
@documented(blueprint)
@blueprint.arguments(PageSchema, location="query")
@blueprint.response(200, KeySchema(many=True))
def list_keys(paging: dict[str, Any]) -> Any:
    """List your own keys, newest first."""
    page = paginate(queries.own_keys(current_actor()), ApiKey.id, **paging)
    return paged(page, page.items)


@blueprint.post("/api-keys")
@documented(blueprint, 409, 413, 415)
@blueprint.arguments(NewKeySchema)
@blueprint.response(201, KeySchema)
def create_key(values: dict[str, Any]) -> Any:
    """Refuse: a key cannot make keys."""
    key, _text = service.create_api_key(current_actor(), **values)
    return key


@blueprint.delete("/api-keys/<int:key_id>")
@documented(blueprint, 404)
@blueprint.response(204)
def revoke_key(key_id: int) -> None:
    """Refuse: a key cannot revoke keys."""
    service.revoke_api_key(current_actor(), key_id)
