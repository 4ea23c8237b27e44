"""The standing approval of a protected branch: what a successful sync brings from it may run at once."""

from __future__ import annotations

import logging
from dataclasses import replace

from sqlalchemy import select, true

from app.accounts.models import User
from app.audit import service as audit
from app.audit.resource import Resource
from app.core.actor import Actor, Role
from app.core.db import db
from app.core.tenancy import scoped
from app.playbooks.models import ApprovalKind, Playbook, PlaybookProject, ProjectRevision
from app.playbooks.projects import approve_row

log = logging.getLogger(__name__)


def rule_of(project: PlaybookProject) -> str | None:
    """Return the branch whose commits are approved as they come in, None when no rule is in force.

    A rule is of one branch at one address: it lapses when the project is pointed elsewhere.
    """
    here = (project.approved_branch, project.approved_branch_url) == (project.git_branch, project.git_url)
    return project.approved_branch if project.approved_branch and project.git_url and here else None


def approve_by_rule(actor: Actor, project: PlaybookProject, revision: ProjectRevision) -> list[Playbook]:
    """Approve every active playbook of a revision that a sync has just put in force; return those approved.

    Nothing happens without a rule in force, for a revision without a commit, and when the administrator who set the
    rule is one no longer. A withdrawn approval of the same content stays withdrawn. ``actor`` is whoever synced and
    stands in the audit entry; the approval is in the name of the person who set the rule.
    """
    branch = rule_of(project)
    if branch is None or revision.commit_hash is None or revision.id != project.revision_id:
        return []
    owner = _owner(actor, project)
    if owner is None:
        log.warning("branch rule without an administrator behind it", extra={"project": project.uuid})
        return []
    behind = replace(actor, user_id=owner.id)
    playbooks = db.session.scalars(
        scoped(actor, Playbook).where(
            Playbook.project_id == project.id,
            Playbook.is_active == true(),
            Playbook.manifest_hash == revision.manifest_hash,
        )
    ).all()
    approved = [
        playbook
        for playbook in playbooks
        if approve_row(
            behind,
            playbook,
            again=False,
            kind=ApprovalKind.BRANCH,
            commit_hash=revision.commit_hash,
            branch=branch,
        )
    ]
    if approved:
        audit.record(
            actor,
            "playbook_project:approve",
            Resource("playbook_project", project.id, project.uuid),
            details={
                "name": project.name,
                "rule": branch,
                "rule_set_by": owner.username,
                "commit": revision.commit_hash,
                "manifest_hash": revision.manifest_hash,
                "playbooks": [playbook.name for playbook in approved][:100],
            },
        )
    return approved


def _owner(actor: Actor, project: PlaybookProject) -> User | None:
    return db.session.scalar(
        select(User).where(
            User.tenant_id == actor.tenant_id,
            User.id == project.approved_branch_by,
            User.is_active == true(),
            User.role == Role.ADMIN,
        )
    )
