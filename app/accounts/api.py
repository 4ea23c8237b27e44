"""REST: who a key acts for, and its owner's keys. Keys are made and revoked with a session only."""

from __future__ import annotations

from typing import Any

from flask import g
from flask_smorest import Blueprint

from app.accounts import api_teams, api_tenants, api_users, queries, queries_users, service, service_profile
from app.accounts.identity import Identity
from app.accounts.schemas import KeyQuery, KeySchema, MeEdit, MeSchema, NewKeySchema
from app.core.faces import documented, paged
from app.core.flask_app import current_actor
from app.core.permissions import Permission, can

blueprint = Blueprint("accounts_api", __name__, description="You and your keys")
blueprints = (blueprint, api_users.blueprint, api_teams.blueprint, api_tenants.blueprint)


@blueprint.get("/me")
@documented(blueprint)
@blueprint.response(200, MeSchema)
def me() -> dict[str, Any]:
    """Say whose key this is and what it may do."""
    return _me()


def _me() -> dict[str, Any]:
    actor = current_actor()
    found: Identity = g.identity
    user = queries.own_user(actor)
    shown = {name: getattr(user, name) for name in ("id", "username", "first_name", "last_name", "version")}
    return {
        "user": shown,
        "tenant": {"id": actor.tenant_id, "name": found.tenant_name},
        "role": actor.role.value,
        "scopes": [permission.value for permission in Permission if can(actor, permission)],
        "api_key": {"id": actor.api_key_id, "prefix": actor.api_key_prefix},
    }


@blueprint.patch("/me")
@documented(blueprint, 409, 413, 415)
@blueprint.arguments(MeEdit, example={"first_name": "Ada", "last_name": "Lovelace", "version": 1})
@blueprint.response(200, MeSchema)
def edit_me(values: dict[str, Any]) -> dict[str, Any]:
    """Set your own first and last name; what is left out stays. Address and password ask for a session."""
    actor = current_actor()
    user = queries.own_user(actor)
    service_profile.edit_own_names(
        actor,
        first_name=values.get("first_name", user.first_name),
        last_name=values.get("last_name", user.last_name),
        version=values.get("version"),
    )
    return _me()


@blueprint.get("/api-keys")
@documented(blueprint)
@blueprint.arguments(KeyQuery, location="query")
@blueprint.response(200, KeySchema(many=True))
def list_keys(query: dict[str, Any]) -> Any:
    """List API keys, the newest first: your own, or for administrators another person's or all."""
    actor = current_actor()
    own = actor.user_id if query.pop("whose") == "own" else None
    page = queries_users.list_keys(actor, user_id=query.pop("user_id", own), **query)
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
