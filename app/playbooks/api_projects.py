"""REST: projects, their revisions and files, differences, approvals, engines."""

from __future__ import annotations

from typing import Any

from flask import Response
from flask_smorest import Blueprint

from app.core.faces import documented, paged
from app.core.flask_app import current_actor
from app.jobs.engine_list import known_engines
from app.playbooks import queries, queries_revisions, service_approval, service_projects
from app.playbooks.downloads import as_download
from app.playbooks.schemas_projects import (
    ApprovalQuery,
    ApprovalSchema,
    ApprovedSchema,
    DependenciesSchema,
    DiffQuery,
    DiffSchema,
    EngineSchema,
    FileQuery,
    FileSchema,
    ProjectEditSchema,
    ProjectQuery,
    ProjectSchema,
    RevisionApproveSchema,
    RevisionQuery,
    RevisionSchema,
    approval_rows,
    change_json,
    revision_facts,
)

blueprint = Blueprint("playbook_projects_api", __name__, description="Projects, revisions and approval")


@blueprint.get("/playbook-projects")
@blueprint.arguments(ProjectQuery, location="query", unknown=None)
@blueprint.response(200, ProjectSchema(many=True))
@documented(blueprint)
def list_projects(query: dict[str, Any]) -> Any:
    """List projects, newest first."""
    page = queries.list_projects(current_actor(), **query)
    return paged(page, page.items)


@blueprint.get("/playbook-projects/<uuid:project_uuid>")
@blueprint.response(200, ProjectSchema)
@documented(blueprint, 404)
def get_project(project_uuid: Any) -> Any:
    """Show one project."""
    return queries.get_project(current_actor(), str(project_uuid))


@blueprint.patch("/playbook-projects/<uuid:project_uuid>")
@blueprint.arguments(ProjectEditSchema)
@blueprint.response(200, ProjectSchema)
@documented(blueprint, 404, 409, 413, 415)
def edit_project(data: dict[str, Any], project_uuid: Any) -> Any:
    """Change a project's name, description, engine, or the rule that approves its branch."""
    version = data.pop("version")
    return service_projects.edit_project(current_actor(), str(project_uuid), data, version=version)


@blueprint.post("/playbook-projects/<uuid:project_uuid>/approve")
@blueprint.arguments(RevisionApproveSchema, required=False)
@blueprint.response(200, ApprovedSchema)
@documented(blueprint, 404, 409, 413, 415)
def approve_revision(data: dict[str, Any], project_uuid: Any) -> Any:
    """Approve every active playbook of the revision in force."""
    _project, playbooks = service_approval.approve_revision(
        current_actor(), str(project_uuid), manifest_hash=data["manifest_hash"]
    )
    return {"manifest_hash": playbooks[0].manifest_hash, "playbook_ids": [playbook.id for playbook in playbooks]}


@blueprint.get("/playbook-projects/<uuid:project_uuid>/revisions")
@blueprint.arguments(RevisionQuery, location="query", unknown=None)
@blueprint.response(200, RevisionSchema(many=True))
@documented(blueprint, 404)
def list_revisions(query: dict[str, Any], project_uuid: Any) -> Any:
    """List a project's revisions, newest first."""
    actor = current_actor()
    project = queries.get_project(actor, str(project_uuid))
    page = queries_revisions.list_revisions(actor, project, **query)
    sizes = queries_revisions.sizes_of_changes(actor, page.items)
    return paged(page, [revision_facts(project, row, sizes.get(row.id)) for row in page.items])


@blueprint.get("/playbook-projects/<uuid:project_uuid>/revisions/<int:revision_id>/files")
@blueprint.response(200, FileSchema(many=True))
@documented(blueprint, 404)
def list_files(project_uuid: Any, revision_id: int) -> Any:
    """List the files of a revision by path."""
    actor = current_actor()
    project = queries.get_project(actor, str(project_uuid))
    return queries_revisions.files_of(actor, queries_revisions.get_revision(actor, project, revision_id))


@blueprint.get("/playbook-projects/<uuid:project_uuid>/revisions/<int:revision_id>/raw")
@blueprint.arguments(FileQuery, location="query", unknown=None)
@blueprint.response(200, content_type="text/plain", description="The file as it is stored")
@documented(blueprint, 404)
def get_file(query: dict[str, Any], project_uuid: Any, revision_id: int) -> Response:
    """Download one file of a revision."""
    actor = current_actor()
    project = queries.get_project(actor, str(project_uuid))
    revision = queries_revisions.get_revision(actor, project, revision_id)
    return as_download(*queries_revisions.file_of(actor, revision, query["path"]))


@blueprint.get("/playbook-projects/<uuid:project_uuid>/diff")
@blueprint.arguments(DiffQuery, location="query", unknown=None)
@blueprint.response(200, DiffSchema)
@documented(blueprint, 404)
def get_diff(query: dict[str, Any], project_uuid: Any) -> Any:
    """Show what differs between two revisions, as a unified diff per file."""
    actor = current_actor()
    project = queries.get_project(actor, str(project_uuid))
    new = queries_revisions.get_revision(actor, project, query["new"])
    old = (
        queries_revisions.get_revision(actor, project, query["old"])
        if query["old"]
        else queries_revisions.revision_before(actor, new)
    )
    changes = queries_revisions.compare_revisions(actor, old, new, path=query["path"])
    return {"old": old.id if old else None, "new": new.id, "changes": [change_json(change) for change in changes]}


@blueprint.get("/playbooks/<int:playbook_id>/dependencies")
@blueprint.response(200, DependenciesSchema)
@documented(blueprint, 404)
def list_dependencies(playbook_id: int) -> Any:
    """List what a playbook needs, read from its files: roles, imports, variables, templates, files, collections."""
    actor = current_actor()
    return queries_revisions.needs_of(actor, queries.view_playbook(actor, playbook_id))


@blueprint.get("/playbook-approvals")
@blueprint.arguments(ApprovalQuery, location="query", unknown=None)
@blueprint.response(200, ApprovalSchema(many=True))
@documented(blueprint)
def list_approvals(query: dict[str, Any]) -> Any:
    """List approvals, newest first: who let which content run, when and how."""
    actor = current_actor()
    page = queries.list_approvals(actor, **query)
    return paged(page, approval_rows(actor, list(page.items)))


@blueprint.get("/engines")
@blueprint.response(200, EngineSchema(many=True))
@documented(blueprint)
def list_engines() -> Any:
    """List the engines that projects can choose, with the ansible-core that each worker reports."""
    return known_engines(current_actor())
