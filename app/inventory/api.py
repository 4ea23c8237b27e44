"""REST of the inventory: /servers and what belongs to one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar, cast

from flask import url_for
from flask_smorest import Blueprint
from marshmallow import RAISE

from app.core.edit_version import IF_MATCH, etag, seen_version
from app.core.faces import documented
from app.core.flask_app import current_actor
from app.core.pagination import header
from app.inventory import api_bulk, api_credentials, api_facts, queries, service, service_host_keys, service_tests
from app.inventory.draft import ServerInput
from app.inventory.schemas import (
    HostKeyOut,
    HostKeysReplace,
    NoQuery,
    ServerCreate,
    ServerEdit,
    ServerOut,
    ServerQuery,
    host_key_data,
    server_data,
    to_filter,
)

View = TypeVar("View", bound=Callable[..., Any])
Answer = dict[str, Any]

blueprint = Blueprint("inventory_api", __name__, description="Servers, connection tests, host keys")
blueprints = (blueprint, api_bulk.blueprint, api_credentials.blueprint, api_facts.blueprint)


def _no_query() -> Callable[[View], View]:
    """Refuse unknown query parameters where there are none."""
    return cast(Callable[[View], View], blueprint.arguments(NoQuery, location="query", as_kwargs=True, unknown=RAISE))


@blueprint.route("/servers", methods=["GET"])
@documented(blueprint)
@blueprint.arguments(ServerQuery, location="query", unknown=RAISE)  # webargs would drop unknown ones
@blueprint.response(
    200, ServerOut(many=True), headers={"X-Pagination": {"schema": {"type": "string"}, "description": "JSON"}}
)
def list_servers(args: dict[str, Any]) -> tuple[list[Answer], int, dict[str, str]]:
    """List servers, the newest first unless sorted otherwise."""
    page = queries.list_servers(
        current_actor(),
        to_filter(args, args.get("is_active")),
        page=args["page"],
        page_size=args["page_size"],
        after=args.get("after"),
        sort=args.get("sort"),
    )
    return [server_data(row) for row in page.items], 200, {"X-Pagination": json.dumps(header(page))}


@blueprint.route("/servers", methods=["POST"])
@documented(blueprint, 409, 413, 415)
@_no_query()
@blueprint.arguments(
    ServerCreate, example={"hostname": "web-1.example.org", "ip_address": "192.0.2.10", "tags": ["web"]}
)
@blueprint.response(201, ServerOut, headers={"Location": {"schema": {"type": "string"}, "description": "Its address"}})
def create_server(body: dict[str, Any]) -> tuple[Answer, int, dict[str, str]]:
    """Add a server."""
    data = server_data(service.create_server(current_actor(), cast(ServerInput, body)))
    return data, 201, {"Location": url_for("inventory_api.get_server", server_id=data["id"]), **etag(data["version"])}


@blueprint.route("/servers/<int:server_id>", methods=["GET"])
@documented(blueprint, 404)
@_no_query()
@blueprint.response(200, ServerOut)
def get_server(server_id: int) -> tuple[Answer, int, dict[str, str]]:
    """Show one server, active or not."""
    data = server_data(queries.get_server(current_actor(), server_id))
    return data, 200, etag(data["version"])


@blueprint.route("/servers/<int:server_id>", methods=["PATCH"])
@documented(blueprint, 404, 409, 413, 415)
@_no_query()
@blueprint.doc(parameters=[IF_MATCH])
@blueprint.arguments(ServerEdit, example={"environment": "staging", "version": 1})
@blueprint.response(200, ServerOut)
def edit_server(body: dict[str, Any], server_id: int) -> tuple[Answer, int, dict[str, str]]:
    """Change the given fields."""
    version = seen_version(body.pop("version", None))
    server = service.update_server(current_actor(), server_id, cast(ServerInput, body), version=version)
    data = server_data(server)
    return data, 200, etag(data["version"])


@blueprint.route("/servers/<int:server_id>", methods=["DELETE"])
@documented(blueprint, 404, 409)
@_no_query()
@blueprint.doc(parameters=[IF_MATCH])
@blueprint.response(200, ServerOut)
def deactivate_server(server_id: int) -> Answer:
    """Deactivate a server: nothing runs on it any more, its history stays."""
    return server_data(service.deactivate_server(current_actor(), server_id, version=seen_version(None)))


@blueprint.route("/servers/<int:server_id>/reactivate", methods=["POST"])
@documented(blueprint, 404, 409)
@_no_query()
@blueprint.doc(parameters=[IF_MATCH])
@blueprint.response(200, ServerOut)
def reactivate_server(server_id: int) -> Answer:
    """Take a deactivated server back into use."""
    return server_data(service.reactivate_server(current_actor(), server_id, version=seen_version(None)))


@blueprint.route("/servers/<int:server_id>/test", methods=["POST"])
@documented(blueprint, 404, 409)
@_no_query()
@blueprint.response(202, ServerOut)
def test_server(server_id: int) -> Answer:
    """Ask a worker to test the connection; the answer appears under ``test`` of the server."""
    return server_data(service_tests.request_server_test(current_actor(), server_id))


@blueprint.route("/servers/<int:server_id>/host-keys", methods=["GET"])
@documented(blueprint, 404)
@_no_query()
@blueprint.response(200, HostKeyOut(many=True))
def list_host_keys(server_id: int) -> list[Answer]:
    """List the host keys that the server showed (100 at most), the newest first."""
    actor = current_actor()
    queries.get_server(actor, server_id)
    return [host_key_data(key) for key in queries.list_host_keys(actor, server_id)]


@blueprint.route("/servers/<int:server_id>/host-keys/<int:key_id>/accept", methods=["POST"])
@documented(blueprint, 404, 409)
@_no_query()
@blueprint.response(200, HostKeyOut)
def accept_host_key(server_id: int, key_id: int) -> Answer:
    """Trust a host key; an accepted one of the same type is revoked."""
    return host_key_data(service_host_keys.accept_host_key(current_actor(), server_id, key_id))


@blueprint.route("/servers/<int:server_id>/host-keys/<int:key_id>/revoke", methods=["POST"])
@documented(blueprint, 404)
@_no_query()
@blueprint.response(200, HostKeyOut)
def revoke_host_key(server_id: int, key_id: int) -> Answer:
    """Trust a host key no longer."""
    return host_key_data(service_host_keys.revoke_host_key(current_actor(), server_id, key_id))


@blueprint.route("/servers/<int:server_id>/host-keys:replace", methods=["POST"])
@documented(blueprint, 404, 409, 413, 415)
@_no_query()
@blueprint.arguments(HostKeysReplace, example={"key_ids": [12, 13]})
@blueprint.response(200, HostKeyOut(many=True))
def replace_host_keys(body: dict[str, Any], server_id: int) -> list[Answer]:
    """Trust the new keys of a reinstalled server; all earlier ones are revoked."""
    keys = service_host_keys.replace_host_keys(current_actor(), server_id, body["key_ids"])
    return [host_key_data(key) for key in keys]
