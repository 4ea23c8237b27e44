"""REST of a project's files and variables."""

from __future__ import annotations

from typing import Any, cast

from flask import Response, request
from flask_smorest import Blueprint
from marshmallow import RAISE

from app.core.edit_version import IF_MATCH, etag, seen_version
from app.core.errors import InvalidInput, NotFound
from app.core.faces import documented, paged
from app.core.flask_app import current_actor
from app.core.runtime import settings
from app.core.schemas import Strict
from app.terraform import queries, queries_files, service_files, service_variables
from app.terraform.schemas_executions import (
    TerraformFileSave,
    TerraformFilesOut,
    TerraformRevisionOut,
    TerraformRevisionQuery,
    TerraformVariableCreate,
    TerraformVariableEdit,
    TerraformVariableOut,
    revision_data,
    variable_data,
)
from app.terraform.service_variables import VariableInput

blueprint = Blueprint("terraform_files_api", __name__, description="Terraform: files and variables of projects")
blueprints = (blueprint,)
PAGED = {"X-Pagination": {"schema": {"type": "string"}, "description": "JSON"}}
PROJECT = "/terraform/projects/<uuid:terraform_uuid>"


class _NoQuery(Strict):
    """No query parameters."""


@blueprint.route(f"{PROJECT}/files", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, TerraformFilesOut)
def list_files(terraform_uuid: Any) -> dict[str, Any]:
    """List the files in force, by path."""
    actor = current_actor()
    revision = queries_files.current_revision(actor, queries.get_project(actor, str(terraform_uuid)))
    files = [{"path": path, "size": size} for path, size in queries_files.list_files(actor, revision)]
    return {"revision": revision.uuid if revision else None, "files": files}


@blueprint.route(f"{PROJECT}/files/<path:file_path>", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, description="The file's bytes", content_type="application/octet-stream")
def read_file(terraform_uuid: Any, file_path: str) -> Response:
    """Read one file in force."""
    actor = current_actor()
    revision = queries_files.current_revision(actor, queries.get_project(actor, str(terraform_uuid)))
    if revision is None:
        raise NotFound(f"The file {file_path[:100]}")
    data = queries_files.read_file(actor, revision, file_path)
    return Response(data, mimetype="application/octet-stream")


@blueprint.route(f"{PROJECT}/files/<path:file_path>", methods=["PUT"])
@documented(blueprint, 404, 409, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.arguments(TerraformFileSave)
@blueprint.response(200, TerraformRevisionOut)
def save_file(data: dict[str, Any], terraform_uuid: Any, file_path: str) -> dict[str, Any]:
    """Write one file, new or changed; the answer is the revision that is then in force."""
    base = data.get("base")
    made = service_files.save_file(
        current_actor(),
        str(terraform_uuid),
        file_path,
        data["content"],
        base=str(base) if base else None,
        note=data.get("note"),
    )
    return revision_data(made)


@blueprint.route(f"{PROJECT}/files/<path:file_path>", methods=["DELETE"])
@documented(blueprint, 404, 409)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, TerraformRevisionOut)
def remove_file(terraform_uuid: Any, file_path: str) -> dict[str, Any]:
    """Take one file away; the revision before keeps it."""
    return revision_data(service_files.remove_file(current_actor(), str(terraform_uuid), file_path))


@blueprint.route(f"{PROJECT}/archive", methods=["PUT"])
@documented(blueprint, 404, 409, 413)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.doc(
    requestBody={
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
)
@blueprint.response(200, TerraformRevisionOut)
def upload_archive(terraform_uuid: Any) -> dict[str, Any]:
    """Make the files of a tar or zip archive (the body) the files in force."""
    request.max_content_length = settings().archive_max_bytes + 1024
    data = request.get_data(cache=False)
    if not data:
        raise InvalidInput("Send the archive as the body: curl --data-binary @files.tar.gz.")
    return revision_data(service_files.upload_archive(current_actor(), str(terraform_uuid), data))


@blueprint.route(f"{PROJECT}/revisions", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(TerraformRevisionQuery, location="query", unknown=RAISE)
@blueprint.response(200, TerraformRevisionOut(many=True), headers=PAGED)
def list_revisions(args: dict[str, Any], terraform_uuid: Any) -> Any:
    """List the revisions of a project's files, the newest first."""
    actor = current_actor()
    page = queries_files.list_revisions(actor, queries.get_project(actor, str(terraform_uuid)), **args)
    return paged(page, [revision_data(revision) for revision in page.items])


@blueprint.route(f"{PROJECT}/revisions/<uuid:revision_uuid>/restore", methods=["POST"])
@documented(blueprint, 404, 409)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, TerraformRevisionOut)
def restore_revision(terraform_uuid: Any, revision_uuid: Any) -> dict[str, Any]:
    """Put the files of an older revision in force again, as a new one."""
    made = service_files.restore_revision(current_actor(), str(terraform_uuid), str(revision_uuid))
    return revision_data(made)


@blueprint.route(f"{PROJECT}/variables", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, TerraformVariableOut(many=True))
def list_variables(terraform_uuid: Any) -> list[dict[str, Any]]:
    """List the values of a project's variables by name; sensitive ones without their value."""
    actor = current_actor()
    found = queries.list_variables(actor, queries.get_project(actor, str(terraform_uuid)))
    return [variable_data(variable) for variable in found]


@blueprint.route(f"{PROJECT}/variables", methods=["POST"])
@documented(blueprint, 404, 409, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.arguments(TerraformVariableCreate)
@blueprint.response(201, TerraformVariableOut)
def create_variable(data: dict[str, Any], terraform_uuid: Any) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Add a value for an input variable."""
    uuid = str(terraform_uuid)
    made = variable_data(service_variables.add_variable(current_actor(), uuid, cast(VariableInput, data)))
    where = f"/api/v1/terraform/projects/{uuid}/variables/{made['id']}"
    return made, 201, {"Location": where, **etag(made["version"])}


@blueprint.route(f"{PROJECT}/variables/<uuid:variable_uuid>", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, TerraformVariableOut)
def get_variable(terraform_uuid: Any, variable_uuid: Any) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Show one variable."""
    actor = current_actor()
    project = queries.get_project(actor, str(terraform_uuid))
    found = variable_data(service_variables.get_variable(actor, project, str(variable_uuid)))
    return found, 200, etag(found["version"])


@blueprint.route(f"{PROJECT}/variables/<uuid:variable_uuid>", methods=["PATCH"])
@documented(blueprint, 404, 409, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.doc(parameters=[IF_MATCH])
@blueprint.arguments(TerraformVariableEdit)
@blueprint.response(200, TerraformVariableOut)
def edit_variable(
    data: dict[str, Any], terraform_uuid: Any, variable_uuid: Any
) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Change the given fields; a sensitive value may be replaced and is never shown."""
    version = seen_version(data.pop("version", None))
    found = service_variables.change_variable(
        current_actor(), str(terraform_uuid), str(variable_uuid), cast(VariableInput, data), version=version
    )
    shown = variable_data(found)
    return shown, 200, etag(shown["version"])


@blueprint.route(f"{PROJECT}/variables/<uuid:variable_uuid>", methods=["DELETE"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(204)
def remove_variable(terraform_uuid: Any, variable_uuid: Any) -> None:
    """Take a value away."""
    service_variables.remove_variable(current_actor(), str(terraform_uuid), str(variable_uuid))
