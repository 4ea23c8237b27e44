"""Files of a revision, whatever kind of project it is of: rows that name a path and a content kept once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Mapped, mapped_column, undefer

from app.core.actor import Actor
from app.core.column_types import BigIntPK, ascii_binary
from app.core.db import db
from app.core.errors import NotFound
from app.core.tenancy import TenantOwned
from app.sources.models import FileContent
from app.sources.store import SourceFile, StoredFile, sha256_hex, store_contents


class RevisionFile(TenantOwned):
    """Mixin of such a table: one file of one revision, its path (POSIX, relative) and its content."""

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    revision_id: Mapped[int] = mapped_column(nullable=False)
    content_id: Mapped[int] = mapped_column(nullable=False)
    path: Mapped[str] = mapped_column(ascii_binary(500), nullable=False)
    executable: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")


Table = type[RevisionFile]


def store_files(actor: Actor, table: Table, revision_id: int, files: Mapping[str, SourceFile]) -> None:
    """Store the files of a revision that was just flushed."""
    contents = store_contents(actor, (file.data for file in files.values()))
    rows: list[dict[str, Any]] = [
        {
            "tenant_id": actor.tenant_id,
            "revision_id": revision_id,
            "content_id": contents[sha256_hex(file.data)],
            "path": path,
            "executable": file.executable,
        }
        for path, file in sorted(files.items())
    ]
    db.session.execute(insert(table), rows)


def read_files(table: Table, tenant_id: int, revision_id: int) -> Sequence[StoredFile]:
    """Return every file of a revision with its bytes, by path (one query); unchecked: whoever runs it hashes again."""
    rows = db.session.execute(
        select(table, FileContent)
        .join(FileContent, FileContent.id == table.content_id)
        .where(table.tenant_id == tenant_id, FileContent.tenant_id == tenant_id, table.revision_id == revision_id)
        .options(undefer(FileContent.data))
        .order_by(table.path)
    ).all()
    return [StoredFile(file.path, content.sha256, file.executable, content.data) for file, content in rows]


def read_file(actor: Actor, table: Table, revision_id: int, path: str) -> bytes:
    """Return the bytes of one file of a revision; NotFound when it has no such file."""
    if not path.isascii():  # paths are kept in ASCII, and MySQL refuses to compare others with them
        raise NotFound(f"The file {path}")
    data = db.session.scalar(
        select(FileContent.data)
        .join(table, table.content_id == FileContent.id)
        .where(
            table.tenant_id == actor.tenant_id,
            FileContent.tenant_id == actor.tenant_id,
            table.revision_id == revision_id,
            table.path == path,
        )
    )
    if data is None:
        raise NotFound(f"The file {path}")
    return data


def file_sizes(actor: Actor, table: Table, revision_id: int) -> Sequence[tuple[str, int]]:
    """Return (path, bytes) of every file of a revision, by path."""
    rows = db.session.execute(
        select(table.path, FileContent.size)
        .join(FileContent, FileContent.id == table.content_id)
        .where(
            table.tenant_id == actor.tenant_id,
            FileContent.tenant_id == actor.tenant_id,
            table.revision_id == revision_id,
        )
        .order_by(table.path)
    ).all()
    return [(path, size) for path, size in rows]
