"""Reads of projects' syncs and of the playbooks found in them. Every one starts from ``scoped``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import true
from sqlalchemy.orm import undefer

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.core.pagination import Page, paginate
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.playbooks import content
from app.playbooks.models import Playbook, PlaybookProject, ProjectSync
from app.playbooks.revisions import entries_of


@dataclass(frozen=True, slots=True)
class Offer:
    """A playbook file of the newest revision, and the playbook that was made of it (None: it is offered)."""

    path: str
    name: str
    hosts: str
    prompts: Sequence[dict[str, Any]]
    playbook: Playbook | None


def offers_of(actor: Actor, project: PlaybookProject) -> list[Offer]:
    """Return the playbook files of the newest revision with the playbooks made of them, by path."""
    require(actor, Permission.PLAYBOOK_VIEW)
    known = {
        row.file_path: row
        for row in db.session.scalars(scoped(actor, Playbook).where(Playbook.project_id == project.id))
    }
    revision = content.revision_of(actor, project)
    return [
        Offer(entry["path"], entry["name"], entry["hosts"], entry.get("prompts") or [], known.get(entry["path"]))
        for entry in entries_of(revision)
    ]


def missing_playbooks(actor: Actor, project: PlaybookProject) -> Sequence[Playbook]:
    """Return active playbooks of the project whose file is gone in the newest revision."""
    require(actor, Permission.PLAYBOOK_VIEW)
    return db.session.scalars(
        scoped(actor, Playbook)
        .where(Playbook.project_id == project.id, Playbook.missing_since.is_not(None), Playbook.is_active == true())
        .order_by(Playbook.name)
    ).all()


def list_syncs(
    actor: Actor, project: PlaybookProject, *, page: int = 1, page_size: int = 50, after: int | None = None
) -> Page[ProjectSync]:
    """Return the project's syncs, newest first, without their logs."""
    require(actor, Permission.PLAYBOOK_VIEW)
    statement = scoped(actor, ProjectSync).where(ProjectSync.project_id == project.id)
    return paginate(statement, ProjectSync.id, page=page, page_size=page_size, after=after)


def last_sync(actor: Actor, project: PlaybookProject) -> ProjectSync | None:
    """Return the newest sync with its log, None before the first."""
    require(actor, Permission.PLAYBOOK_VIEW)
    return db.session.scalar(
        scoped(actor, ProjectSync)
        .where(ProjectSync.project_id == project.id)
        .options(undefer(ProjectSync.log))
        .order_by(ProjectSync.id.desc())
        .limit(1)
    )


def get_sync(actor: Actor, sync_uuid: str, project: PlaybookProject | None = None) -> ProjectSync:
    """Return one sync (of ``project``) with its log; NotFound when it is unknown or another's."""
    require(actor, Permission.PLAYBOOK_VIEW)
    found = db.session.scalar(
        scoped(actor, ProjectSync).where(ProjectSync.uuid == sync_uuid).options(undefer(ProjectSync.log))
    )
    if found is None or (project is not None and found.project_id != project.id):
        raise NotFound("The sync")
    return found
