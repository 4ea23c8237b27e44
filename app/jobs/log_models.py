"""Tables of output: a job's lines, a run's own lines, its tasks and their results per job."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import BigIntPK, LongBytes, LongText, UTCDateTime, ascii_binary, enum_column
from app.core.db import Model
from app.core.db_time import CreatedDefault
from app.core.table import table_args, tenant_key
from app.core.tenancy import TenantOwned
from app.runners.base import TaskStatus


class JobLogLine(TenantOwned, Model):
    """One line of one job. ``line_number`` is contiguous from 1; ``run_seq`` is its place in the whole run.

    The unique key is also the reading order and covers the document's INDEX (job_id); ``continued`` marks the
    further pieces of a line over 16 KiB.
    """

    __tablename__ = "job_logs"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "job_id", "line_number"),
        Index(None, "tenant_id", "timestamp"),
        tenant_key("job_id", "jobs", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    job_id: Mapped[int] = mapped_column(nullable=False)
    line_number: Mapped[int] = mapped_column(nullable=False)
    run_seq: Mapped[int] = mapped_column(BigInteger, nullable=False)
    task_seq: Mapped[int] = mapped_column(nullable=False, default=0, server_default="0")  # 0: before any task
    continued: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    content: Mapped[str] = mapped_column(Text, nullable=False)
    log_level: Mapped[str | None] = mapped_column(String(20))
    timestamp: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False, server_default=CreatedDefault())


class RunLine(TenantOwned, Model):
    """A line that belongs to no server: warnings, syntax errors, recap, engine chatter. Kept once per run."""

    __tablename__ = "run_lines"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "run_id", "run_seq"),
        tenant_key("run_id", "runs", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    run_id: Mapped[int] = mapped_column(BigInteger, nullable=False)
    run_seq: Mapped[int] = mapped_column(BigInteger, nullable=False)
    task_seq: Mapped[int] = mapped_column(nullable=False, default=0, server_default="0")
    continued: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    content: Mapped[str] = mapped_column(Text, nullable=False)
    log_level: Mapped[str | None] = mapped_column(String(20))
    timestamp: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False, server_default=CreatedDefault())


class RunArtifact(TenantOwned, Model):
    """A piece of what an engine handed over besides lines, e.g. a plan: bytes that only the kind of job understands.

    ``piece`` counts from 0; the artifact is whole once its last piece (``is_last``) is there. What must not be read
    here is handed over encrypted.
    """

    __tablename__ = "run_artifacts"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "run_id", "name", "piece"),
        tenant_key("run_id", "runs", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    run_id: Mapped[int] = mapped_column(BigInteger, nullable=False)
    name: Mapped[str] = mapped_column(ascii_binary(50), nullable=False)
    piece: Mapped[int] = mapped_column(nullable=False)
    is_last: Mapped[bool] = mapped_column(nullable=False)
    data: Mapped[bytes] = mapped_column(LongBytes, nullable=False, deferred=True)


class RunTask(TenantOwned, Model):
    """The header of one task of a run: data that screens fold by, not copied lines."""

    __tablename__ = "run_tasks"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "run_id", "task_seq"),
        tenant_key("run_id", "runs", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    run_id: Mapped[int] = mapped_column(BigInteger, nullable=False)
    task_seq: Mapped[int] = mapped_column(nullable=False)
    run_seq: Mapped[int] = mapped_column(BigInteger, nullable=False)
    play: Mapped[str] = mapped_column(String(255), nullable=False)
    task: Mapped[str] = mapped_column(String(255), nullable=False)
    module: Mapped[str] = mapped_column(String(255), nullable=False)
    path: Mapped[str | None] = mapped_column(String(500))  # file:line
    started_at: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False)


class TaskResult(TenantOwned, Model):
    """What one task did on one server, and which of the job's lines show it."""

    __tablename__ = "task_results"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "job_id", "task_seq"),
        tenant_key("job_id", "jobs", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    job_id: Mapped[int] = mapped_column(nullable=False)
    task_seq: Mapped[int] = mapped_column(nullable=False)
    status: Mapped[TaskStatus] = mapped_column(enum_column(TaskStatus, "status"), nullable=False)
    duration_ms: Mapped[int] = mapped_column(nullable=False, default=0)
    first_line: Mapped[int | None] = mapped_column()  # None: it printed nothing
    last_line: Mapped[int | None] = mapped_column()
    diff: Mapped[str | None] = mapped_column(LongText)
