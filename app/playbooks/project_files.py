"""The rows of a project as a whole: its present files with their bytes, and its removal."""

from __future__ import annotations

from sqlalchemy import delete

from app.core.actor import Actor
from app.core.db import db
from app.core.tenancy import scoped
from app.playbooks import content
from app.playbooks.models import (
    Playbook,
    PlaybookApproval,
    PlaybookProject,
    ProjectFile,
    ProjectRevision,
    ProjectSource,
    ProjectSync,
)
from app.runners.ansible_inputs import REQUIREMENTS
from app.sources.store import SourceFile


def current_files(actor: Actor, project: PlaybookProject) -> dict[str, SourceFile]:
    """Return the files of the revision in force, without the roles and collections that came with them."""
    if project.revision_id is None:
        return {}
    return {
        file.path: SourceFile(file.data, file.executable)
        for file in content.read_revision(actor.tenant_id, project.revision_id)
        if not file.path.startswith(f"{REQUIREMENTS}/")
    }


def is_only_playbook(actor: Actor, project: PlaybookProject, playbook: Playbook) -> bool:
    """Say whether an upload consists of this playbook alone, so that it goes when the playbook goes."""
    others = (
        scoped(actor, Playbook)
        .with_only_columns(Playbook.id)
        .where(Playbook.project_id == project.id, Playbook.id != playbook.id)
    )
    files = content.file_ids(actor, project.revision_id) if project.revision_id is not None else {}
    is_upload = project.source is ProjectSource.UPLOAD
    return is_upload and set(files) <= {playbook.file_path} and db.session.scalar(others.limit(1)) is None


def remove_project(actor: Actor, project: PlaybookProject) -> None:
    """Delete a project with its playbooks, revisions and syncs; contents stay, other projects may use them."""
    revisions = (
        scoped(actor, ProjectRevision)
        .with_only_columns(ProjectRevision.id)
        .where(ProjectRevision.project_id == project.id)
    )
    playbooks = scoped(actor, Playbook).with_only_columns(Playbook.id).where(Playbook.project_id == project.id)
    revision_ids, playbook_ids = list(db.session.scalars(revisions)), list(db.session.scalars(playbooks))
    for model, column, ids in (
        (PlaybookApproval, PlaybookApproval.playbook_id, playbook_ids),
        (Playbook, Playbook.id, playbook_ids),
        (ProjectFile, ProjectFile.revision_id, revision_ids),
        (ProjectRevision, ProjectRevision.id, revision_ids),
        (ProjectSync, ProjectSync.project_id, [project.id]),
    ):
        db.session.execute(
            delete(model)
            .where(model.tenant_id == actor.tenant_id, column.in_(ids))
            .execution_options(synchronize_session=False)
        )
    db.session.expunge(project)
    db.session.execute(
        delete(PlaybookProject)
        .where(PlaybookProject.tenant_id == actor.tenant_id, PlaybookProject.id == project.id)
        .execution_options(synchronize_session=False)
    )
