"""Files of projects: kept once per tenant by their SHA-256, put together into revisions that never change."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import undefer

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import InvalidInput, NotFound
from app.core.tenancy import scoped
from app.playbooks.models import PlaybookContent, PlaybookProject, ProjectFile, ProjectRevision
from app.playbooks.paths import check_path

MAX_FILES = 500
MAX_PROJECT_BYTES = 8_388_608
_MODES = {False: "100644", True: "100755"}  # as git writes them


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file that is to become part of a revision."""

    data: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a revision; ``sha256`` is what the row says, not computed from ``data``."""

    path: str
    sha256: str
    executable: bool
    data: bytes


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of ``data`` in hex."""
    return hashlib.sha256(data).hexdigest()


def manifest_hash(files: Iterable[tuple[str, bool, str]]) -> str:
    """Return the SHA-256 over (path, executable, content hash) of every file, sorted by path.

    Each file adds ``<mode> <content hash> <path>`` and a NUL, so no two lists of files look the same.
    """
    digest = hashlib.sha256()
    for path, executable, content_hash in sorted(files):
        digest.update(f"{_MODES[executable]} {content_hash} {path}\0".encode())
    return digest.hexdigest()


def store_content(actor: Actor, data: bytes) -> PlaybookContent:
    """Return the row of these bytes in the actor's tenant, inserted when there is none yet (flushed)."""
    digest = sha256_hex(data)
    find = scoped(actor, PlaybookContent).where(PlaybookContent.sha256 == digest)
    found = db.session.scalar(find)
    if found is not None:
        return found
    made = PlaybookContent(tenant_id=actor.tenant_id, sha256=digest, size=len(data), data=data)
    try:
        with db.session.begin_nested():
            db.session.add(made)
    except IntegrityError:  # somebody stored the same bytes in the meantime
        return db.session.scalars(find).one()
    return made


def make_revision(actor: Actor, project: PlaybookProject, files: Mapping[str, SourceFile]) -> ProjectRevision:
    """Store ``files`` as the project's newest revision and put it in force; the same files make no new one.

    Raises InvalidInput for a path that is not allowed, too many files or too many bytes.
    """
    if not 1 <= len(files) <= MAX_FILES:
        raise InvalidInput(f"A project has 1 to {MAX_FILES} files; this one has {len(files)}.")
    if sum(len(file.data) for file in files.values()) > MAX_PROJECT_BYTES:
        raise InvalidInput(f"The files of a project may have {MAX_PROJECT_BYTES // 1_048_576} MiB together.")
    for path in files:
        check_path(path)
    whole = manifest_hash((path, file.executable, sha256_hex(file.data)) for path, file in files.items())
    current = revision_of(actor, project)
    if current is not None and current.manifest_hash == whole:
        return current
    revision = ProjectRevision(
        tenant_id=actor.tenant_id, project_id=project.id, manifest_hash=whole, created_by=actor.user_id
    )
    db.session.add(revision)
    db.session.flush()
    for path, file in sorted(files.items()):
        content = store_content(actor, file.data)
        db.session.add(
            ProjectFile(
                tenant_id=actor.tenant_id,
                revision_id=revision.id,
                content_id=content.id,
                path=path,
                executable=file.executable,
            )
        )
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
    rows = db.session.execute(
        select(ProjectFile, PlaybookContent)
        .join(PlaybookContent, PlaybookContent.id == ProjectFile.content_id)
        .where(
            ProjectFile.tenant_id == tenant_id,
            PlaybookContent.tenant_id == tenant_id,
            ProjectFile.revision_id == revision_id,
        )
        .options(undefer(PlaybookContent.data))
        .order_by(ProjectFile.path)
    ).all()
    return [StoredFile(file.path, content.sha256, file.executable, content.data) for file, content in rows]


def read_file(actor: Actor, revision_id: int, path: str) -> bytes:
    """Return the bytes of one file of a revision; NotFound when it has no such file."""
    data = db.session.scalar(
        select(PlaybookContent.data)
        .join(ProjectFile, ProjectFile.content_id == PlaybookContent.id)
        .where(
            ProjectFile.tenant_id == actor.tenant_id,
            PlaybookContent.tenant_id == actor.tenant_id,
            ProjectFile.revision_id == revision_id,
            ProjectFile.path == path,
        )
    )
    if data is None:
        raise NotFound(f"The file {path}")
    return data


def file_sizes(actor: Actor, revision_id: int) -> Sequence[tuple[str, int]]:
    """Return (path, bytes) of every file of a revision, by path."""
    rows = db.session.execute(
        select(ProjectFile.path, PlaybookContent.size)
        .join(PlaybookContent, PlaybookContent.id == ProjectFile.content_id)
        .where(
            ProjectFile.tenant_id == actor.tenant_id,
            PlaybookContent.tenant_id == actor.tenant_id,
            ProjectFile.revision_id == revision_id,
        )
        .order_by(ProjectFile.path)
    ).all()
    return [(path, size) for path, size in rows]
