"""Tables of the audit log. Rows are only ever inserted; triggers and grants refuse the rest."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import BigIntPK, Digest, JsonValue, UTCDateTime
from app.core.db import Model
from app.core.db_time import CreatedDefault
from app.core.table import table_args
from app.core.tenancy import TenantOwned


class AuditEntry(TenantOwned, Model):
    """One act, by whom, on what, from where; bound to the one before it by ``hash``.

    ``user_id`` has no foreign key: its ON DELETE SET NULL would rewrite rows and fire no trigger. ``action`` is
    the document's word (CREATE, UPDATE, DELETE, LOGIN, ...), ``event`` the precise ``subject:verb``.
    """

    __tablename__ = "audit_logs"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "seq"),
        Index(None, "tenant_id", "user_id"),
        Index(None, "tenant_id", "action"),
        Index(None, "tenant_id", "action", "timestamp"),
        Index(None, "tenant_id", "event"),
        Index(None, "tenant_id", "resource_type"),
        Index(None, "tenant_id", "resource_type", "resource_id"),
        Index(None, "tenant_id", "timestamp"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    seq: Mapped[int] = mapped_column(BigIntPK, nullable=False)  # 1, 2, 3, ... per tenant, in commit order
    user_id: Mapped[int | None] = mapped_column()
    action: Mapped[str] = mapped_column(String(100), nullable=False)
    event: Mapped[str] = mapped_column(String(100), nullable=False)
    outcome: Mapped[str] = mapped_column(String(20), nullable=False, default="success")  # success, refused, failed
    resource_type: Mapped[str] = mapped_column(String(50), nullable=False)
    resource_id: Mapped[int | None] = mapped_column()
    resource_uuid: Mapped[str | None] = mapped_column(String(36))
    details: Mapped[dict[str, Any] | None] = mapped_column(JsonValue)
    via: Mapped[str] = mapped_column(String(20), nullable=False)
    api_key_prefix: Mapped[str | None] = mapped_column(String(16))
    request_id: Mapped[str | None] = mapped_column(String(36))
    ip_address: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(255))
    timestamp: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False, server_default=CreatedDefault())
    key_id: Mapped[str] = mapped_column(String(16), nullable=False)  # fingerprint of the audit key
    prev_hash: Mapped[bytes] = mapped_column(Digest, nullable=False)
    hash: Mapped[bytes] = mapped_column(Digest, nullable=False)


class AuditHead(Model):
    """The newest link of each tenant's chain; locked while entries are appended."""

    __tablename__ = "audit_heads"
    __table_args__ = table_args()

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigIntPK, nullable=False, default=0)
    hash: Mapped[bytes] = mapped_column(Digest, nullable=False)


class AuditVerification(TenantOwned, Model):
    """Result of one walk along a tenant's chain."""

    __tablename__ = "audit_verifications"
    __table_args__ = table_args(Index(None, "tenant_id", "verified_at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    verified_at: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False)
    entries: Mapped[int] = mapped_column(BigIntPK, nullable=False)
    intact: Mapped[bool] = mapped_column(nullable=False)
    first_bad_seq: Mapped[int | None] = mapped_column(BigIntPK)
    message: Mapped[str] = mapped_column(String(500), nullable=False)
    user_id: Mapped[int | None] = mapped_column()  # who asked for it; None: the keeper or the command line
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class AuditWalk(TenantOwned, Model):
    """A walk along a long chain that the keeper does step by step; at most one of a tenant, gone when it ends.

    Everything before ``next_seq`` was found good and ends with ``previous``. ``seal`` binds that to this row and
    to the audit key: whoever only has the database cannot move a walk past a forged entry.
    """

    __tablename__ = "audit_walks"
    __table_args__ = table_args(UniqueConstraint("tenant_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int | None] = mapped_column()
    started_at: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False)
    next_seq: Mapped[int] = mapped_column(BigIntPK, nullable=False)
    previous: Mapped[bytes] = mapped_column(Digest, nullable=False)
    checked: Mapped[int] = mapped_column(BigIntPK, nullable=False, default=0)  # entries read so far
    seal: Mapped[bytes] = mapped_column(Digest, nullable=False)


class AuditArchive(TenantOwned, Model):
    """A file that holds entries ``first_seq`` to ``last_seq``; only then may they leave the table.

    Written by the archiver alone, never changed (triggers, grants). ``seal`` covers the other columns under the
    audit key; the rows of a tenant follow each other without a gap.
    """

    __tablename__ = "audit_archives"
    __table_args__ = table_args(UniqueConstraint("tenant_id", "first_seq"))

    id: Mapped[int] = mapped_column(primary_key=True)
    first_seq: Mapped[int] = mapped_column(BigIntPK, nullable=False)
    last_seq: Mapped[int] = mapped_column(BigIntPK, nullable=False)
    prev_hash: Mapped[bytes] = mapped_column(Digest, nullable=False)
    last_hash: Mapped[bytes] = mapped_column(Digest, nullable=False)
    newest_at: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False)
    file_name: Mapped[str] = mapped_column(String(200), nullable=False)
    sha256: Mapped[bytes] = mapped_column(Digest, nullable=False)
    key_id: Mapped[str] = mapped_column(String(16), nullable=False)
    seal: Mapped[bytes] = mapped_column(Digest, nullable=False)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False)
