"""Commands on syncs: asking for one. What a worker then does is in sync_work."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError

from app.audit import service as audit
from app.audit.resource import Resource
from app.core import queue
from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.db import db
from app.core.errors import Conflict
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.playbooks import projects, queries
from app.playbooks.models import SYNC_OPEN, PlaybookProject, ProjectSource, ProjectSync, SyncStatus

SYNC_PROJECT = "playbooks.sync_project"  # the doorbell; the row is the truth


def request_sync(actor: Actor, project_uuid: str, *, reason: str = "request") -> ProjectSync:
    """Ask a worker to read the project's source again; asking while one is open gives that one. Audited.

    The sample project needs no worker and is read at once. Conflict for an upload or a deactivated project.
    """
    require(actor, Permission.PLAYBOOK_EDIT)
    project = queries.get_project(actor, project_uuid)
    if project.source is ProjectSource.UPLOAD:
        raise Conflict(
            "This project is an upload; there is nothing to read it from again. Upload its files instead.",
            error="no_source",
        )
    if project.source is ProjectSource.SAMPLE:
        return _read_sample(actor, project)
    if not project.is_active:
        raise Conflict("This project is deactivated. Activate it, then sync.", error="inactive")
    sync = queue_sync(actor, project, reason=reason)
    audit.record(
        actor,
        "playbook_project:sync",
        Resource("playbook_project", project.id, project.uuid),
        action="SYNC",
        details={"name": project.name, "sync": sync.uuid},
    )
    return sync


def queue_sync(actor: Actor, project: PlaybookProject, *, reason: str) -> ProjectSync:
    """Return the project's open sync, a new one when there is none, and ring for it after the commit."""
    require(actor, Permission.PLAYBOOK_VIEW)
    sync = _open_sync(actor, project, reason)
    queue.send_after_commit(SYNC_PROJECT, sync_id=sync.id)
    return sync


def _open_sync(actor: Actor, project: PlaybookProject, reason: str) -> ProjectSync:
    find = scoped(actor, ProjectSync).where(ProjectSync.project_id == project.id, ProjectSync.status.in_(SYNC_OPEN))
    found = db.session.scalar(find)
    if found is not None:
        return found
    made = ProjectSync(tenant_id=actor.tenant_id, project_id=project.id, requested_by=actor.user_id, reason=reason)
    try:
        with db.session.begin_nested():
            db.session.add(made)
    except IntegrityError:  # somebody asked at the same moment
        return db.session.scalars(find).one()
    return made


def _read_sample(actor: Actor, project: PlaybookProject) -> ProjectSync:
    before, started = project.revision_id, utc_now()
    projects.adopt_sample_project(actor)
    now = utc_now()
    project.synced_at, project.sync_error = now, None
    sync = ProjectSync(
        tenant_id=actor.tenant_id,
        project_id=project.id,
        requested_by=actor.user_id,
        status=SyncStatus.SUCCESS,
        started_at=started,
        finished_at=now,
        revision_id=project.revision_id,
        log="Read from the installation: "
        + ("nothing new." if before == project.revision_id else "a new revision is in force."),
    )
    db.session.add(sync)
    db.session.flush()
    return sync
