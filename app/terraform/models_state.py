"""Tables of states: one head per workspace, its versions, their encrypted bytes, and the lock."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import BigIntPK, JsonValue, LongBytes, UTCDateTime, ascii_binary, enum_column
from app.core.db import Model
from app.core.db_time import Created, Timestamped
from app.core.table import HasUuid, table_args, tenant_key
from app.core.tenancy import TenantOwned

DEFAULT_WORKSPACE = "default"


class StateBackend(StrEnum):
    """Where a workspace keeps its state. Elsewhere it is only read, and what is here is a copy."""

    PLATFORM = "platform"
    S3 = "s3"  # with a lock in the bucket or in DynamoDB, which readers do not take
    LOCAL = "local"  # a file on the workers


class StateSource(StrEnum):
    """Where a state version came from."""

    CLI = "cli"  # somebody's own terraform
    RUN = "run"  # an execution of the platform
    IMPORT = "import"
    RESTORE = "restore"
    SALVAGE = "salvage"  # what a run could not hand over at its end


class TerraformState(TenantOwned, HasUuid, Timestamped, Model):
    """The state of one workspace of a project: what its newest version says. Serial and lineage are terraform's.

    ``state_file_hash`` is the SHA-256 of the newest version. ``infrastructure_version`` is the version that the rows
    of its instances are of, ``infrastructure_at`` when they were written: none while a newer one waits for that.

    With another ``backend`` than the platform the versions are what was read there: ``backend_config`` is JSON,
    encrypted; ``backend_location`` names the place for people; ``backend_version`` counts its edits. ``read_at`` is
    the last try, ``read_error`` why it failed, ``read_note`` what was odd about what it found. With
    ``read_every_minutes`` it is read again by itself, in the name of ``read_by``.
    """

    __tablename__ = "terraform_states"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "project_id", "workspace"),
        Index(None, "infrastructure_at", "id"),
        Index(None, "next_read_at", "id"),
        tenant_key("project_id", "terraform_projects", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(nullable=False)
    workspace: Mapped[str] = mapped_column(ascii_binary(90), nullable=False)
    resources_count: Mapped[int] = mapped_column(nullable=False, default=0, server_default="0")
    terraform_version: Mapped[str | None] = mapped_column(String(20))
    state_file_hash: Mapped[str | None] = mapped_column(ascii_binary(64))
    lineage: Mapped[str | None] = mapped_column(String(100))
    serial: Mapped[int | None] = mapped_column(BigInteger)
    state_file_id: Mapped[int | None] = mapped_column()  # the newest; no foreign key: versions point here
    state_version: Mapped[int] = mapped_column(nullable=False, default=0, server_default="0")  # of the newest one
    last_updated: Mapped[datetime | None] = mapped_column(UTCDateTime)
    infrastructure_version: Mapped[int] = mapped_column(nullable=False, default=0, server_default="0")
    infrastructure_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    backend: Mapped[str] = mapped_column(
        String(20), nullable=False, default=StateBackend.PLATFORM.value, server_default=StateBackend.PLATFORM.value
    )
    backend_config: Mapped[str | None] = mapped_column(Text, deferred=True)
    backend_location: Mapped[str | None] = mapped_column(String(1500))
    backend_version: Mapped[int] = mapped_column(nullable=False, default=0, server_default="0")
    read_every_minutes: Mapped[int | None] = mapped_column()
    read_by: Mapped[int | None] = mapped_column()
    next_read_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    read_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    read_error: Mapped[str | None] = mapped_column(String(2000))
    read_note: Mapped[str | None] = mapped_column(String(1000))

    @property
    def is_elsewhere(self) -> bool:
        """Whether the state lives elsewhere, and is only read here."""
        return self.backend != StateBackend.PLATFORM


class TerraformStateFile(TenantOwned, HasUuid, Created, Model):
    """One version of a state; never changed. ``version`` counts ours from 1, ``serial`` is terraform's.

    ``state_data`` is the data key of its bytes, wrapped by the master key; the bytes are in terraform_state_chunks.
    ``read_from`` is the place elsewhere that it was read at, ``branch_id`` the branch of the run that wrote it.
    """

    __tablename__ = "terraform_state_files"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "state_id", "version"),
        Index(None, "tenant_id", "project_id", "version"),
        Index(None, "tenant_id", "created_at"),
        tenant_key("project_id", "terraform_projects", ondelete="CASCADE"),
        tenant_key("state_id", "terraform_states", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(nullable=False)
    state_id: Mapped[int] = mapped_column(nullable=False)
    version: Mapped[int] = mapped_column(nullable=False)
    terraform_version: Mapped[str] = mapped_column(String(20), nullable=False)
    serial: Mapped[int] = mapped_column(BigInteger, nullable=False)
    lineage: Mapped[str] = mapped_column(String(100), nullable=False)
    state_data: Mapped[str] = mapped_column(Text, nullable=False, deferred=True)
    sha256: Mapped[str] = mapped_column(ascii_binary(64), nullable=False)
    size: Mapped[int] = mapped_column(nullable=False)  # bytes, as terraform sent it
    resources_count: Mapped[int] = mapped_column(nullable=False, default=0, server_default="0")
    source: Mapped[StateSource] = mapped_column(enum_column(StateSource, "source"), nullable=False)
    created_by: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    run_uuid: Mapped[str | None] = mapped_column(ascii_binary(36))
    read_from: Mapped[str | None] = mapped_column(String(1500))
    branch_id: Mapped[int | None] = mapped_column(ForeignKey("git_branches.id", ondelete="SET NULL"))


class TerraformStateChunk(TenantOwned, Model):
    """A piece of a version's compressed and encrypted bytes; a row has to fit into max_allowed_packet."""

    __tablename__ = "terraform_state_chunks"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "state_file_id", "piece"),
        tenant_key("state_file_id", "terraform_state_files", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    state_file_id: Mapped[int] = mapped_column(nullable=False)
    piece: Mapped[int] = mapped_column(nullable=False)
    data: Mapped[bytes] = mapped_column(LongBytes, nullable=False)


class TerraformStateLock(TenantOwned, Model):
    """Who may write a state now. ``info`` is what terraform said of itself; ``lock_id`` is its own choice."""

    __tablename__ = "terraform_state_locks"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "state_id"),
        tenant_key("state_id", "terraform_states", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    state_id: Mapped[int] = mapped_column(nullable=False)
    lock_id: Mapped[str] = mapped_column(String(100), nullable=False)
    info: Mapped[dict[str, Any]] = mapped_column(JsonValue, nullable=False)
    acquired_at: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False)
    user_id: Mapped[int | None] = mapped_column()
    run_uuid: Mapped[str | None] = mapped_column(ascii_binary(36))  # of the run that holds it
