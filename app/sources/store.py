"""Bytes of files, kept once per tenant by their SHA-256, and what the files of a project may be."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import InvalidInput
from app.core.runtime import settings
from app.sources.models import FileContent
from app.sources.paths import is_storable

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
        made = FileContent(tenant_id=actor.tenant_id, sha256=digest, size=len(wanted[digest]), data=wanted[digest])
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
            select(FileContent.sha256, FileContent.id).where(
                FileContent.tenant_id == actor.tenant_id,
                FileContent.sha256.in_(digests[start : start + 500]),
            )
        )
        found.update({row.sha256: row.id for row in rows})
    return found


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
