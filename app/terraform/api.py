"""REST of Terraform: projects, their workspaces, versions of states, locks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from flask import Response, url_for
from flask_smorest import Blueprint
from marshmallow import RAISE

from app.core.edit_version import IF_MATCH, etag, seen_version
from app.core.faces import documented, paged
from app.core.flask_app import current_actor
from app.core.schemas import Strict
from app.terraform import queries, queries_git, service, state_locks, state_store
from app.terraform.output_references import reference_to
from app.terraform.schemas import (
    StateCompareQuery,
    StateDifferenceOut,
    StateOutputOut,
    StateOutputQuery,
    StateVersionOut,
    StateVersionQuery,
    TerraformProjectCreate,
    TerraformProjectEdit,
    TerraformProjectOut,
    TerraformProjectQuery,
    WorkspaceOut,
    difference_data,
    project_data,
    version_data,
    workspace_data,
)
from app.terraform.service import ProjectInput

View = TypeVar("View", bound=Callable[..., Any])
Answer = dict[str, Any]

blueprint = Blueprint("terraform_api", __name__, description="Terraform: projects, workspaces, states, locks")
blueprints = (blueprint,)
PAGED = {"X-Pagination": {"schema": {"type": "string"}, "description": "JSON"}}
MADE = {"Location": {"schema": {"type": "string"}, "description": "Its address"}}
ONE = "/terraform/projects/<uuid:terraform_uuid>"
WORKSPACE = f"{ONE}/workspaces/<workspace>"


class _NoQuery(Strict):
    """No query parameters."""


def _no_query() -> Callable[[View], View]:
    return cast(Callable[[View], View], blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE))


def _workspace(terraform_uuid: Any, workspace: str) -> queries.Workspace:
    actor = current_actor()
    return queries.get_workspace(actor, queries.get_project(actor, str(terraform_uuid)), workspace)


@blueprint.route("/terraform/projects", methods=["GET"])
@documented(blueprint)
@blueprint.arguments(TerraformProjectQuery, location="query", unknown=RAISE)
@blueprint.response(200, TerraformProjectOut(many=True), headers=PAGED)
def list_projects(args: dict[str, Any]) -> Any:
    """List projects by name."""
    page = queries.list_projects(
        current_actor(),
        text=args.get("q"),
        is_active=args.get("is_active", True),
        page=args["page"],
        page_size=args["page_size"],
        after=args.get("after"),
        sort=args.get("sort"),
    )
    return paged(page, [project_data(project) for project in page.items])


@blueprint.route("/terraform/projects", methods=["POST"])
@documented(blueprint, 409, 413, 415)
@_no_query()
@blueprint.arguments(TerraformProjectCreate)
@blueprint.response(
    201, TerraformProjectOut, headers={"Location": {"schema": {"type": "string"}, "description": "Its address"}}
)
def create_project(body: dict[str, Any]) -> tuple[Answer, int, dict[str, str]]:
    """Add a project."""
    data = project_data(service.create_project(current_actor(), cast(ProjectInput, body)))
    where = url_for("terraform_api.get_project", terraform_uuid=data["id"])
    return data, 201, {"Location": where, **etag(data["version"])}


@blueprint.route(ONE, methods=["GET"])
@documented(blueprint, 404)
@_no_query()
@blueprint.response(200, TerraformProjectOut)
def get_project(terraform_uuid: Any) -> tuple[Answer, int, dict[str, str]]:
    """Show one project."""
    data = project_data(queries.get_project(current_actor(), str(terraform_uuid)))
    return data, 200, etag(data["version"])


@blueprint.route(ONE, methods=["PATCH"])
@documented(blueprint, 404, 409, 413, 415)
@_no_query()
@blueprint.doc(parameters=[IF_MATCH])
@blueprint.arguments(TerraformProjectEdit)
@blueprint.response(200, TerraformProjectOut)
def edit_project(body: dict[str, Any], terraform_uuid: Any) -> tuple[Answer, int, dict[str, str]]:
    """Change the given fields; is_active takes it out of use or back."""
    actor, uuid = current_actor(), str(terraform_uuid)
    version, is_active = seen_version(body.pop("version", None)), body.pop("is_active", None)
    found = service.update_project(actor, uuid, cast(ProjectInput, body), version=version)
    if is_active is not None:
        found = service.set_active(actor, uuid, is_active=is_active)
    data = project_data(found)
    return data, 200, etag(data["version"])


@blueprint.route(f"{ONE}/workspaces", methods=["GET"])
@documented(blueprint, 404)
@_no_query()
@blueprint.response(200, WorkspaceOut(many=True))
def list_workspaces(terraform_uuid: Any) -> list[Answer]:
    """List a project's workspaces by name, with who holds their locks."""
    actor = current_actor()
    found = queries.list_workspaces(actor, queries.get_project(actor, str(terraform_uuid)))
    return [workspace_data(workspace) for workspace in found]


@blueprint.route(WORKSPACE, methods=["GET"])
@documented(blueprint, 404)
@_no_query()
@blueprint.response(200, WorkspaceOut)
def get_workspace(terraform_uuid: Any, workspace: str) -> Answer:
    """Show one workspace."""
    return workspace_data(_workspace(terraform_uuid, workspace))


@blueprint.route(f"{WORKSPACE}/versions", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(StateVersionQuery, location="query", unknown=RAISE)
@blueprint.response(200, StateVersionOut(many=True), headers=PAGED)
def list_versions(args: dict[str, Any], terraform_uuid: Any, workspace: str) -> Any:
    """List the versions of a workspace's state, the newest first."""
    actor = current_actor()
    page = queries.list_versions(
        actor,
        queries.get_project(actor, str(terraform_uuid)),
        workspace,
        branch=args.get("branch"),
        page=args["page"],
        page_size=args["page_size"],
        after=args.get("after"),
    )
    names = queries_git.branch_names(actor, [file.branch_id for file in page.items])
    return paged(page, [version_data(file, names.get(file.branch_id or 0)) for file in page.items])


@blueprint.route(f"{WORKSPACE}/versions/<int:version>/content", methods=["GET"])
@documented(blueprint, 404)
@_no_query()
@blueprint.response(200, description="The state as terraform wrote it", content_type="application/json")
def read_version(terraform_uuid: Any, workspace: str, version: int) -> Response:
    """Read a whole version of a state, with what is sensitive in it; leaves an audit entry."""
    data = state_store.read_version(current_actor(), str(terraform_uuid), workspace, version)
    return Response(data, mimetype="application/json")


@blueprint.route(f"{WORKSPACE}/versions/<int:version>/restore", methods=["POST"])
@documented(blueprint, 404, 409)
@_no_query()
@blueprint.response(201, StateVersionOut)
def restore_version(terraform_uuid: Any, workspace: str, version: int) -> Answer:
    """Make an older version the newest, as a version of its own; the next plan says what would change."""
    return version_data(state_store.restore_version(current_actor(), str(terraform_uuid), workspace, version))


@blueprint.route(f"{WORKSPACE}/differences", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(StateCompareQuery, location="query", unknown=RAISE)
@blueprint.response(200, StateDifferenceOut(many=True))
def compare_versions(args: dict[str, Any], terraform_uuid: Any, workspace: str) -> list[Answer]:
    """Compare two versions of a state by address; sensitive values are hidden."""
    found = state_store.compare_versions(current_actor(), str(terraform_uuid), workspace, args["before"], args["after"])
    return [difference_data(difference) for difference in found]


@blueprint.route(f"{WORKSPACE}/outputs", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(StateOutputQuery, location="query", unknown=RAISE)
@blueprint.response(200, StateOutputOut(many=True))
def list_outputs(args: dict[str, Any], terraform_uuid: Any, workspace: str) -> list[Answer]:
    """List the outputs of a workspace's newest state by name; sensitive values are hidden unless asked for."""
    actor, uuid = current_actor(), str(terraform_uuid)
    found = state_store.read_outputs(actor, uuid, workspace, with_sensitive=args["sensitive"])
    project = queries.get_project(actor, uuid)
    return [
        {"name": name, "reference": reference_to(project, workspace, name), **output}
        for name, output in sorted(found.items())
    ]


@blueprint.route(f"{WORKSPACE}/unlock", methods=["POST"])
@documented(blueprint, 404)
@_no_query()
@blueprint.response(204)
def unlock(terraform_uuid: Any, workspace: str) -> None:
    """Take a lock away whose holder is gone; a right of its own, and an alert in the audit log."""
    state_locks.unlock_state(current_actor(), str(terraform_uuid), workspace, None)
