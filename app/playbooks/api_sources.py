"""REST: where projects come from: git, uploads, samples; syncs, host keys, found playbooks."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_smorest import Blueprint

from app.accounts.idempotency import once
from app.core.edit_version import IF_MATCH, etag, seen_version
from app.core.faces import documented, paged
from app.core.flask_app import current_actor
from app.core.permissions import Permission, require
from app.core.runtime import settings
from app.playbooks import projects, queries, queries_sources, service_sources, service_sync
from app.playbooks.models import ProjectSource
from app.playbooks.schemas import PageQuery, PlaybookSchema, playbook_json
from app.playbooks.schemas_projects import ProjectSchema
from app.playbooks.schemas_sources import (
    AcceptKeySchema,
    AdoptPlaybooksSchema,
    ArchiveCountsSchema,
    ArchiveQuery,
    NewProjectSchema,
    OfferSchema,
    SyncSchema,
    SyncWithLogSchema,
    offer_json,
    sync_json,
)

blueprint = Blueprint("playbook_sources_api", __name__, description="Projects: where playbooks come from")
blueprints = (blueprint,)
KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "schema": {"type": "string", "maxLength": 200},
    "description": "Repeat a request with the same key: nothing is asked for twice.",
}

ARCHIVE = {
    "requestBody": {
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
            },
        }
    }
}


@blueprint.post("/playbook-projects")
@blueprint.arguments(NewProjectSchema)
@blueprint.response(201, ProjectSchema)
@documented(blueprint, 409, 413, 415)
def create_project(data: dict[str, Any]) -> Any:
    """Adopt the sample project, make a project from git (its first sync is asked for), or an empty one for uploads."""
    actor, source = current_actor(), ProjectSource(data.pop("source"))
    if source is ProjectSource.SAMPLE:
        project = projects.adopt_sample_project(actor)
    elif source is ProjectSource.GIT:
        project = service_sources.create_git_project(actor, data)
    else:
        project = service_sources.create_upload_project(actor, data["name"], data.get("description"))
    return project, 201, {**etag(project.version), "Location": f"/api/v1/playbook-projects/{project.uuid}"}


@blueprint.delete("/playbook-projects/<uuid:project_uuid>")
@blueprint.response(204)
@documented(blueprint, 404, 409)
@blueprint.doc(parameters=[IF_MATCH])
def delete_project(project_uuid: Any) -> None:
    """Delete a project whose playbooks never ran; any other is deactivated with its playbooks."""
    service_sources.delete_project(current_actor(), str(project_uuid), version=seen_version())


@blueprint.post("/playbook-projects/<uuid:project_uuid>/sync")
@blueprint.response(202, SyncSchema)
@documented(blueprint, 404, 409)
@blueprint.doc(parameters=[KEY])
def sync_project(project_uuid: Any) -> Any:
    """Ask a worker to read the project's source again. While a sync is open, that one is answered."""
    actor, uuid = current_actor(), str(project_uuid)
    key = request.headers.get("Idempotency-Key")

    def start() -> str:
        return service_sync.request_sync(actor, uuid).uuid

    sync_uuid, replayed = once(actor, key, f"sync {uuid}", None, "project_sync", start)
    headers = {"Location": f"/api/v1/playbook-projects/{uuid}/syncs/{sync_uuid}"}
    sync = queries_sources.get_sync(actor, sync_uuid)
    return sync_json(sync), 202, {**headers, **({"Idempotent-Replayed": "true"} if replayed else {})}


@blueprint.get("/playbook-projects/<uuid:project_uuid>/syncs")
@blueprint.arguments(PageQuery, location="query", unknown=None)
@blueprint.response(200, SyncSchema(many=True))
@documented(blueprint, 404)
def list_syncs(query: dict[str, Any], project_uuid: Any) -> Any:
    """List the project's syncs, newest first."""
    actor = current_actor()
    page = queries_sources.list_syncs(actor, queries.get_project(actor, str(project_uuid)), **query)
    return paged(page, [sync_json(sync) for sync in page.items])


@blueprint.get("/playbook-projects/<uuid:project_uuid>/syncs/<uuid:sync_uuid>")
@blueprint.response(200, SyncWithLogSchema)
@documented(blueprint, 404)
def get_sync(project_uuid: Any, sync_uuid: Any) -> Any:
    """Show one sync with its log."""
    actor = current_actor()
    project = queries.get_project(actor, str(project_uuid))
    return sync_json(queries_sources.get_sync(actor, str(sync_uuid), project), with_log=True)


@blueprint.post("/playbook-projects/<uuid:project_uuid>/host-key")
@blueprint.arguments(AcceptKeySchema)
@blueprint.response(200, ProjectSchema)
@documented(blueprint, 404, 409, 413, 415)
def accept_host_key(data: dict[str, Any], project_uuid: Any) -> Any:
    """Accept the ssh host key that the last sync was shown, and sync."""
    return service_sources.accept_host_key(current_actor(), str(project_uuid), data["fingerprint"])


@blueprint.put("/playbook-projects/<uuid:project_uuid>/archive")
@blueprint.arguments(ArchiveQuery, location="query", unknown=None)
@blueprint.response(200, ArchiveCountsSchema)
@documented(blueprint, 404, 409, 413)
@blueprint.doc(parameters=[IF_MATCH], **ARCHIVE)
def upload_archive(query: dict[str, Any], project_uuid: Any) -> Any:
    """Upload a .zip, .tar or .tar.gz as a new revision: as the body itself, or as the field "file" of a form."""
    actor = current_actor()
    require(actor, Permission.PLAYBOOK_EDIT)
    request.max_content_length = settings().archive_max_bytes + 65_536
    file = request.files.get("file")
    try:
        data = file.stream.read() if file is not None else request.get_data()
    finally:
        if file is not None:
            file.close()
    return service_sources.upload_archive(
        actor,
        str(project_uuid),
        data,
        replace=query["mode"] == "replace",
        strip_folder=query["strip_folder"],
        version=seen_version(),
    )


@blueprint.get("/playbook-projects/<uuid:project_uuid>/playbooks")
@blueprint.response(200, OfferSchema(many=True))
@documented(blueprint, 404)
def list_offers(project_uuid: Any) -> Any:
    """List the playbook files found in the newest revision, and which playbooks were made of them."""
    actor = current_actor()
    project = queries.get_project(actor, str(project_uuid))
    return [offer_json(offer) for offer in queries_sources.offers_of(actor, project)]


@blueprint.post("/playbook-projects/<uuid:project_uuid>/playbooks")
@blueprint.arguments(AdoptPlaybooksSchema)
@blueprint.response(201, PlaybookSchema(many=True))
@documented(blueprint, 404, 409, 413, 415)
def adopt_playbooks(data: dict[str, Any], project_uuid: Any) -> Any:
    """Make playbooks of found files. Each has to be approved before it can be launched."""
    actor = current_actor()
    made = service_sources.adopt_playbooks(actor, str(project_uuid), data["paths"])
    approved = queries.approvals_of(actor, made)
    return [playbook_json(playbook, is_approved=playbook.id in approved) for playbook in made], 201
