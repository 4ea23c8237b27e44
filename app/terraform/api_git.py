"""REST of a project's repository: its branches, and the ssh host keys that a person accepts."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import RAISE

from app.core.edit_version import etag
from app.core.faces import documented
from app.core.flask_app import current_actor
from app.core.schemas import Strict
from app.terraform import queries, queries_git, service_git
from app.terraform.schemas import (
    TerraformAcceptKey,
    TerraformBranchOut,
    TerraformProjectOut,
    branch_data,
    project_data,
)

blueprint = Blueprint("terraform_git_api", __name__, description="Terraform: repositories of projects")
blueprints = (blueprint,)
PROJECT = "/terraform/projects/<uuid:terraform_uuid>"


class _NoQuery(Strict):
    """No query parameters."""


@blueprint.route(f"{PROJECT}/branches", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, TerraformBranchOut(many=True))
def list_branches(terraform_uuid: Any) -> list[dict[str, Any]]:
    """List the branches of a project from git that were read, the default one first, with their newest commits."""
    actor = current_actor()
    found = queries_git.list_branches(actor, queries.get_project(actor, str(terraform_uuid)))
    return [branch_data(branch) for branch in found]


@blueprint.route(f"{PROJECT}/host-key", methods=["POST"])
@documented(blueprint, 404, 409, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.arguments(TerraformAcceptKey)
@blueprint.response(200, TerraformProjectOut)
def accept_host_key(data: dict[str, Any], terraform_uuid: Any) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Accept the ssh host key that the last reading was shown; no other one is connected to from now on."""
    found = project_data(service_git.accept_host_key(current_actor(), str(terraform_uuid), data["fingerprint"]))
    return found, 200, etag(found["version"])
