"""Launches of projects that are read again first: the newest commit runs, and only if it is approved.

The launch asks for a sync; whichever worker carries a run of it reads the source, or waits for who does, and writes the
content that was found into the launch before its runs are planned.
"""

from __future__ import annotations

import time

from sqlalchemy import select

from app.core.actor import Actor
from app.core.db import db, unit_of_work
from app.core.tenancy import tenant_scope
from app.jobs.kinds import PREPARE, PreparationError
from app.jobs.models import Launch
from app.playbooks import content, queries
from app.playbooks.models import SYNC_OPEN, ProjectSync, SyncStatus
from app.playbooks.sync_work import sync_project
from app.runners.base import FailureCode

WAIT_SECONDS = 120  # well below the lease of a claimed run
POLL_SECONDS = 0.5


def sync_first(tenant_id: int, launch_id: int) -> None:
    """Have the launch's sync done, then point the launch at the content that is in force now.

    Raises PreparationError when the source cannot be read, takes too long, or no longer has the playbook.
    """
    with tenant_scope(tenant_id), unit_of_work(writes=False):
        sync_id = _launch(tenant_id, launch_id).inputs.get(PREPARE)
    if sync_id is not None:
        sync_project(int(sync_id), seconds=WAIT_SECONDS)
        _await(tenant_id, int(sync_id))
    with tenant_scope(tenant_id), unit_of_work():
        _point(tenant_id, _launch(tenant_id, launch_id))


def _launch(tenant_id: int, launch_id: int) -> Launch:
    return db.session.scalars(select(Launch).where(Launch.tenant_id == tenant_id, Launch.id == launch_id)).one()


def _await(tenant_id: int, sync_id: int) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        with tenant_scope(tenant_id), unit_of_work(writes=False):
            sync = db.session.scalar(
                select(ProjectSync).where(ProjectSync.tenant_id == tenant_id, ProjectSync.id == sync_id)
            )
        if sync is None or sync.status is SyncStatus.SUCCESS:
            return
        if sync.status not in SYNC_OPEN:
            raise _stop(f"The project could not be read before the launch: {sync.error_message} Nothing was run.")
        if time.monotonic() > deadline:
            raise _stop("The project's sync did not end in time. Nothing was run. Look at it, then launch again.")
        time.sleep(POLL_SECONDS)


def _stop(message: str) -> PreparationError:
    return PreparationError(FailureCode.ENGINE_ERROR, message)


def _point(tenant_id: int, launch: Launch) -> None:
    actor = Actor.system(tenant_id)
    playbook = queries.get_playbook(actor, launch.subject_id)
    inputs = {key: value for key, value in launch.inputs.items() if key != PREPARE}
    revision = content.find_revision(actor, playbook.project_id, playbook.manifest_hash)
    if playbook.missing_since is not None or revision is None:
        raise _stop(f"The newest commit of the project has no file {playbook.file_path} any more. Nothing was run.")
    if playbook.manifest_hash != inputs["manifest_hash"] and queries.approval_of(actor, playbook) is None:
        raise PreparationError(
            FailureCode.HASH_MISMATCH,
            "The project has a newer commit, which nobody has approved. Nothing was run. Read and approve it, then "
            "launch again.",
        )
    launch.inputs = {
        **inputs,
        "revision_id": revision.id,
        "file_hash": playbook.file_hash,
        "manifest_hash": playbook.manifest_hash,
    }
