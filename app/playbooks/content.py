"""Files of projects: kept once per tenant by their SHA-256, put together into revisions that never change."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import undefer

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import InvalidInput, NotFound
from app.core.runtime import settings
from app.core.tenancy import scoped
from app.playbooks.models import PlaybookContent, PlaybookProject, ProjectFile, ProjectRevision
from app.playbooks.paths import is_storable

MAX_FILE_BYTES = 8_388_608  # of one file: a row has to fit into max_allowed_packet (16 MiB by default on MariaDB)
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


def store_contents(actor: Actor, blobs: Iterable[bytes]) -> dict[str, int]:
    """Store these bytes in the actor's tenant as far as they are not there; return content ids by SHA-256 (flushed)."""
    wanted = {sha256_hex(data): data for data in blobs}
    known = _known_contents(actor, list(wanted))
    for digest in sorted(wanted.keys() - known.keys()):
        made = PlaybookContent(tenant_id=actor.tenant_id, sha256=digest, size=len(wanted[digest]), data=wanted[digest])
        try:
            with db.session.begin_nested():
                db.session.add(made)
        except IntegrityError:  # somebody stored the same bytes in the meantime
            known |= _known_contents(actor, [digest])
            continue
        known[digest] = made.id
        db.session.expunge(made)  # its bytes need not stay in memory
    return known


def _known_contents(actor: Actor, digests: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for start in range(0, len(digests), 500):
        rows = db.session.execute(
            select(PlaybookContent.sha256, PlaybookContent.id).where(
                PlaybookContent.tenant_id == actor.tenant_id,
                PlaybookContent.sha256.in_(digests[start : start + 500]),
            )
        )
        found.update({row.sha256: row.id for row in rows})
    return found


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
    contents = store_contents(actor, (file.data for file in every.values()))
    rows = [
        {
            "tenant_id": actor.tenant_id,
            "revision_id": revision.id,
            "content_id": contents[digests[path]],
            "path": path,
            "executable": file.executable,
        }
        for path, file in sorted(every.items())
    ]
    db.session.execute(insert(ProjectFile), rows)
    project.revision_id = revision.id
    db.session.flush()
    return revision


def check_files(files: Mapping[str, SourceFile]) -> None:
    """Raise InvalidInput unless these files may together be a project."""
    most, size = settings().project_max_files, settings().project_max_bytes
    if not 1 <= len(files) <= most:
        raise InvalidInput(f"A project has 1 to {most} files; this one has {len(files)}.")
    if sum(len(file.data) for file in files.values()) > size:
        raise InvalidInput(f"The files of a project may have {size // 1_048_576} MiB together.")
    for path, file in files.items():
        if not is_storable(path):
            raise InvalidInput(file_path=f"A file cannot be stored under the name {path[:100]!a}. Rename it.")
        if len(file.data) > MAX_FILE_BYTES:
            raise InvalidInput(f"{path} is larger than {MAX_FILE_BYTES // 1_048_576} MiB.")


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
    if not path.isascii():  # paths are kept in ASCII, and MySQL refuses to compare others with them
        raise NotFound(f"The file {path}")
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


def file_ids(actor: Actor, revision_id: int) -> dict[str, tuple[int, bool]]:
    """Return (content id, executable) of every file of a revision by path."""
    rows = db.session.execute(
        select(ProjectFile.path, ProjectFile.content_id, ProjectFile.executable).where(
            ProjectFile.tenant_id == actor.tenant_id, ProjectFile.revision_id == revision_id
        )
    )
    return {row.path: (row.content_id, row.executable) for row in rows}
