"""REST of the environment of a project's executions."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import RAISE

from app.core.faces import documented
from app.core.flask_app import current_actor
from app.core.schemas import Strict
from app.terraform import queries, service_environment
from app.terraform.schemas_executions import TerraformEnvironmentOut, TerraformEnvironmentSet, environment_data

blueprint = Blueprint("terraform_environment_api", __name__, description="Terraform: environment of providers")
blueprints = (blueprint,)
PROJECT = "/terraform/projects/<uuid:terraform_uuid>"


class _NoQuery(Strict):
    """No query parameters."""


@blueprint.route(f"{PROJECT}/environment", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, TerraformEnvironmentOut(many=True))
def list_environment(terraform_uuid: Any) -> list[dict[str, Any]]:
    """List the environment variables of a project's executions by name; sensitive ones without their value."""
    actor = current_actor()
    found = queries.list_environment(actor, queries.get_project(actor, str(terraform_uuid)))
    return [environment_data(row) for row in found]


@blueprint.route(f"{PROJECT}/environment/<name>", methods=["PUT"])
@documented(blueprint, 404, 409, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.arguments(TerraformEnvironmentSet)
@blueprint.response(200, TerraformEnvironmentOut)
def set_environment(data: dict[str, Any], terraform_uuid: Any, name: str) -> dict[str, Any]:
    """Set an environment variable, new or another value; what providers sign in with belongs here."""
    made = service_environment.set_environment(
        current_actor(),
        str(terraform_uuid),
        name,
        data["value"],
        description=data["description"],
        sensitive=data["sensitive"],
    )
    return environment_data(made)


@blueprint.route(f"{PROJECT}/environment/<name>", methods=["DELETE"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(204)
def remove_environment(terraform_uuid: Any, name: str) -> None:
    """Take an environment variable away."""
    service_environment.remove_environment(current_actor(), str(terraform_uuid), name)
