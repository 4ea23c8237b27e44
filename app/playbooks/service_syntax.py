"""Have a worker check a playbook's syntax: a launch without servers that parses and runs no task."""

from __future__ import annotations

from sqlalchemy import select

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict, NotFound
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.jobs import service as jobs
from app.jobs.models import Job, Launch
from app.jobs.service import Submission
from app.jobs.status import LockMode
from app.playbooks import content, queries
from app.playbooks.models import Playbook
from app.playbooks.service_approval import refuse_own_content

KIND = "ansible_syntax"
SUBJECT = "playbook_syntax"
TIMEOUT_SECONDS = 120


def check_syntax(actor: Actor, playbook_id: int, *, source: str = "web") -> Launch:
    """Launch a syntax check of the present content; returns the pending launch.

    Parsing is not harmless: ansible evaluates names of imported files and loads a project's own plugins. So content
    that is not approved is checked only for somebody who may approve it, and others get Conflict.
    """
    require(actor, Permission.JOB_LAUNCH)
    playbook = queries.get_playbook(actor, playbook_id)
    revision = content.find_revision(actor, playbook.project_id, playbook.manifest_hash)
    if revision is None:
        raise Conflict("The stored files of this playbook do not match its hashes.", error="hash_mismatch")
    if queries.approval_of(actor, playbook) is None:
        refuse_own_content(actor, revision)
    return jobs.submit(
        actor,
        Submission(
            kind=KIND,
            subject_type=SUBJECT,
            subject_id=playbook.id,
            title=f"Syntax of {playbook.name}",
            inputs={
                "playbook_id": playbook.id,
                "revision_id": revision.id,
                "file_path": playbook.file_path,
                "file_hash": playbook.file_hash,
                "manifest_hash": playbook.manifest_hash,
            },
            targets=(),
            engine=queries.project_of(actor, playbook).engine,
            lock_mode=LockMode.SHARED,
            timeout_seconds=TIMEOUT_SECONDS,
            is_check=True,  # somebody reads the answer: a mistake opens no ticket
            source=source,
        ),
    )


def check_again(actor: Actor, launch_uuid: str) -> Launch:
    """Check the syntax of the same playbook as it is now."""
    require(actor, Permission.JOB_LAUNCH)
    old = db.session.scalar(scoped(actor, Launch).where(Launch.uuid == launch_uuid, Launch.subject_type == SUBJECT))
    if old is None:
        raise NotFound("The launch")
    return check_syntax(actor, old.subject_id, source="relaunch")


def last_check(actor: Actor, playbook: Playbook) -> tuple[Launch, Job] | None:
    """Return the newest syntax check of a playbook with its job, None before the first (one query)."""
    require(actor, Permission.PLAYBOOK_VIEW)
    row = db.session.execute(
        select(Launch, Job)
        .join(Job, (Job.tenant_id == Launch.tenant_id) & (Job.launch_id == Launch.id))
        .where(
            Launch.tenant_id == actor.tenant_id,
            Job.tenant_id == actor.tenant_id,
            Launch.subject_type == SUBJECT,
            Launch.subject_id == playbook.id,
        )
        .order_by(Launch.id.desc())
        .limit(1)
    ).first()
    return None if row is None else (row[0], row[1])
