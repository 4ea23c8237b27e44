"""Reads of a project's branches."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import select

from app.core.actor import Actor
from app.core.db import db
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.terraform.models import ProjectSource, TerraformProject
from app.terraform.models_git import GitBranch

MOST_BRANCHES = 500  # of one project that are listed


def list_branches(actor: Actor, project: TerraformProject) -> Sequence[GitBranch]:
    """Return the branches of a project that were read, and its default one, by name; none for other projects."""
    require(actor, Permission.TERRAFORM_VIEW)
    if project.source is not ProjectSource.GIT:
        return []
    return db.session.scalars(
        scoped(actor, GitBranch)
        .where(GitBranch.project_id == project.id)
        .order_by(GitBranch.is_default.desc(), GitBranch.name)
        .limit(MOST_BRANCHES)
    ).all()


def branch_names(actor: Actor, branch_ids: Collection[int | None]) -> dict[int, str]:
    """Return the names of these branches by number; one query, none for no branch."""
    require(actor, Permission.TERRAFORM_VIEW)
    ids = {branch_id for branch_id in branch_ids if branch_id is not None}
    if not ids:
        return {}
    rows = db.session.execute(
        select(GitBranch.id, GitBranch.name).where(GitBranch.tenant_id == actor.tenant_id, GitBranch.id.in_(ids))
    )
    return {row.id: row.name for row in rows}
