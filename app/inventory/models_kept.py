"""What is kept beside a server: its passwords (encrypted), its facts, and how its last job ended."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import BigIntPK, JsonValue, LongText, UTCDateTime
from app.core.db import Model
from app.core.db_time import Created
from app.core.table import table_args, tenant_key
from app.core.tenancy import TenantOwned


class CredentialKind(StrEnum):
    """What a stored password is for."""

    CONNECTION = "connection"  # signing in: ssh, winrm, network_cli
    BECOME = "become"  # becoming another user, or enable mode


class ServerCredential(TenantOwned, Created, Model):
    """A password of one server, encrypted. It is written and used, never shown again."""

    __tablename__ = "server_credentials"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "server_id", "kind"),
        tenant_key("server_id", "servers", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    server_id: Mapped[int] = mapped_column(nullable=False)
    kind: Mapped[str] = mapped_column(String(20), nullable=False)  # CredentialKind
    sealed: Mapped[str] = mapped_column(LongText, nullable=False, deferred=True)
    set_by: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    set_at: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False)


class ServerFacts(TenantOwned, Created, Model):
    """What a server said of itself when facts were gathered last: data of a foreign machine, never evaluated."""

    __tablename__ = "server_facts"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "server_id"),
        tenant_key("server_id", "servers", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    server_id: Mapped[int] = mapped_column(nullable=False)
    gathered_at: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False)
    job_id: Mapped[int | None] = mapped_column()  # no foreign key: jobs stand above the inventory
    job_uuid: Mapped[str | None] = mapped_column(String(36))
    size: Mapped[int] = mapped_column(nullable=False)  # bytes of ``data``
    sent_size: Mapped[int] = mapped_column(BigInteger, nullable=False)  # bytes before anything was left out
    left_out: Mapped[list[str] | None] = mapped_column(JsonValue)  # names of facts that were too large
    data: Mapped[str] = mapped_column(LongText, nullable=False, deferred=True)  # JSON object


class ServerFactValue(TenantOwned, Model):
    """One of the facts that servers can be looked for by, as lower-case text."""

    __tablename__ = "server_fact_values"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "server_id", "name"),
        Index(None, "tenant_id", "name", "value", "server_id"),
        tenant_key("server_id", "servers", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    server_id: Mapped[int] = mapped_column(nullable=False)
    name: Mapped[str] = mapped_column(String(64), nullable=False)  # without "ansible_"
    value: Mapped[str] = mapped_column(String(191), nullable=False)


class ServerLastJob(TenantOwned, Model):
    """The last job that ended on a server, so that a list can be narrowed by it without reading jobs."""

    __tablename__ = "server_last_jobs"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "server_id"),
        Index(None, "tenant_id", "status", "server_id"),
        tenant_key("server_id", "servers", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    server_id: Mapped[int] = mapped_column(nullable=False)
    job_id: Mapped[int] = mapped_column(nullable=False)  # no foreign key: jobs stand above the inventory
    job_uuid: Mapped[str] = mapped_column(String(36), nullable=False)
    status: Mapped[str] = mapped_column(String(20), nullable=False)  # success, failed, cancelled
    ended_at: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False)
