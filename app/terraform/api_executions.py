"""REST of executions: ask for one, read plans, apply or discard them. Their logs are read at /jobs."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from flask_smorest import Blueprint
from marshmallow import RAISE

from app.accounts.idempotency import once
from app.core.actor import Actor
from app.core.errors import NotFound
from app.core.faces import documented, paged
from app.core.flask_app import current_actor
from app.core.schemas import Strict
from app.terraform import plan_binding, queries, queries_executions, regions, salvage, service_executions, tag_policy
from app.terraform.models_executions import Review
from app.terraform.queries_executions import ExecutionRow
from app.terraform.schemas_executions import (
    TerraformExecutionCreate,
    TerraformExecutionOut,
    TerraformExecutionQuery,
    TerraformPlanOut,
    TerraformReviewNote,
    execution_data,
    to_request,
)

blueprint = Blueprint("terraform_executions_api", __name__, description="Terraform: plans, applies, their reviews")
blueprints = (blueprint,)
PAGED = {"X-Pagination": {"schema": {"type": "string"}, "description": "JSON"}}
OF_PROJECT = "/terraform/projects/<uuid:terraform_uuid>/executions"
ONE = "/terraform/executions/<uuid:execution_uuid>"
IDEMPOTENCY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "schema": {"type": "string", "maxLength": 200},
    "description": "Repeat a request with the same key and body: nothing runs twice.",
}


class _NoQuery(Strict):
    """No query parameters."""


def _shown(actor: Actor, row: ExecutionRow) -> dict[str, Any]:
    project = queries.project_by_id(actor, row.execution.project_id)
    plan_id = row.execution.plan_id
    plan = None if plan_id is None else queries_executions.execution_by_id(actor, plan_id)
    return execution_data(row, project.uuid, plan)


def _accepted(actor: Actor, uuid: str, replayed: bool) -> tuple[dict[str, Any], int, dict[str, str]]:
    headers = {"Location": f"/api/v1/terraform/executions/{uuid}"}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return _shown(actor, queries_executions.get_row(actor, uuid)), 202, headers


@blueprint.route(OF_PROJECT, methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(TerraformExecutionQuery, location="query", unknown=RAISE)
@blueprint.response(200, TerraformExecutionOut(many=True), headers=PAGED)
def list_executions(args: dict[str, Any], terraform_uuid: Any) -> Any:
    """List a project's executions, the newest first."""
    actor = current_actor()
    project = queries.get_project(actor, str(terraform_uuid))
    page = queries_executions.list_executions(actor, project=project, **args)
    plans = queries_executions.plans_of(actor, [row.execution for row in page.items])
    rows = [execution_data(row, project.uuid, plans.get(row.execution.plan_id or 0)) for row in page.items]
    return paged(page, rows)


@blueprint.route(OF_PROJECT, methods=["POST"])
@documented(blueprint, 404, 409, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.arguments(TerraformExecutionCreate)
@blueprint.doc(parameters=[IDEMPOTENCY])
@blueprint.response(202, TerraformExecutionOut)
def create_execution(data: dict[str, Any], terraform_uuid: Any) -> Any:
    """Have a worker initialise, plan or refresh; a plan with changes then waits for its review."""
    actor, project = current_actor(), str(terraform_uuid)

    def start() -> str:
        return service_executions.execute(actor, project, to_request(data), source="api").uuid

    key = request.headers.get("Idempotency-Key")
    given = {**data, "project": project}
    uuid, replayed = once(actor, key, "terraform execution", given, "terraform_execution", start)
    return _accepted(actor, uuid, replayed)


@blueprint.route(ONE, methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, TerraformExecutionOut)
def get_execution(execution_uuid: Any) -> dict[str, Any]:
    """Show one execution."""
    actor = current_actor()
    return _shown(actor, queries_executions.get_row(actor, str(execution_uuid)))


@blueprint.route(f"{ONE}/plan", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, TerraformPlanOut)
def get_plan(execution_uuid: Any) -> dict[str, Any]:
    """Read what a plan would do: its text, and each change by address."""
    actor = current_actor()
    execution = queries_executions.get_execution(actor, str(execution_uuid))
    project = queries_executions.project_of(actor, execution)
    void = execution.review_note if execution.review is Review.VOID else None
    if execution.review is Review.WAITING:
        void = plan_binding.moved_since(actor, project, execution)
    return {
        "output": queries_executions.plan_output(actor, execution),
        "changes": regions.with_odd(tag_policy.with_missing(project, queries_executions.changes_of(actor, execution))),
        "required_tags": list(tag_policy.required_tags(project)),
        "tag_policy": project.tag_policy.value,
        "void_because": void,
    }


@blueprint.route(f"{ONE}/plan.json", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, description="Changes of a plan as terraform gives them", content_type="application/json")
def get_plan_json(execution_uuid: Any) -> Response:
    """Read a plan's changes as JSON; sensitive values are not in it."""
    actor = current_actor()
    execution = queries_executions.get_execution(actor, str(execution_uuid))
    data = queries_executions.plan_part(actor, execution, "plan_json")
    if data is None:
        raise NotFound("The plan of this execution")
    return Response(data, mimetype="application/json")


@blueprint.route(f"{ONE}/salvaged-state", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, description="The state as terraform wrote it", content_type="application/json")
def get_salvaged_state(execution_uuid: Any) -> Response:
    """Read a state that terraform could not hand over and the store refused; leaves an audit entry."""
    return Response(salvage.read_salvaged(current_actor(), str(execution_uuid)), mimetype="application/json")


@blueprint.route(f"{ONE}/apply", methods=["POST"])
@documented(blueprint, 404, 409, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.arguments(TerraformReviewNote)
@blueprint.doc(parameters=[IDEMPOTENCY])
@blueprint.response(202, TerraformExecutionOut)
def apply_plan(data: dict[str, Any], execution_uuid: Any) -> Any:
    """Carry out exactly this plan; the answer is the execution that does it."""
    actor, plan = current_actor(), str(execution_uuid)

    def start() -> str:
        return service_executions.apply_plan(actor, plan, note=data["note"], source="api").uuid

    key = request.headers.get("Idempotency-Key")
    given = {**data, "plan": plan}
    uuid, replayed = once(actor, key, "terraform apply", given, "terraform_execution", start)
    return _accepted(actor, uuid, replayed)


@blueprint.route(f"{ONE}/discard", methods=["POST"])
@documented(blueprint, 404, 409, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.arguments(TerraformReviewNote)
@blueprint.response(200, TerraformExecutionOut)
def discard_plan(data: dict[str, Any], execution_uuid: Any) -> dict[str, Any]:
    """Say that a plan is not to be applied."""
    actor = current_actor()
    plan = service_executions.discard_plan(actor, str(execution_uuid), note=data["note"])
    return _shown(actor, queries_executions.get_row(actor, plan.uuid))
