"""A project sync, on a worker: claim the row, fetch, read, resolve requirements, store; never half of it.

The row carries the request and the answer; the doorbell may be lost, doubled or late. Whatever goes wrong, the old
revision stays in force and the project says what to do. A worker that dies is noticed by its silence.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import or_, select

from app.audit import service as audit
from app.audit.resource import Resource
from app.core import queue
from app.core.actor import Actor
from app.core.crypto import DecryptionError
from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.errors import AppError
from app.core.runtime import settings
from app.core.state_machine import transition
from app.core.tenancy import system_scope, tenant_scope
from app.playbooks import content, revisions
from app.playbooks.branch_rule import approve_by_rule
from app.playbooks.models import SYNC_TRANSITIONS, PlaybookProject, ProjectSync, SyncStatus
from app.playbooks.service_sync import SYNC_PROJECT
from app.playbooks.sync_requirements import resolve_requirements
from app.playbooks.sync_task import Fenced, Pulse, SyncTask
from app.runners.masking import Masker
from app.sources.git_address import AddressRefused, parse_git_url
from app.sources.git_client import GitError
from app.sources.git_fields import credential_of
from app.sources.git_tree import Commit
from app.sources.remote import Place, private_folder, read_remote
from app.sources.store import SourceFile
from app.sources.sync_log import SyncLog

log = logging.getLogger(__name__)

RING_AGAIN_SECONDS = 15  # a request that nobody took is rung again
SILENT_SECONDS = 60  # a worker that did not renew its sync for so long is dead
MAX_MESSAGE = 1000


@dataclass(slots=True)
class Fetched:
    """What was read: the commit, its files, packs of its requirements."""

    commit: Commit
    branch: str
    files: Mapping[str, SourceFile]
    packs: Mapping[str, bytes] = field(default_factory=dict)
    requirements: list[dict[str, Any]] | None = None


def sync_project(sync_id: int, *, seconds: float | None = None) -> None:
    """Carry out a requested sync; does nothing when there is none, or another worker has it.

    ``seconds`` is the most it may take, by default that of the setting.
    """
    task = _take(sync_id)
    if task is None:
        return
    said = SyncLog(Masker([task.credential.secret] if task.credential.secret else []))
    try:
        fetched = _read(task, said, seconds)
        _store(task, fetched, said)
    except Fenced:
        log.warning("playbooks.sync_fenced", extra={"sync_id": sync_id})
    except (GitError, AddressRefused) as error:
        detail = getattr(error, "detail", "")
        if detail:
            said.add(detail)
        _fail(task.tenant_id, task.sync_id, error.code, str(error), said, getattr(error, "lines", None))
    except AppError as error:
        words = [text for texts in error.errors.values() for text in texts] or [error.message]
        _fail(task.tenant_id, task.sync_id, error.error, " ".join(words), said)
    except Exception as error:
        log.exception("playbooks.sync_failed", extra={"sync_id": sync_id})
        text = f"The sync itself failed ({type(error).__name__}); the worker's log has more."
        _fail(task.tenant_id, task.sync_id, "internal", text, said)


def _take(sync_id: int) -> SyncTask | None:
    """Claim the sync by compare-and-set; None when it is not to be had."""
    with system_scope("project sync"), unit_of_work():
        now = database_now()
        taken = transition(
            ProjectSync.status,
            SYNC_TRANSITIONS,
            SyncStatus.RUNNING,
            ProjectSync.id == sync_id,
            started_at=now,
            beat_at=now,
            worker=settings().host_name,
        )
        if not taken:
            return None
        sync = db.session.scalars(select(ProjectSync).where(ProjectSync.id == sync_id)).one()
        project = db.session.scalars(
            select(PlaybookProject).where(
                PlaybookProject.tenant_id == sync.tenant_id, PlaybookProject.id == sync.project_id
            )
        ).one()
        tenant_id = sync.tenant_id
        revision = content.revision_of(Actor.system(tenant_id), project)
        kept = {entry["key"]: entry for entry in (revision.requirements or [])} if revision else {}
        try:
            return SyncTask(
                sync_id,
                tenant_id,
                project.id,
                sync.requested_by,
                parse_git_url(project.git_url or ""),
                project.git_branch,
                project.git_subfolder,
                project.git_host_keys or "",
                credential_of(project),
                revision.id if revision else None,
                kept,
            )
        except AppError as error:
            code, text = error.error, " ".join(str(texts[0]) for texts in error.errors.values())
        except DecryptionError:
            code, text = "credential", "The stored credential can no longer be opened. Enter it again."
    _fail(tenant_id, sync_id, code, text, SyncLog(Masker([])))
    return None


def _read(task: SyncTask, said: SyncLog, seconds: float | None = None) -> Fetched:
    """Fetch and read everything into memory. Opens no database but to say that it lives."""
    pulse = Pulse(task, seconds)
    place = Place(task.url, task.branch, task.subfolder, task.host_keys, task.credential)
    with private_folder() as folder:
        remote = read_remote(folder, place, said, deadline_left=pulse.left, tick=pulse.beat)
        shown, packs = resolve_requirements(task, folder, remote.files, pulse, said)
    return Fetched(remote.commit, remote.branch, remote.files, packs, shown)


def _store(task: SyncTask, fetched: Fetched, said: SyncLog) -> None:
    """Put the revision in force and finish the sync in one transaction; raises Fenced when it is no longer ours."""
    with tenant_scope(task.tenant_id), unit_of_work():
        actor = Actor.system(task.tenant_id, task.requested_by)
        project = _project(task.tenant_id, task.project_id)
        before = content.revision_of(actor, project)
        commit = fetched.commit
        revision, counts, notes = revisions.install_revision(
            actor,
            project,
            fetched.files,
            packs=fetched.packs,
            commit_hash=commit.hash,
            commit_author=commit.author,
            commit_date=commit.date,
            commit_message=commit.message,
            requirements=fetched.requirements,
        )
        for note in notes:
            said.add(note)
        approved = approve_by_rule(actor, project, revision)
        if approved:
            said.add(f"approved by the branch rule: {len(approved)} playbooks")
        is_new = before is None or before.id != revision.id
        said.add("a new revision is in force" if is_new else "the files are those of the revision in force")
        now = database_now()
        project.synced_at, project.sync_error, project.git_offered_keys = now, None, None
        moved = transition(
            ProjectSync.status,
            SYNC_TRANSITIONS,
            SyncStatus.SUCCESS,
            ProjectSync.id == task.sync_id,
            finished_at=now,
            commit_hash=commit.hash,
            revision_id=revision.id,
            counts=counts,
            log=said.text(),
        )
        if not moved:
            raise Fenced
        if is_new:
            audit.record(
                actor,
                "playbook_project:revision",
                Resource("playbook_project", project.id, project.uuid),
                action="UPDATE",
                details={
                    "name": project.name,
                    "commit": commit.hash,
                    "manifest_hash": [before.manifest_hash if before else None, revision.manifest_hash],
                    **counts,
                },
            )


def _project(tenant_id: int, project_id: int) -> PlaybookProject:
    return db.session.scalars(
        select(PlaybookProject).where(PlaybookProject.tenant_id == tenant_id, PlaybookProject.id == project_id)
    ).one()


def _fail(tenant_id: int, sync_id: int, code: str, text: str, said: SyncLog, offered: str | None = None) -> bool:
    """Finish a sync as failed and tell the project; False when it was finished already."""
    message = said.mask(text)[:MAX_MESSAGE]
    said.add(f"failed: {message}")
    with tenant_scope(tenant_id), unit_of_work():
        moved = transition(
            ProjectSync.status,
            SYNC_TRANSITIONS,
            SyncStatus.FAILED,
            ProjectSync.id == sync_id,
            finished_at=database_now(),
            error_code=code[:40],
            error_message=message,
            log=said.text(),
        )
        if not moved:
            return False
        sync = db.session.scalars(
            select(ProjectSync).where(ProjectSync.tenant_id == tenant_id, ProjectSync.id == sync_id)
        ).one()
        project = _project(tenant_id, sync.project_id)
        project.sync_error = message
        if offered is not None:
            project.git_offered_keys = offered
        audit.record(
            Actor.system(tenant_id, sync.requested_by),
            "playbook_project:sync",
            Resource("playbook_project", project.id, project.uuid),
            action="ALERT" if code == "host_key_changed" else "SYNC",
            details={"name": project.name, "error": code, "message": message},
            outcome="failed",
        )
        return True


def overdue_syncs(limit: int = 100) -> tuple[list[int], list[tuple[int, int]]]:
    """Return ids of syncs that nobody took, and (tenant, id) of those whose worker fell silent; oldest first."""
    with system_scope("keeper: overdue syncs"), unit_of_work(writes=False):
        now = database_now()
        statement = (
            select(ProjectSync.id, ProjectSync.tenant_id, ProjectSync.status)
            .where(
                or_(
                    (ProjectSync.status == SyncStatus.PENDING)
                    & (ProjectSync.created_at < now - timedelta(seconds=RING_AGAIN_SECONDS)),
                    (ProjectSync.status == SyncStatus.RUNNING)
                    & (ProjectSync.beat_at < now - timedelta(seconds=SILENT_SECONDS)),
                )
            )
            .order_by(ProjectSync.created_at)
            .limit(limit)
        )
        rows = db.session.execute(statement).all()
    waiting = [row.id for row in rows if row.status is SyncStatus.PENDING]
    return waiting, [(row.tenant_id, row.id) for row in rows if row.status is SyncStatus.RUNNING]


def ring_overdue_syncs() -> int:
    """The keeper's chore: ring again for what waits, fail what lost its worker; return how many were seen to."""
    waiting, lost = overdue_syncs()
    text = "The worker that read it died or was stopped. Nothing was changed; sync again."
    failed = sum(_fail(tenant_id, sync_id, "lost", text, SyncLog(Masker([]))) for tenant_id, sync_id in lost)
    return failed + sum(queue.send(SYNC_PROJECT, sync_id=sync_id) for sync_id in waiting)
