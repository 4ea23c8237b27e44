"""REST of server groups: /server-groups, their members, the variables of all servers, a server's variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from flask import url_for
from flask_smorest import Blueprint
from marshmallow import RAISE

from app.core.edit_version import IF_MATCH, etag, seen_version
from app.core.faces import documented, paged
from app.core.flask_app import current_actor
from app.inventory import queries, queries_groups, service_groups
from app.inventory.group_draft import GroupInput
from app.inventory.models_groups import ServerGroup
from app.inventory.schemas import NoQuery, ServerOut, server_data
from app.inventory.schemas_groups import (
    AllEdit,
    AllOut,
    GroupCreate,
    GroupEdit,
    GroupOut,
    GroupQuery,
    MemberChange,
    MemberChanged,
    MemberQuery,
    VariableOut,
    group_data,
)

View = TypeVar("View", bound=Callable[..., Any])
Answer = dict[str, Any]

blueprint = Blueprint("server_groups_api", __name__, description="Server groups: nesting, variables, members")
blueprints = (blueprint,)
PAGED = {"X-Pagination": {"schema": {"type": "string"}, "description": "JSON"}}


def _no_query() -> Callable[[View], View]:
    """Refuse unknown query parameters where there are none."""
    return cast(Callable[[View], View], blueprint.arguments(NoQuery, location="query", as_kwargs=True, unknown=RAISE))


def _shown(group: ServerGroup) -> Answer:
    actor = current_actor()
    nesting = queries_groups.read_nesting(actor.tenant_id)
    return group_data(group, nesting, queries_groups.count_members(actor, [group.id]).get(group.id, 0))


@blueprint.route("/server-groups", methods=["GET"])
@documented(blueprint)
@blueprint.arguments(GroupQuery, location="query", unknown=RAISE)
@blueprint.response(200, GroupOut(many=True), headers=PAGED)
def list_groups(args: dict[str, Any]) -> Any:
    """List groups by name."""
    actor = current_actor()
    page = queries_groups.list_groups(
        actor,
        text=args.get("q"),
        page=args["page"],
        page_size=args["page_size"],
        after=args.get("after"),
        sort=args.get("sort"),
    )
    nesting = queries_groups.read_nesting(actor.tenant_id)
    counts = queries_groups.count_members(actor, [group.id for group in page.items])
    return paged(page, [group_data(group, nesting, counts.get(group.id, 0)) for group in page.items])


@blueprint.route("/server-groups", methods=["POST"])
@documented(blueprint, 404, 409, 413, 415)
@_no_query()
@blueprint.arguments(GroupCreate)
@blueprint.response(201, GroupOut, headers={"Location": {"schema": {"type": "string"}, "description": "Its address"}})
def create_group(body: dict[str, Any]) -> tuple[Answer, int, dict[str, str]]:
    """Add a group."""
    data = _shown(service_groups.create_group(current_actor(), cast(GroupInput, body)))
    where = url_for("server_groups_api.get_group", group_id=data["id"])
    return data, 201, {"Location": where, **etag(data["version"])}


@blueprint.route("/server-groups/all", methods=["GET"])
@documented(blueprint)
@_no_query()
@blueprint.response(200, AllOut)
def get_all() -> tuple[Answer, int, dict[str, str]]:
    """Show the variables of every server (Ansible's group all)."""
    actor = current_actor()
    return _all_data(queries_groups.view_all(actor))


def _all_data(group: ServerGroup | None) -> tuple[Answer, int, dict[str, str]]:
    version = group.version if group else 0
    return {"variables": (group.variables if group else None) or {}, "version": version}, 200, etag(version)


@blueprint.route("/server-groups/all", methods=["PATCH"])
@documented(blueprint, 409, 413, 415)
@_no_query()
@blueprint.doc(parameters=[IF_MATCH])
@blueprint.arguments(AllEdit)
@blueprint.response(200, AllOut)
def edit_all(body: dict[str, Any]) -> tuple[Answer, int, dict[str, str]]:
    """Replace the variables of every server; administrators only."""
    version = seen_version(body.get("version"))
    return _all_data(service_groups.set_all_variables(current_actor(), body["variables"], version=version))


@blueprint.route("/server-groups/<int:group_id>", methods=["GET"])
@documented(blueprint, 404)
@_no_query()
@blueprint.response(200, GroupOut)
def get_group(group_id: int) -> tuple[Answer, int, dict[str, str]]:
    """Show one group."""
    data = _shown(queries_groups.get_group(current_actor(), group_id))
    return data, 200, etag(data["version"])


@blueprint.route("/server-groups/<int:group_id>", methods=["PATCH"])
@documented(blueprint, 404, 409, 413, 415)
@_no_query()
@blueprint.doc(parameters=[IF_MATCH])
@blueprint.arguments(GroupEdit)
@blueprint.response(200, GroupOut)
def edit_group(body: dict[str, Any], group_id: int) -> tuple[Answer, int, dict[str, str]]:
    """Change the given fields; child_ids and parent_ids replace the groups directly inside and around."""
    version = seen_version(body.pop("version", None))
    data = _shown(service_groups.update_group(current_actor(), group_id, cast(GroupInput, body), version=version))
    return data, 200, etag(data["version"])


@blueprint.route("/server-groups/<int:group_id>", methods=["DELETE"])
@documented(blueprint, 404, 409)
@_no_query()
@blueprint.doc(parameters=[IF_MATCH])
@blueprint.response(204)
def delete_group(group_id: int) -> None:
    """Delete a group; its servers and the groups inside it stay."""
    service_groups.delete_group(current_actor(), group_id, version=seen_version())


@blueprint.route("/server-groups/<int:group_id>/members", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(MemberQuery, location="query", unknown=RAISE)
@blueprint.response(200, ServerOut(many=True), headers=PAGED)
def list_members(args: dict[str, Any], group_id: int) -> Any:
    """List the servers of a group by host name."""
    actor = current_actor()
    group = queries_groups.get_group(actor, group_id)
    nested = queries_groups.read_nesting(actor.tenant_id).below([group.id]) if args["nested"] else {group.id}
    page = queries_groups.list_members(
        actor, nested, page=args["page"], page_size=args["page_size"], after=args.get("after")
    )
    return paged(page, [server_data(server) for server in page.items])


@blueprint.route("/server-groups/<int:group_id>/members", methods=["PATCH"])
@documented(blueprint, 404, 413, 415)
@_no_query()
@blueprint.arguments(MemberChange)
@blueprint.response(200, MemberChanged)
def change_members(body: dict[str, Any], group_id: int) -> Answer:
    """Put servers into a group and take others out."""
    added, removed = service_groups.change_members(
        current_actor(),
        group_id,
        add=body.get("add_server_ids", []),
        remove=body.get("remove_server_ids", []),
    )
    return {"added": added, "removed": removed}


@blueprint.route("/servers/<int:server_id>/variables", methods=["GET"])
@documented(blueprint, 404)
@_no_query()
@blueprint.response(200, VariableOut(many=True))
def server_variables(server_id: int) -> list[Answer]:
    """List the variables that a server has in a run, with the group each comes from."""
    actor = current_actor()
    found = queries_groups.effective_variables(actor, queries.get_server(actor, server_id))
    return [
        {"name": name, "value": origin.value, "source": origin.source, "hidden": list(origin.hidden)}
        for name, origin in found.items()
    ]
