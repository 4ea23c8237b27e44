"""Table of branches: which ones of a project were read from git, and their newest commits."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Computed, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import UTCDateTime, ascii_binary
from app.core.db import Model
from app.core.db_time import Timestamped
from app.core.table import HasUuid, table_args, tenant_key
from app.core.tenancy import TenantOwned


class GitBranch(TenantOwned, HasUuid, Timestamped, Model):
    """A branch of a project's repository. ``revision_id`` are the files of its newest commit that was read.

    ``last_commit_*`` are of that commit; None before the first reading. One branch of a project is its default.
    """

    __tablename__ = "git_branches"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "project_id", "name"),
        UniqueConstraint("tenant_id", "project_id", "default_mark"),
        tenant_key("project_id", "terraform_projects", ondelete="CASCADE"),
        tenant_key("revision_id", "terraform_revisions"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(nullable=False)
    name: Mapped[str] = mapped_column(ascii_binary(200), nullable=False)
    is_default: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    default_mark: Mapped[int | None] = mapped_column(Computed("CASE WHEN is_default = 1 THEN 1 END", persisted=True))
    last_commit_hash: Mapped[str | None] = mapped_column(ascii_binary(40))
    last_commit_message: Mapped[str | None] = mapped_column(Text)
    last_commit_author: Mapped[str | None] = mapped_column(String(200))
    last_commit_date: Mapped[datetime | None] = mapped_column(UTCDateTime)
    revision_id: Mapped[int | None] = mapped_column()
