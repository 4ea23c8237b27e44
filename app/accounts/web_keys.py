"""The page of all keys of a tenant, for administrators."""

from __future__ import annotations

from typing import Any

from flask import Response, render_template, request
from flask.typing import ResponseReturnValue

from app.accounts import queries_users
from app.accounts.models import ApiKey
from app.accounts.schemas import KeyQuery
from app.accounts.web_blueprint import blueprint, read_filters
from app.audit import queries as audit_queries
from app.core.actor import Actor
from app.core.flask_app import current_actor
from app.core.listing_export import PAGE_SIZE, export_format, export_rows
from app.core.permissions import Permission, require

COLUMNS = ("id", "owner", "name", "prefix", "scopes", "is_active", "expires_at", "last_used", "created_at")


def _query(actor: Actor) -> dict[str, Any]:
    require(actor, Permission.USER_VIEW)
    query = read_filters(KeyQuery(), active="1")
    query.pop("whose")
    return query


def _rows(actor: Actor, keys: Any) -> list[dict[str, Any]]:
    found: list[ApiKey] = list(keys)
    owners = audit_queries.names_of(actor, {key.user_id for key in found})
    names = ("id", "user_id", "name", "prefix", "scopes", "is_active", "expires_at", "last_used", "created_at")
    return [
        {**{name: getattr(key, name) for name in names}, "owner": owners.get(key.user_id, f"user {key.user_id}")}
        for key in found
    ]


@blueprint.get("/keys")
def keys() -> ResponseReturnValue:
    """List the keys of the tenant."""
    actor = current_actor()
    page = queries_users.list_keys(actor, **_query(actor))
    return render_template("accounts/keys.html", page=page.with_items(_rows(actor, page.items)))


@blueprint.get("/keys/export")
def keys_export() -> Response:
    """Download the list with the filters of the address."""
    actor = current_actor()
    query = _query(actor)
    for name in ("page", "page_size", "after"):
        query.pop(name, None)
    return export_rows(
        lambda after: queries_users.list_keys(actor, **query, page_size=PAGE_SIZE, after=after),
        lambda rows: _rows(actor, rows),
        COLUMNS,
        name="keys",
        form=export_format(request.args.get("format")),
    )
