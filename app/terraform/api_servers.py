"""REST of the rules by which resources become servers, and of those servers."""

from __future__ import annotations

from typing import Any, cast

from flask_smorest import Blueprint
from marshmallow import RAISE

from app.core.edit_version import IF_MATCH, etag, seen_version
from app.core.faces import documented, paged
from app.core.flask_app import current_actor
from app.core.schemas import Strict
from app.terraform import queries, queries_servers, service_servers
from app.terraform.schemas_servers import (
    TerraformMadeOut,
    TerraformMadeQuery,
    TerraformRuleCreate,
    TerraformRuleEdit,
    TerraformRuleOut,
    TerraformSync,
    TerraformSyncOut,
    made_data,
    rule_data,
)
from app.terraform.service_servers import RuleInput

blueprint = Blueprint("terraform_servers_api", __name__, description="Terraform: what an apply becomes")
blueprints = (blueprint,)
PAGED = {"X-Pagination": {"schema": {"type": "string"}, "description": "JSON"}}
PROJECT = "/terraform/projects/<uuid:terraform_uuid>"
RULE = f"{PROJECT}/server-rules/<uuid:rule_uuid>"
Answer = tuple[dict[str, Any], int, dict[str, str]]


class _NoQuery(Strict):
    """No query parameters."""


def _given(data: dict[str, Any]) -> RuleInput:
    if data.get("bootstrap_uuid") is not None:
        data["bootstrap_uuid"] = str(data["bootstrap_uuid"])
    return cast(RuleInput, data)


@blueprint.route(f"{PROJECT}/server-rules", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, TerraformRuleOut(many=True))
def list_rules(terraform_uuid: Any) -> list[dict[str, Any]]:
    """List a project's rules by type."""
    actor = current_actor()
    found = queries_servers.list_rules(actor, queries.get_project(actor, str(terraform_uuid)))
    return [rule_data(rule) for rule in found]


@blueprint.route(f"{PROJECT}/server-rules", methods=["POST"])
@documented(blueprint, 404, 409, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.arguments(TerraformRuleCreate)
@blueprint.response(201, TerraformRuleOut)
def create_rule(data: dict[str, Any], terraform_uuid: Any) -> Answer:
    """Have resources of a type become servers."""
    uuid = str(terraform_uuid)
    made = rule_data(service_servers.add_rule(current_actor(), uuid, _given(data)))
    where = f"/api/v1/terraform/projects/{uuid}/server-rules/{made['id']}"
    return made, 201, {"Location": where, **etag(made["version"])}


@blueprint.route(RULE, methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, TerraformRuleOut)
def get_rule(terraform_uuid: Any, rule_uuid: Any) -> Answer:
    """Show one rule."""
    actor = current_actor()
    project = queries.get_project(actor, str(terraform_uuid))
    found = rule_data(queries_servers.get_rule(actor, project, str(rule_uuid)))
    return found, 200, etag(found["version"])


@blueprint.route(RULE, methods=["PATCH"])
@documented(blueprint, 404, 409, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.doc(parameters=[IF_MATCH])
@blueprint.arguments(TerraformRuleEdit)
@blueprint.response(200, TerraformRuleOut)
def edit_rule(data: dict[str, Any], terraform_uuid: Any, rule_uuid: Any) -> Answer:
    """Change the given fields; servers follow with the next apply."""
    version = seen_version(data.pop("version", None))
    found = service_servers.change_rule(
        current_actor(), str(terraform_uuid), str(rule_uuid), _given(data), version=version
    )
    shown = rule_data(found)
    return shown, 200, etag(shown["version"])


@blueprint.route(RULE, methods=["DELETE"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(204)
def remove_rule(terraform_uuid: Any, rule_uuid: Any) -> None:
    """Take a rule away; its servers stay as they are."""
    service_servers.remove_rule(current_actor(), str(terraform_uuid), str(rule_uuid))


@blueprint.route(f"{PROJECT}/servers", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(TerraformMadeQuery, location="query", unknown=RAISE)
@blueprint.response(200, TerraformMadeOut(many=True), headers=PAGED)
def list_made(args: dict[str, Any], terraform_uuid: Any) -> Any:
    """List what resources became, the newest first, with what stands in the way."""
    actor = current_actor()
    page = queries_servers.list_made(actor, queries.get_project(actor, str(terraform_uuid)), **args)
    return paged(page, [made_data(made) for made in page.items])


@blueprint.route(f"{PROJECT}/servers/sync", methods=["POST"])
@documented(blueprint, 404, 409, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.arguments(TerraformSync)
@blueprint.response(200, TerraformSyncOut)
def sync(data: dict[str, Any], terraform_uuid: Any) -> dict[str, int]:
    """Bring a workspace's servers to its newest state now; each apply does so by itself."""
    return service_servers.sync(current_actor(), str(terraform_uuid), data["workspace"])
