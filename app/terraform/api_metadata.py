"""REST of how the graph shows a project, its modules and its resources."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import RAISE

from app.core.faces import documented
from app.core.flask_app import current_actor
from app.core.schemas import Strict
from app.terraform import service_metadata
from app.terraform.schemas_metadata import TerraformMetadata, TerraformMetadataOut

blueprint = Blueprint("terraform_metadata_api", __name__, description="Terraform: how the graph shows things")
blueprints = (blueprint,)
PROJECT = "/terraform/projects/<uuid:terraform_uuid>"


class _NoQuery(Strict):
    """No query parameters."""


@blueprint.route(f"{PROJECT}/metadata", methods=["PATCH"])
@documented(blueprint, 404, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.arguments(TerraformMetadata)
@blueprint.response(200, TerraformMetadataOut)
def edit_project_metadata(data: dict[str, Any], terraform_uuid: Any) -> dict[str, Any]:
    """Change how the project is shown: position, zoom, color, icon, collapsed, labels."""
    return {"metadata": service_metadata.change_project(current_actor(), str(terraform_uuid), data)}


@blueprint.route(f"{PROJECT}/modules/<uuid:module_uuid>/metadata", methods=["PATCH"])
@documented(blueprint, 404, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.arguments(TerraformMetadata)
@blueprint.response(200, TerraformMetadataOut)
def edit_module_metadata(data: dict[str, Any], terraform_uuid: Any, module_uuid: Any) -> dict[str, Any]:
    """Change how a module is shown."""
    uuids = str(terraform_uuid), str(module_uuid)
    return {"metadata": service_metadata.change_module(current_actor(), *uuids, data)}


@blueprint.route(f"{PROJECT}/resources/<uuid:resource_uuid>/metadata", methods=["PATCH"])
@documented(blueprint, 404, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.arguments(TerraformMetadata)
@blueprint.response(200, TerraformMetadataOut)
def edit_resource_metadata(data: dict[str, Any], terraform_uuid: Any, resource_uuid: Any) -> dict[str, Any]:
    """Change how a declared resource is shown."""
    uuids = str(terraform_uuid), str(resource_uuid)
    return {"metadata": service_metadata.change_resource(current_actor(), *uuids, data)}
