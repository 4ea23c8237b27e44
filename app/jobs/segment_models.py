"""Tables of sealed output: compressed segments of finished runs, what each job has in them, and their bytes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import BigIntPK, Digest, LongBytes, UTCDateTime, ascii_binary
from app.core.db import Model
from app.core.db_time import Created
from app.core.table import HasUuid, table_args, tenant_key
from app.core.tenancy import TenantOwned


class LogSegment(TenantOwned, HasUuid, Created, Model):
    """Lines of one run, moved out of ``job_logs``: some thousand of one job, or all of several small ones.

    ``sealed_at`` is empty from the intent until the rows are gone; such a row outside of the sealer's hands is a
    leftover. ``sha256`` is of the unpacked content.
    """

    __tablename__ = "log_segments"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        Index(None, "tenant_id", "run_id"),
        Index(None, "sealed_at", "created_at"),
        Index(None, "checked_at"),
        Index(None, "damaged_at"),
        Index(None, "store", "line_count", "raw_bytes", "stored_bytes"),
        tenant_key("run_id", "runs", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    run_id: Mapped[int] = mapped_column(BigInteger, nullable=False)
    store: Mapped[str] = mapped_column(ascii_binary(20), nullable=False)  # database, folder, s3
    codec: Mapped[str] = mapped_column(ascii_binary(20), nullable=False)
    line_count: Mapped[int] = mapped_column(nullable=False)
    raw_bytes: Mapped[int] = mapped_column(nullable=False)
    stored_bytes: Mapped[int] = mapped_column(nullable=False)
    sha256: Mapped[bytes] = mapped_column(Digest, nullable=False)
    sealed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    checked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # last whole reading by the keeper
    damaged_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # found missing or changed
    damage: Mapped[str | None] = mapped_column(String(200))  # in words


class LogSegmentPart(TenantOwned, Model):
    """A job's contiguous lines in a segment. ``start`` and ``size`` are bytes of the unpacked content."""

    __tablename__ = "log_segment_parts"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "job_id", "last_line"),
        Index(None, "tenant_id", "segment_id"),
        tenant_key("job_id", "jobs", ondelete="CASCADE"),
        tenant_key("segment_id", "log_segments", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    job_id: Mapped[int] = mapped_column(nullable=False)
    segment_id: Mapped[int] = mapped_column(BigInteger, nullable=False)
    first_line: Mapped[int] = mapped_column(nullable=False)
    last_line: Mapped[int] = mapped_column(nullable=False)
    start: Mapped[int] = mapped_column(nullable=False)
    size: Mapped[int] = mapped_column(nullable=False)
    levels: Mapped[str] = mapped_column(String(200), nullable=False)  # ",ERROR,INFO,": those that occur


class LogSegmentBlob(TenantOwned, Model):
    """The bytes of a segment that is kept in the database; apart, so that lists of segments stay small."""

    __tablename__ = "log_segment_blobs"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "segment_id"),
        tenant_key("segment_id", "log_segments", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    segment_id: Mapped[int] = mapped_column(BigInteger, nullable=False)
    data: Mapped[bytes] = mapped_column(LongBytes, nullable=False)
