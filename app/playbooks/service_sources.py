"""Commands on projects: make one from git or for uploads, accept an ssh host key, adopt found playbooks, delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.audit import service as audit
from app.audit.resource import Resource
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict, InvalidInput
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.core.versioning import check_version
from app.playbooks import content, project_files, project_source, queries, queries_sources, revisions
from app.playbooks.models import Playbook, PlaybookProject, ProjectSource
from app.playbooks.projects import refuse_taken_name, refuse_taken_project_name
from app.playbooks.service_sync import queue_sync
from app.sources import store
from app.sources.archive_files import archive_files
from app.sources.git_fields import accept_offered
from app.sources.models import CredentialKind

_SHOWN = ("name", "description", "git_url", "git_branch", "git_subfolder", "credential_kind", "sync_on_launch")


def create_git_project(actor: Actor, values: Mapping[str, Any]) -> PlaybookProject:
    """Make a project that is read from git, and ask a worker for its first sync.

    ``values``: name, git_url, and if given description, git_branch, git_subfolder, credential_kind, credential_user,
    credential_secret, sync_on_launch. Raises InvalidInput for an address, branch or credential that cannot be used,
    Conflict for a taken name.
    """
    require(actor, Permission.PLAYBOOK_EDIT)
    refuse_taken_project_name(actor, values["name"])
    project = PlaybookProject(
        tenant_id=actor.tenant_id,
        name=values["name"],
        description=values.get("description") or None,
        source=ProjectSource.GIT,
        credential_kind=CredentialKind.NONE.value,
    )
    db.session.add(project)
    project_source.apply(project, values)
    db.session.flush()
    audit.record(actor, "playbook_project:create", _resource(project), details=_facts(project))
    queue_sync(actor, project, reason="change")
    return project


def create_upload_project(actor: Actor, name: str, description: str | None = None) -> PlaybookProject:
    """Make an empty project for uploaded files; Conflict for a taken name."""
    require(actor, Permission.PLAYBOOK_EDIT)
    refuse_taken_project_name(actor, name)
    project = PlaybookProject(
        tenant_id=actor.tenant_id, name=name, description=description or None, source=ProjectSource.UPLOAD
    )
    db.session.add(project)
    db.session.flush()
    audit.record(actor, "playbook_project:create", _resource(project), details=_facts(project))
    return project


def accept_host_key(actor: Actor, project_uuid: str, fingerprint: str) -> PlaybookProject:
    """Accept the ssh host key that the last sync was shown; from now on no other one is connected to.

    ``fingerprint`` is what the person compared (``SHA256:...``); another one raises Conflict. Asks for a sync.
    """
    require(actor, Permission.PLAYBOOK_EDIT)
    project = queries.get_project(actor, project_uuid)
    offered = accept_offered(project, fingerprint)
    project.version += 1
    audit.record(
        actor,
        "playbook_project:accept_host_key",
        _resource(project),
        action="UPDATE",
        details={"name": project.name, "fingerprints": offered},
    )
    queue_sync(actor, project, reason="change")
    return project


def adopt_playbooks(actor: Actor, project_uuid: str, paths: Sequence[str]) -> list[Playbook]:
    """Make playbooks of files that were found in the newest revision; those that exist already are passed over.

    What ``vars_prompt`` asks for becomes declared variables. Nothing runs before its approval. InvalidInput for a
    path that is not among the found ones.
    """
    require(actor, Permission.PLAYBOOK_EDIT)
    project = queries.get_project(actor, project_uuid)
    revision = content.revision_of(actor, project)
    offers = {offer.path: offer for offer in queries_sources.offers_of(actor, project)}
    unknown = [path for path in paths if path not in offers]
    if revision is None or unknown or not paths:
        raise InvalidInput(paths="Choose among the files that were found in the newest revision.")
    made: list[Playbook] = []
    for path in dict.fromkeys(paths):
        offer = offers[path]
        if offer.playbook is not None and offer.playbook.is_active:
            continue
        data = content.read_file(actor, revision.id, path)
        playbook = offer.playbook or Playbook(tenant_id=actor.tenant_id, project_id=project.id, file_path=path)
        playbook.name = _free_name(actor, offer.name, project.name)
        playbook.is_active = True
        playbook.missing_since = None
        playbook.file_hash, playbook.manifest_hash = store.sha256_hex(data), revision.manifest_hash
        if offer.playbook is None:
            playbook.variable_specs = [dict(spec) for spec in offer.prompts]
            db.session.add(playbook)
        db.session.flush()
        made.append(playbook)
        audit.record(
            actor,
            "playbook:create",
            Resource("playbook", playbook.id),
            details={"name": playbook.name, "project": project.name, "file": path, "file_hash": playbook.file_hash},
        )
    return made


def upload_archive(
    actor: Actor,
    project_uuid: str,
    data: bytes,
    *,
    replace: bool,
    strip_folder: bool = False,
    version: int | None = None,
) -> dict[str, int]:
    """Make a new revision of an upload project from a .zip, .tar or .tar.gz; return counts as ``install_revision``.

    ``replace``: the archive is all there is from now on; else its files are added to, or put over, the present ones.
    ``strip_folder`` drops the outermost folder that all members share. Its playbooks need a new approval. Raises
    InvalidInput for an archive that cannot be used (see ``core.archives``), Conflict for a project of another kind.
    """
    require(actor, Permission.PLAYBOOK_EDIT)
    project = queries.get_project(actor, project_uuid)
    if project.source is not ProjectSource.UPLOAD:
        raise Conflict("Only projects for uploads take archives; this one is read from its source.", error="read_only")
    check_version(project, version)
    files = archive_files(data, strip_folder=strip_folder)
    if not replace:
        files = {**project_files.current_files(actor, project), **files}
    revision, counts, _notes = revisions.install_revision(actor, project, files)
    audit.record(
        actor,
        "playbook_project:upload",
        _resource(project),
        action="UPDATE",
        details={"name": project.name, "manifest_hash": revision.manifest_hash, "replace": replace, **counts},
    )
    return counts


def delete_project(actor: Actor, project_uuid: str, *, version: int | None = None) -> bool:
    """Remove a project whose playbooks have no jobs (True); else deactivate it and them, so that history stays (False).

    Conflict while a sync is open.
    """
    require(actor, Permission.PLAYBOOK_EDIT)
    project = queries.get_project(actor, project_uuid)
    check_version(project, version)
    newest = queries_sources.last_sync(actor, project)
    if newest is not None and newest.finished_at is None:
        raise Conflict("A sync of this project is under way. Wait for its end.", error="sync_open")
    playbooks = db.session.scalars(scoped(actor, Playbook).where(Playbook.project_id == project.id)).all()
    keep = project.source is ProjectSource.SAMPLE or any(queries.has_jobs(actor, playbook) for playbook in playbooks)
    audit.record(
        actor,
        "playbook_project:deactivate" if keep else "playbook_project:delete",
        _resource(project),
        action="UPDATE" if keep else "DELETE",
        details=_facts(project),
    )
    if keep:
        project.is_active = False
        for playbook in playbooks:
            playbook.is_active = False
        db.session.flush()
        return False
    project_files.remove_project(actor, project)
    return True


def _free_name(actor: Actor, name: str, project_name: str) -> str:
    tried = [name, f"{name} ({project_name})"[:255], *(f"{name[:240]} ({number})" for number in range(2, 100))]
    for candidate in tried:
        try:
            refuse_taken_name(actor, candidate)
        except Conflict:
            continue
        return candidate
    raise Conflict(f"There are already many playbooks named '{name}'. Rename one.", error="name_taken")


def _resource(project: PlaybookProject) -> Resource:
    return Resource("playbook_project", project.id, project.uuid)


def _facts(project: PlaybookProject) -> dict[str, Any]:
    return {key: getattr(project, key) for key in _SHOWN} | {"is_active": project.is_active}
