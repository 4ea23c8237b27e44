"""The part of a chain that was archived and deleted, as the rows of ``audit_archives`` say; checked by their seals."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Table, select

from app.audit.canonical import GENESIS, AuditKeys
from app.audit.models import AuditArchive
from app.core.clock import iso
from app.core.db import db

ARCHIVES = cast(Table, AuditArchive.__table__)


def sealed_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what the seal of a row of ``audit_archives`` covers."""
    return {
        "tenant_id": row["tenant_id"],
        "first_seq": row["first_seq"],
        "last_seq": row["last_seq"],
        "prev_hash": bytes(row["prev_hash"]).hex(),
        "last_hash": bytes(row["last_hash"]).hex(),
        "newest_at": iso(row["newest_at"]),
        "file_name": row["file_name"],
        "sha256": bytes(row["sha256"]).hex(),
    }


@dataclass(frozen=True, slots=True)
class ArchivedPart:
    """Ends of the archive files of a tenant in order: last number -> its hash. ``bad``: what is wrong, in words."""

    ends: tuple[int, ...]
    hashes: tuple[bytes, ...]
    bad: str | None = None

    @property
    def last_seq(self) -> int:
        """Number of the last archived entry, 0 for none."""
        return self.ends[-1] if self.ends else 0

    def hash_at(self, seq: int) -> bytes | None:
        """Return the hash of entry ``seq`` when a file ends with it."""
        place = bisect_left(self.ends, seq)
        return self.hashes[place] if place < len(self.ends) and self.ends[place] == seq else None


def archived_part(tenant_id: int, keys: AuditKeys) -> ArchivedPart:
    """Read and check a tenant's rows inside the open unit of work: seals, order, no gap; one query."""
    connection = db.session.connection()
    rows: Sequence[Mapping[Any, Any]] = (
        connection.execute(select(ARCHIVES).where(ARCHIVES.c.tenant_id == tenant_id).order_by(ARCHIVES.c.first_seq))
        .mappings()
        .all()
    )
    expected, previous = 1, GENESIS
    for row in rows:
        if keys.seal("archive", sealed_row(row), row["key_id"]) != bytes(row["seal"]):
            return ArchivedPart((), (), f"The record of the archive file {row['file_name']} was changed or forged.")
        if (row["first_seq"], bytes(row["prev_hash"])) != (expected, previous):
            return ArchivedPart((), (), f"Before the archive file {row['file_name']} another one is missing.")
        expected, previous = row["last_seq"] + 1, bytes(row["last_hash"])
    return ArchivedPart(tuple(row["last_seq"] for row in rows), tuple(bytes(row["last_hash"]) for row in rows))
