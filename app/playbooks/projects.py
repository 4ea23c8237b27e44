"""Projects: the sample project that each tenant can adopt, and one project per uploaded playbook."""

from __future__ import annotations

import logging
from typing import Any

from app.audit import service as audit
from app.audit.resource import Resource
from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.db import db
from app.core.errors import AppError, Conflict, InvalidInput
from app.core.permissions import Permission, require
from app.core.runtime import settings
from app.core.tenancy import scoped
from app.playbooks import content, queries
from app.playbooks.models import (
    ApprovalKind,
    Playbook,
    PlaybookApproval,
    PlaybookProject,
    ProjectRevision,
    ProjectSource,
)
from app.playbooks.sample_project import Entry, read_project_folder
from app.sources import store

log = logging.getLogger(__name__)


def adopt_sample_project(actor: Actor) -> PlaybookProject:
    """Take the shipped sample project into the actor's tenant, or bring it to the installed revision.

    Idempotent. Its playbooks are approved in the actor's name: they came with the platform itself. A playbook
    that the manifest no longer names is deactivated; one that people deactivated, or whose approval they withdrew,
    stays so. Raises InvalidInput when the folder cannot be used,
    Conflict when another active playbook has one of its names.
    """
    require(actor, Permission.PLAYBOOK_EDIT)
    require(actor, Permission.PLAYBOOK_APPROVE)
    if actor.user_id is None:
        raise InvalidInput("The sample project is adopted by a person or by the tenant's system user.")
    folder = read_project_folder(settings().sample_playbooks_dir)
    project = queries.sample_project(actor)
    is_new = project is None
    if project is None:
        project = PlaybookProject(tenant_id=actor.tenant_id, name=folder.name, source=ProjectSource.SAMPLE)
        refuse_taken_project_name(actor, folder.name)
        db.session.add(project)
    project.description = folder.description
    project.is_active = True
    db.session.flush()
    before = project.revision_id
    revision = content.make_revision(actor, project, folder.files)
    changed = before != revision.id
    known = {
        row.file_path: row
        for row in db.session.scalars(scoped(actor, Playbook).where(Playbook.project_id == project.id))
    }
    for entry in folder.entries:
        playbook = known.pop(entry.file, None)
        is_known = playbook is not None
        if playbook is None:
            playbook = Playbook(tenant_id=actor.tenant_id, project_id=project.id, file_path=entry.file, name="")
        changed |= _apply(actor, playbook, entry, revision, folder.files[entry.file].data, is_known)
        changed |= approve_row(actor, playbook, again=False)
    for gone in known.values():
        changed |= gone.is_active
        gone.is_active = False
    if changed or is_new:
        audit.record(
            actor,
            "playbook_project:adopt",
            Resource("playbook_project", project.id, project.uuid),
            action="CREATE" if is_new else "UPDATE",
            details={
                "name": project.name,
                "manifest_hash": revision.manifest_hash,
                "playbooks": [entry.name for entry in folder.entries],
            },
        )
    db.session.flush()
    return project


def ensure_sample_project(actor: Actor) -> None:
    """At every start: adopt what is missing or newer; what stands in the way is logged, the start goes on."""
    require(actor, Permission.PLAYBOOK_EDIT)
    try:
        with db.session.begin_nested():
            adopt_sample_project(actor)
    except AppError as error:
        log.warning("the sample project was not adopted: %s %s", error.message, error.errors)


def _apply(
    actor: Actor, playbook: Playbook, entry: Entry, revision: ProjectRevision, data: bytes, is_known: bool
) -> bool:
    """Make the row what the manifest says; return whether anything differed."""
    wanted: dict[str, Any] = {
        "name": entry.name,
        "description": entry.description or None,
        "file_hash": store.sha256_hex(data),
        "manifest_hash": revision.manifest_hash,
        "tags": list(entry.tags),
        "variable_specs": [spec.as_json() for spec in entry.specs],
        "variables": {spec.name: spec.default for spec in entry.specs if spec.default is not None},
        "shares_servers": entry.shares_servers,
        "is_sliceable": entry.is_sliceable,
        "timeout_seconds": entry.timeout_seconds,
    }
    if is_known and all(getattr(playbook, key) == value for key, value in wanted.items()):
        return False
    if not is_known or playbook.is_active:
        refuse_taken_name(actor, entry.name, playbook.id if is_known else None)
    for key, value in wanted.items():
        setattr(playbook, key, value)
    if not is_known:
        db.session.add(playbook)
    else:
        playbook.version += 1
    db.session.flush()
    return True


def refuse_taken_name(actor: Actor, name: str, own_id: int | None = None) -> None:
    """Raise Conflict when another active playbook of the tenant has this name (as the database compares)."""
    found = db.session.scalar(scoped(actor, Playbook).where(Playbook.active_name == name).limit(1))
    if found is not None and found.id != own_id:
        raise Conflict(f"There is already an active playbook named '{name}'. Choose another name.", error="name_taken")


def refuse_taken_project_name(actor: Actor, name: str) -> None:
    """Raise Conflict when the tenant has a project of this name."""
    if db.session.scalar(scoped(actor, PlaybookProject).where(PlaybookProject.name == name).limit(1)) is not None:
        raise Conflict(f"There is already a project named '{name}'. Choose another name.", error="name_taken")


def approve_row(
    actor: Actor,
    playbook: Playbook,
    *,
    again: bool = True,
    kind: ApprovalKind = ApprovalKind.FILE,
    commit_hash: str | None = None,
    branch: str | None = None,
) -> bool:
    """Write down that the actor lets the present content run; False when nothing changed by it.

    ``again=False`` leaves a withdrawn approval of the same content withdrawn.
    """
    found = db.session.scalar(
        scoped(actor, PlaybookApproval).where(
            PlaybookApproval.playbook_id == playbook.id, PlaybookApproval.manifest_hash == playbook.manifest_hash
        )
    )
    if found is None:
        found = PlaybookApproval(
            tenant_id=actor.tenant_id, playbook_id=playbook.id, manifest_hash=playbook.manifest_hash
        )
        db.session.add(found)
    elif not again or (found.revoked_at is None and found.file_hash == playbook.file_hash):
        return False
    assert actor.user_id is not None
    found.file_hash = playbook.file_hash
    found.approved_by = actor.user_id
    found.created_at = utc_now()
    found.revoked_at = found.revoked_by = None
    found.kind, found.commit_hash, found.branch = kind, commit_hash, branch
    db.session.flush()
    return True
