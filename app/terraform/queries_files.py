"""Reads of a project's files and revisions."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from app.accounts.models import User
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.core.pagination import Page, paginate
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.sources import revision_files
from app.terraform.models import TerraformProject
from app.terraform.models_files import TerraformFile, TerraformRevision


def current_revision(actor: Actor, project: TerraformProject) -> TerraformRevision | None:
    """Return the revision in force, None before the first files."""
    require(actor, Permission.TERRAFORM_VIEW)
    return revision_of(actor, project.revision_id)


def revision_of(actor: Actor, revision_id: int | None) -> TerraformRevision | None:
    """Return a revision by its number, None for none."""
    require(actor, Permission.TERRAFORM_VIEW)
    if revision_id is None:
        return None
    return db.session.scalar(scoped(actor, TerraformRevision).where(TerraformRevision.id == revision_id))


def get_revision(actor: Actor, project: TerraformProject, uuid: str) -> TerraformRevision:
    """Return a revision of a project; raises NotFound."""
    require(actor, Permission.TERRAFORM_VIEW)
    found = db.session.scalar(
        scoped(actor, TerraformRevision).where(
            TerraformRevision.project_id == project.id, TerraformRevision.uuid == uuid
        )
    )
    if found is None:
        raise NotFound("This revision")
    return found


def list_revisions(
    actor: Actor, project: TerraformProject, *, page: int = 1, page_size: int = 50, after: int | None = None
) -> Page[TerraformRevision]:
    """Return a project's revisions, the newest first."""
    require(actor, Permission.TERRAFORM_VIEW)
    statement = scoped(actor, TerraformRevision).where(TerraformRevision.project_id == project.id)
    return paginate(statement, TerraformRevision.id, page=page, page_size=page_size, after=after)


def author_names(actor: Actor, project: TerraformProject) -> dict[int, str]:
    """Return the names of whoever made revisions of a project, by user number."""
    require(actor, Permission.TERRAFORM_VIEW)
    authors = select(TerraformRevision.created_by).where(
        TerraformRevision.tenant_id == actor.tenant_id, TerraformRevision.project_id == project.id
    )
    rows = db.session.execute(
        select(User.id, User.username).where(User.tenant_id == actor.tenant_id, User.id.in_(authors.distinct()))
    )
    return {row.id: row.username for row in rows}


def list_files(actor: Actor, revision: TerraformRevision | None) -> Sequence[tuple[str, int]]:
    """Return (path, bytes) of the files of a revision, by path."""
    require(actor, Permission.TERRAFORM_VIEW)
    return [] if revision is None else revision_files.file_sizes(actor, TerraformFile, revision.id)


def read_file(actor: Actor, revision: TerraformRevision, path: str) -> bytes:
    """Return the bytes of one file of a revision; raises NotFound."""
    require(actor, Permission.TERRAFORM_VIEW)
    return revision_files.read_file(actor, TerraformFile, revision.id, path)
