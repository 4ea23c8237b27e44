"""Table of executions: what terraform was asked to do, beside the job that does it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import JsonValue, LongText, UTCDateTime, ascii_binary, enum_column
from app.core.db import Model
from app.core.db_time import Created
from app.core.table import HasUuid, table_args, tenant_key
from app.core.tenancy import TenantOwned


class ExecutionType(StrEnum):
    """The document's five."""

    INIT = "init"
    PLAN = "plan"
    APPLY = "apply"
    DESTROY = "destroy"  # the apply of a plan that ends everything
    REFRESH = "refresh"


class Review(StrEnum):
    """What became of a plan."""

    NONE = "none"  # nothing to review: no plan, not ended yet, no changes, or only for looking
    WAITING = "waiting"
    APPLIED = "applied"  # handed to an apply
    DISCARDED = "discarded"
    VOID = "void"  # state, files or settings have moved on


class TerraformExecution(TenantOwned, HasUuid, Created, Model):
    """One execution. Status, times, error and log are those of its job.

    Of a project from git it has a ``branch`` (``branch_id`` is its row, once it was read), and no ``revision_id``
    before that was read. An apply has its plan's. The reading of a state that lives elsewhere has neither.
    ``plan_id`` is the plan that an apply or destroy carries out. A plan's ``plan_hash`` is the SHA-256 of the sealed
    plan, ``base_serial`` and ``base_lineage`` are of the state that it was made from (None: there was none), and
    ``artifact_key`` is the key it is sealed with, encrypted; it goes when nobody can apply it any more.
    ``changes_summary`` has add, change, destroy, import, drift and outputs (numbers). ``followed_at``: when what
    follows the end of the job was done.
    """

    __tablename__ = "terraform_executions"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("job_id"),
        Index(None, "tenant_id", "project_id", "id"),
        Index(None, "tenant_id", "project_id", "workspace", "review"),
        Index(None, "tenant_id", "created_at"),
        Index(None, "run_uuid"),
        Index(None, "followed_at", "id"),
        tenant_key("project_id", "terraform_projects", ondelete="CASCADE"),
        tenant_key("job_id", "jobs"),
        tenant_key("revision_id", "terraform_revisions"),
        tenant_key("plan_id", "terraform_executions"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(nullable=False)
    job_id: Mapped[int] = mapped_column(nullable=False)
    run_uuid: Mapped[str] = mapped_column(ascii_binary(36), nullable=False)
    revision_id: Mapped[int | None] = mapped_column()
    branch: Mapped[str | None] = mapped_column(ascii_binary(200))
    branch_id: Mapped[int | None] = mapped_column(ForeignKey("git_branches.id", ondelete="SET NULL"))
    plan_id: Mapped[int | None] = mapped_column()
    workspace: Mapped[str] = mapped_column(ascii_binary(90), nullable=False)
    working_directory: Mapped[str] = mapped_column(String(255), nullable=False, default="", server_default="")
    execution_type: Mapped[ExecutionType] = mapped_column(enum_column(ExecutionType, "execution_type"), nullable=False)
    initiated_by: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"), nullable=False)
    is_destroy: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    is_refresh_only: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    is_speculative: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    targets: Mapped[list[str] | None] = mapped_column(JsonValue)
    replaces: Mapped[list[str] | None] = mapped_column(JsonValue)
    note: Mapped[str | None] = mapped_column(String(500))
    artifact_key: Mapped[str | None] = mapped_column(Text, deferred=True)
    plan_hash: Mapped[str | None] = mapped_column(ascii_binary(64))
    base_serial: Mapped[int | None] = mapped_column(BigInteger)
    base_lineage: Mapped[str | None] = mapped_column(String(100))
    plan_output: Mapped[str | None] = mapped_column(LongText, deferred=True)
    changes_summary: Mapped[dict[str, Any] | None] = mapped_column(JsonValue)
    review: Mapped[Review] = mapped_column(
        enum_column(Review, "review"), nullable=False, default=Review.NONE, server_default=Review.NONE.value
    )
    review_note: Mapped[str | None] = mapped_column(String(500))  # why it was discarded or is void
    reviewed_by: Mapped[int | None] = mapped_column()  # user id
    reviewed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    followed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
