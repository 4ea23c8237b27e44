"""REST of states that live elsewhere. One is read by an execution of type refresh of its workspace."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask_smorest import Blueprint
from marshmallow import RAISE

from app.core.edit_version import IF_MATCH, etag, seen_version
from app.core.faces import documented
from app.core.flask_app import current_actor
from app.core.schemas import Strict
from app.terraform import queries, queries_elsewhere, service_elsewhere
from app.terraform.schemas import WorkspaceOut, workspace_data
from app.terraform.schemas_elsewhere import StateElsewhereCreate, StateElsewhereEdit, StateElsewhereOut, elsewhere_data

blueprint = Blueprint("terraform_elsewhere_api", __name__, description="Terraform: states that live elsewhere")
blueprints = (blueprint,)
PROJECT = "/terraform/projects/<uuid:terraform_uuid>"
ONE = f"{PROJECT}/workspaces/<workspace>/backend"
Answer = tuple[dict[str, Any], int, dict[str, str]]


class _NoQuery(Strict):
    """No query parameters."""


@blueprint.route(f"{PROJECT}/workspaces", methods=["POST"])
@documented(blueprint, 404, 409, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.arguments(StateElsewhereCreate)
@blueprint.response(
    201, StateElsewhereOut, headers={"Location": {"schema": {"type": "string"}, "description": "Its address"}}
)
def register_state(data: dict[str, Any], terraform_uuid: Any) -> Answer:
    """Register a state that lives elsewhere as a workspace that is only read."""
    head = service_elsewhere.register_state(
        current_actor(),
        str(terraform_uuid),
        data["workspace"],
        data["backend"],
        data["backend_config"],
        read_every_minutes=data["read_every_minutes"],
    )
    where = url_for(".get_elsewhere", terraform_uuid=terraform_uuid, workspace=head.workspace)
    return elsewhere_data(head), 201, {"Location": where, **etag(head.backend_version)}


@blueprint.route(ONE, methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, StateElsewhereOut)
def get_elsewhere(terraform_uuid: Any, workspace: str) -> Answer:
    """Show where a state lives and how the last reading went; secrets by name only."""
    actor = current_actor()
    head = queries_elsewhere.get_elsewhere(actor, queries.get_project(actor, str(terraform_uuid)), workspace)
    return elsewhere_data(head), 200, etag(head.backend_version)


@blueprint.route(ONE, methods=["PATCH"])
@documented(blueprint, 404, 409, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.doc(parameters=[IF_MATCH])
@blueprint.arguments(StateElsewhereEdit)
@blueprint.response(200, StateElsewhereOut)
def change_registration(data: dict[str, Any], terraform_uuid: Any, workspace: str) -> Answer:
    """Change how a state is reached, and how often it is read by itself."""
    head = service_elsewhere.change_registration(
        current_actor(),
        str(terraform_uuid),
        workspace,
        version=seen_version(data.get("version")),
        config=data.get("backend_config"),
        schedule=(data["read_every_minutes"],) if "read_every_minutes" in data else None,
    )
    return elsewhere_data(head), 200, etag(head.backend_version)


@blueprint.route(ONE, methods=["DELETE"])
@documented(blueprint, 404, 409)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(204)
def remove_registration(terraform_uuid: Any, workspace: str) -> None:
    """Let go of a state that lives elsewhere; what was read stays as versions, none of them in force."""
    service_elsewhere.remove_registration(current_actor(), str(terraform_uuid), workspace)


@blueprint.route(f"{ONE}/bring-here", methods=["POST"])
@documented(blueprint, 404, 409)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, WorkspaceOut)
def bring_here(terraform_uuid: Any, workspace: str) -> dict[str, Any]:
    """Make what was read last the platform's own state; from now on it is written here."""
    actor, uuid = current_actor(), str(terraform_uuid)
    service_elsewhere.bring_here(actor, uuid, workspace)
    return workspace_data(queries.get_workspace(actor, queries.get_project(actor, uuid), workspace))
