"""REST of variable sets: the sets, what is in them, and which projects have them."""

from __future__ import annotations

from typing import Any, cast

from flask_smorest import Blueprint
from marshmallow import RAISE

from app.core.edit_version import IF_MATCH, etag, seen_version
from app.core.faces import documented, paged
from app.core.flask_app import current_actor
from app.core.schemas import Strict
from app.terraform import queries, service_set_variables, service_variable_sets
from app.terraform import queries_variable_sets as reads
from app.terraform.schemas_variable_sets import (
    TerraformAppliedSetOut,
    TerraformSetOrder,
    TerraformSetProjectOut,
    TerraformSetVariableCreate,
    TerraformSetVariableEdit,
    TerraformSetVariableOut,
    TerraformValueInForceOut,
    TerraformVariableSetCreate,
    TerraformVariableSetEdit,
    TerraformVariableSetOut,
    TerraformVariableSetQuery,
    applied_data,
    in_force_data,
    set_data,
    set_variable_data,
)
from app.terraform.service_set_variables import SetVariableInput
from app.terraform.service_variable_sets import SetInput

blueprint = Blueprint("terraform_variable_sets_api", __name__, description="Terraform: values that projects share")
blueprints = (blueprint,)
PAGED = {"X-Pagination": {"schema": {"type": "string"}, "description": "JSON"}}
SETS = "/terraform/variable-sets"
ONE = f"{SETS}/<uuid:set_uuid>"
VARIABLE = f"{ONE}/variables/<uuid:set_variable_uuid>"
PROJECT = "/terraform/projects/<uuid:terraform_uuid>"
Answer = tuple[dict[str, Any], int, dict[str, str]]


class _NoQuery(Strict):
    """No query parameters."""


@blueprint.route(SETS, methods=["GET"])
@documented(blueprint)
@blueprint.arguments(TerraformVariableSetQuery, location="query", unknown=RAISE)
@blueprint.response(200, TerraformVariableSetOut(many=True), headers=PAGED)
def list_sets(args: dict[str, Any]) -> Any:
    """List sets of variables by name."""
    actor = current_actor()
    page = reads.list_sets(
        actor,
        text=args.get("q"),
        is_global=args.get("is_global"),
        page=args["page"],
        page_size=args["page_size"],
        after=args.get("after"),
        sort=args.get("sort"),
    )
    counts = reads.counts(actor, [found.id for found in page.items])
    return paged(page, [set_data(found, counts) for found in page.items])


@blueprint.route(SETS, methods=["POST"])
@documented(blueprint, 409, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.arguments(TerraformVariableSetCreate)
@blueprint.response(201, TerraformVariableSetOut)
def create_set(data: dict[str, Any]) -> Answer:
    """Add an empty set."""
    made = set_data(service_variable_sets.add_set(current_actor(), cast(SetInput, data)), {})
    return made, 201, {"Location": f"/api/v1{SETS}/{made['id']}", **etag(made["version"])}


@blueprint.route(ONE, methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, TerraformVariableSetOut)
def get_set(set_uuid: Any) -> Answer:
    """Show one set."""
    actor = current_actor()
    found = reads.get_set(actor, str(set_uuid))
    return set_data(found, reads.counts(actor, [found.id])), 200, etag(found.version)


@blueprint.route(ONE, methods=["PATCH"])
@documented(blueprint, 404, 409, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.doc(parameters=[IF_MATCH])
@blueprint.arguments(TerraformVariableSetEdit)
@blueprint.response(200, TerraformVariableSetOut)
def edit_set(data: dict[str, Any], set_uuid: Any) -> Answer:
    """Change the given fields."""
    actor, version = current_actor(), seen_version(data.pop("version", None))
    found = service_variable_sets.change_set(actor, str(set_uuid), cast(SetInput, data), version=version)
    return set_data(found, reads.counts(actor, [found.id])), 200, etag(found.version)


@blueprint.route(ONE, methods=["DELETE"])
@documented(blueprint, 404, 409)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(204)
def remove_set(set_uuid: Any) -> None:
    """Remove a set with its values; refused, with their names, while it is attached to projects."""
    service_variable_sets.remove_set(current_actor(), str(set_uuid))


@blueprint.route(f"{ONE}/projects", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, TerraformSetProjectOut(many=True))
def list_set_projects(set_uuid: Any) -> list[dict[str, Any]]:
    """List the projects that a set is attached to, by name."""
    actor = current_actor()
    found = reads.projects_of_set(actor, reads.get_set(actor, str(set_uuid)))
    return [{"id": project.uuid, "name": project.name, "is_active": project.is_active} for project in found]


@blueprint.route(f"{ONE}/variables", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, TerraformSetVariableOut(many=True))
def list_set_variables(set_uuid: Any) -> list[dict[str, Any]]:
    """List a set's variables; sensitive ones without their value."""
    actor = current_actor()
    found = reads.list_set_variables(actor, reads.get_set(actor, str(set_uuid)))
    return [set_variable_data(row) for row in found]


@blueprint.route(f"{ONE}/variables", methods=["POST"])
@documented(blueprint, 404, 409, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.arguments(TerraformSetVariableCreate)
@blueprint.response(201, TerraformSetVariableOut)
def create_set_variable(data: dict[str, Any], set_uuid: Any) -> Answer:
    """Add a value to a set."""
    uuid = str(set_uuid)
    made = set_variable_data(service_set_variables.add_variable(current_actor(), uuid, cast(SetVariableInput, data)))
    return made, 201, {"Location": f"/api/v1{SETS}/{uuid}/variables/{made['id']}", **etag(made["version"])}


@blueprint.route(VARIABLE, methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, TerraformSetVariableOut)
def get_set_variable(set_uuid: Any, set_variable_uuid: Any) -> Answer:
    """Show one variable of a set."""
    actor = current_actor()
    found = reads.get_set_variable(actor, reads.get_set(actor, str(set_uuid)), str(set_variable_uuid))
    return set_variable_data(found), 200, etag(found.version)


@blueprint.route(VARIABLE, methods=["PATCH"])
@documented(blueprint, 404, 409, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.doc(parameters=[IF_MATCH])
@blueprint.arguments(TerraformSetVariableEdit)
@blueprint.response(200, TerraformSetVariableOut)
def edit_set_variable(data: dict[str, Any], set_uuid: Any, set_variable_uuid: Any) -> Answer:
    """Change the given fields; a sensitive value may be replaced and is never shown."""
    version = seen_version(data.pop("version", None))
    found = service_set_variables.change_variable(
        current_actor(), str(set_uuid), str(set_variable_uuid), cast(SetVariableInput, data), version=version
    )
    return set_variable_data(found), 200, etag(found.version)


@blueprint.route(VARIABLE, methods=["DELETE"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(204)
def remove_set_variable(set_uuid: Any, set_variable_uuid: Any) -> None:
    """Take a value away from every project that has the set."""
    service_set_variables.remove_variable(current_actor(), str(set_uuid), str(set_variable_uuid))


@blueprint.route(f"{PROJECT}/variable-sets", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, TerraformAppliedSetOut(many=True))
def list_applied_sets(terraform_uuid: Any) -> list[dict[str, Any]]:
    """List the sets that a project has, the first that counts first; global ones come last, by name."""
    actor = current_actor()
    found = reads.applied_sets(actor, queries.get_project(actor, str(terraform_uuid)))
    return [applied_data(one) for one in found]


@blueprint.route(f"{PROJECT}/variable-sets", methods=["PUT"])
@documented(blueprint, 404, 409, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.arguments(TerraformSetOrder)
@blueprint.response(200, TerraformAppliedSetOut(many=True))
def arrange_sets(data: dict[str, Any], terraform_uuid: Any) -> list[dict[str, Any]]:
    """Make these the sets of a project, in this order."""
    actor, uuid = current_actor(), str(terraform_uuid)
    service_variable_sets.arrange(actor, uuid, [str(one) for one in data["set_ids"]])
    return [applied_data(one) for one in reads.applied_sets(actor, queries.get_project(actor, uuid))]


@blueprint.route(f"{PROJECT}/values", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, TerraformValueInForceOut(many=True))
def list_values(terraform_uuid: Any) -> list[dict[str, Any]]:
    """List what a project's executions are given for each name, and whether the project or which set it is from."""
    actor = current_actor()
    return in_force_data(reads.project_values(actor, queries.get_project(actor, str(terraform_uuid))))
