"""Reads of a project's branches."""

from __future__ import annotations

from collections.abc import Sequence

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
