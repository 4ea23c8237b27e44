"""Revisions of playbook projects: states of their files that never change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from app.core.actor import Actor
from app.core.db import db
from app.core.tenancy import scoped
from app.playbooks.models import PlaybookProject, ProjectFile, ProjectRevision
from app.sources import revision_files
from app.sources.store import SourceFile, StoredFile, check_files, manifest_hash, sha256_hex


def make_revision(
    actor: Actor,
    project: PlaybookProject,
    files: Mapping[str, SourceFile],
    *,
    packs: Mapping[str, bytes] | None = None,
    **facts: Any,
) -> ProjectRevision:
    """Store ``files`` as the project's newest revision and put it in force; the same files make no new one.

    ``packs`` are roles and collections of its requirements by their path (``requirements``), ``facts`` further columns
    of the revision (commit, entries, requirements).
    Raises InvalidInput for a path that is not allowed, too many files or too many bytes.
    """
    check_files(files)
    every = {**files, **{path: SourceFile(data) for path, data in (packs or {}).items()}}
    digests = {path: sha256_hex(file.data) for path, file in every.items()}
    whole = manifest_hash((path, file.executable, digests[path]) for path, file in every.items())
    current = revision_of(actor, project)
    if current is not None and current.manifest_hash == whole:
        return current
    revision = ProjectRevision(
        tenant_id=actor.tenant_id,
        project_id=project.id,
        manifest_hash=whole,
        created_by=actor.user_id,
        file_count=len(every),
        total_bytes=sum(len(file.data) for file in every.values()),
        **facts,
    )
    db.session.add(revision)
    db.session.flush()
    revision_files.store_files(actor, ProjectFile, revision.id, every)
    project.revision_id = revision.id
    db.session.flush()
    return revision


def revision_of(actor: Actor, project: PlaybookProject) -> ProjectRevision | None:
    """Return the revision in force, None before the first."""
    if project.revision_id is None:
        return None
    return db.session.scalar(scoped(actor, ProjectRevision).where(ProjectRevision.id == project.revision_id))


def find_revision(actor: Actor, project_id: int, whole: str) -> ProjectRevision | None:
    """Return the newest revision of a project with this manifest hash."""
    return db.session.scalar(
        scoped(actor, ProjectRevision)
        .where(ProjectRevision.project_id == project_id, ProjectRevision.manifest_hash == whole)
        .order_by(ProjectRevision.id.desc())
        .limit(1)
    )


def read_revision(tenant_id: int, revision_id: int) -> Sequence[StoredFile]:
    """Return every file of a revision with its bytes, by path (one query); unchecked, see ``job_kind``."""
    return revision_files.read_files(ProjectFile, tenant_id, revision_id)


def read_file(actor: Actor, revision_id: int, path: str) -> bytes:
    """Return the bytes of one file of a revision; NotFound when it has no such file."""
    return revision_files.read_file(actor, ProjectFile, revision_id, path)


def file_sizes(actor: Actor, revision_id: int) -> Sequence[tuple[str, int]]:
    """Return (path, bytes) of every file of a revision, by path."""
    return revision_files.file_sizes(actor, ProjectFile, revision_id)


def file_ids(actor: Actor, revision_id: int) -> dict[str, tuple[int, bool]]:
    """Return (content id, executable) of every file of a revision by path."""
    rows = db.session.execute(
        select(ProjectFile.path, ProjectFile.content_id, ProjectFile.executable).where(
            ProjectFile.tenant_id == actor.tenant_id, ProjectFile.revision_id == revision_id
        )
    )
    return {row.path: (row.content_id, row.executable) for row in rows}
