"""Tables of a project's files: revisions, and the files of each."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import JsonValue, UTCDateTime, ascii_binary, enum_column
from app.core.db import Model
from app.core.db_time import Created
from app.core.table import HasUuid, table_args, tenant_key
from app.core.tenancy import TenantOwned
from app.sources.revision_files import RevisionFile


class RevisionSource(StrEnum):
    """What made a revision."""

    UPLOAD = "upload"
    EDITOR = "editor"
    GIT = "git"


class TerraformRevision(TenantOwned, HasUuid, Created, Model):
    """One state of a project's files; never changed. ``manifest_hash`` covers path, mode and content of every file.

    ``commit_*`` and ``branch_id`` only for git; ``branch_id`` is of ``git_branches``.
    ``read_at``: when its configuration was read (None: due); ``problems`` are what was found then: file, line, reason.
    ``read_attempts``: readings that were begun since; they stay when the reading was given up.
    """

    __tablename__ = "terraform_revisions"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        Index(None, "tenant_id", "project_id", "id"),
        Index(None, "read_at", "id"),
        tenant_key("project_id", "terraform_projects", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(nullable=False)
    source: Mapped[RevisionSource] = mapped_column(enum_column(RevisionSource, "source"), nullable=False)
    manifest_hash: Mapped[str] = mapped_column(ascii_binary(64), nullable=False)
    file_count: Mapped[int] = mapped_column(nullable=False)
    total_bytes: Mapped[int] = mapped_column(BigInteger, nullable=False)
    note: Mapped[str | None] = mapped_column(String(500))
    commit_hash: Mapped[str | None] = mapped_column(ascii_binary(40))
    commit_author: Mapped[str | None] = mapped_column(String(255))
    commit_date: Mapped[datetime | None] = mapped_column(UTCDateTime)
    commit_message: Mapped[str | None] = mapped_column(Text)
    branch_id: Mapped[int | None] = mapped_column()  # no foreign key: branches point here
    created_by: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"), nullable=False)
    read_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    problems: Mapped[list[dict[str, Any]] | None] = mapped_column(JsonValue)
    read_attempts: Mapped[int] = mapped_column(nullable=False, default=0, server_default="0")
    read_after: Mapped[datetime | None] = mapped_column(
        UTCDateTime
    )  # not before: the pause after a reading that failed

    @property
    def reading_failed(self) -> bool:
        """Whether the reading was given up; somebody may ask for it again."""
        return self.read_at is not None and self.read_attempts > 0


class TerraformFile(RevisionFile, Model):
    """One file of one revision."""

    __tablename__ = "terraform_files"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "revision_id", "path"),
        Index(None, "tenant_id", "content_id"),
        tenant_key("revision_id", "terraform_revisions", ondelete="CASCADE"),
        tenant_key("content_id", "playbook_contents"),
    )
