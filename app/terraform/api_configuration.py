"""REST of what a project's files declare: resources, modules, providers, outputs, dependencies."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import RAISE

from app.core.faces import documented, paged
from app.core.flask_app import current_actor
from app.core.schemas import Strict
from app.terraform import queries, queries_configuration, service_files
from app.terraform.schemas_configuration import (
    TerraformConfigurationPaging,
    TerraformDependencyOut,
    TerraformModuleOut,
    TerraformOutputOut,
    TerraformOutputQuery,
    TerraformProviderOut,
    TerraformResourceDetailOut,
    TerraformResourceOut,
    TerraformResourceQuery,
    dependency_data,
    module_data,
    output_data,
    provider_data,
    resource_data,
    resource_detail,
)
from app.terraform.schemas_executions import TerraformRevisionOut, revision_data

blueprint = Blueprint("terraform_configuration_api", __name__, description="Terraform: what a project's files declare")
blueprints = (blueprint,)
PAGED = {"X-Pagination": {"schema": {"type": "string"}, "description": "JSON"}}
PROJECT = "/terraform/projects/<uuid:terraform_uuid>"


class _NoQuery(Strict):
    """No query parameters."""


@blueprint.route(f"{PROJECT}/read-again", methods=["POST"])
@documented(blueprint, 404, 409)
@blueprint.response(202, TerraformRevisionOut)
def read_again(terraform_uuid: Any) -> dict[str, Any]:
    """Have what the files declare read anew, e.g. after readings were given up; ``read_at`` says when it is done."""
    return revision_data(service_files.read_again(current_actor(), str(terraform_uuid)))


@blueprint.route(f"{PROJECT}/resources", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(TerraformResourceQuery, location="query", unknown=RAISE)
@blueprint.response(200, TerraformResourceOut(many=True), headers=PAGED)
def list_resources(args: dict[str, Any], terraform_uuid: Any) -> Any:
    """List resources and data sources by address."""
    actor = current_actor()
    project = queries.get_project(actor, str(terraform_uuid))
    page = queries_configuration.list_resources(actor, project, text=args.pop("q", None), **args)
    modules = queries_configuration.module_addresses(actor, project, [row.module_id for row in page.items])
    return paged(page, [resource_data(row, modules) for row in page.items])


@blueprint.route(f"{PROJECT}/resources/<uuid:resource_uuid>", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, TerraformResourceDetailOut)
def get_resource(terraform_uuid: Any, resource_uuid: Any) -> dict[str, Any]:
    """Show one resource: its arguments, and its dependencies both ways."""
    actor = current_actor()
    project = queries.get_project(actor, str(terraform_uuid))
    row = queries_configuration.get_resource(actor, project, str(resource_uuid))
    return resource_detail(
        row,
        queries_configuration.module_addresses(actor, project, [row.module_id]),
        queries_configuration.provider_of(actor, row),
        queries_configuration.needs_of(actor, row),
        queries_configuration.needed_by(actor, row),
    )


@blueprint.route(f"{PROJECT}/modules", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, TerraformModuleOut(many=True))
def list_modules(terraform_uuid: Any) -> list[dict[str, Any]]:
    """List the module calls by address."""
    actor = current_actor()
    rows = queries_configuration.list_modules(actor, queries.get_project(actor, str(terraform_uuid)))
    modules = {row.id: row.terraform_address for row in rows}
    return [module_data(row, modules) for row in rows]


@blueprint.route(f"{PROJECT}/providers", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, TerraformProviderOut(many=True))
def list_providers(terraform_uuid: Any) -> list[dict[str, Any]]:
    """List the providers that are configured, required or used."""
    actor = current_actor()
    rows = queries_configuration.list_providers(actor, queries.get_project(actor, str(terraform_uuid)))
    return [provider_data(row) for row in rows]


@blueprint.route(f"{PROJECT}/outputs", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(TerraformOutputQuery, location="query", unknown=RAISE)
@blueprint.response(200, TerraformOutputOut(many=True), headers=PAGED)
def list_outputs(args: dict[str, Any], terraform_uuid: Any) -> Any:
    """List the declared outputs."""
    actor = current_actor()
    project = queries.get_project(actor, str(terraform_uuid))
    page = queries_configuration.list_outputs(actor, project, **args)
    modules = queries_configuration.module_addresses(actor, project, [row.module_id for row in page.items])
    return paged(page, [output_data(row, modules) for row in page.items])


@blueprint.route(f"{PROJECT}/dependencies", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(TerraformConfigurationPaging, location="query", unknown=RAISE)
@blueprint.response(200, TerraformDependencyOut(many=True), headers=PAGED)
def list_dependencies(args: dict[str, Any], terraform_uuid: Any) -> Any:
    """List which resource needs which other one."""
    actor = current_actor()
    page = queries_configuration.list_dependencies(actor, queries.get_project(actor, str(terraform_uuid)), **args)
    return paged(page, [dependency_data(edge) for edge in page.items])
