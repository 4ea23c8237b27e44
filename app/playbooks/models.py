"""Tables of playbook content. Files are kept once per tenant by their SHA-256."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Computed, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import JsonValue, LongText, UTCDateTime, ascii_binary, enum_column
from app.core.db import Model
from app.core.db_time import Created, Timestamped
from app.core.table import HasUuid, table_args, tenant_key
from app.core.tenancy import TenantOwned
from app.core.versioning import Versioned
from app.sources.git_fields import GitSource
from app.sources.revision_files import RevisionFile


class ProjectSource(StrEnum):
    """Where a project's files come from."""

    SAMPLE = "sample"  # playbooks/ of the installation, read-only
    UPLOAD = "upload"
    GIT = "git"


class ApprovalKind(StrEnum):
    """How somebody let content run."""

    FILE = "file"  # one playbook, its exact files
    COMMIT = "commit"  # every playbook of a project's revision at once
    BRANCH = "branch"  # by the project's rule: commits of this branch are approved as they come in


class SyncStatus(StrEnum):
    """States of one reading of a project's source."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"


SYNC_OPEN = (SyncStatus.PENDING, SyncStatus.RUNNING)
SYNC_TRANSITIONS: Mapping[SyncStatus, frozenset[SyncStatus]] = {
    SyncStatus.PENDING: frozenset({SyncStatus.RUNNING, SyncStatus.FAILED}),
    SyncStatus.RUNNING: frozenset({SyncStatus.SUCCESS, SyncStatus.FAILED}),
}


class PlaybookProject(GitSource, Versioned, Timestamped, Model):
    """A set of files that playbooks lie in. ``revision_id`` is the one in force.

    ``approved_branch`` with the address and the person beside it is the rule that approves what a sync brings; it
    holds only while the project still reads that branch from that address.
    ``git_branch`` None: the remote's HEAD. ``git_subfolder``: only what lies below it.
    ``sync_error`` says why the newest sync failed, None after a good one.
    """

    __tablename__ = "playbook_projects"
    __table_args__ = table_args(UniqueConstraint("tenant_id", "id"), UniqueConstraint("tenant_id", "name"))

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(191), nullable=False)
    description: Mapped[str | None] = mapped_column(Text)
    source: Mapped[ProjectSource] = mapped_column(enum_column(ProjectSource, "source"), nullable=False)
    git_url: Mapped[str | None] = mapped_column(String(500))
    git_branch: Mapped[str | None] = mapped_column(String(255))
    git_subfolder: Mapped[str | None] = mapped_column(String(255))
    sync_on_launch: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    synced_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    sync_error: Mapped[str | None] = mapped_column(String(1000))
    engine: Mapped[str] = mapped_column(String(50), nullable=False, default="default", server_default="default")
    revision_id: Mapped[int | None] = mapped_column()  # no foreign key: revisions point here
    is_active: Mapped[bool] = mapped_column(nullable=False, default=True, server_default="1")
    approved_branch: Mapped[str | None] = mapped_column(String(255))
    approved_branch_url: Mapped[str | None] = mapped_column(String(500))
    approved_branch_by: Mapped[int | None] = mapped_column()  # user id; the approvals carry the foreign key


class ProjectRevision(TenantOwned, Created, Model):
    """One state of a project's files. ``manifest_hash`` covers path, mode and content of every file.

    ``commit_*`` only for git. ``entries`` are the playbooks found in it (``discovery.Entry.as_json``), ``requirements``
    the roles and collections that came with it (``requirements.Resolved.as_json``).
    """

    __tablename__ = "project_revisions"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        Index(None, "tenant_id", "project_id", "id"),
        tenant_key("project_id", "playbook_projects", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(nullable=False)
    manifest_hash: Mapped[str] = mapped_column(ascii_binary(64), nullable=False)
    commit_hash: Mapped[str | None] = mapped_column(ascii_binary(64))
    commit_author: Mapped[str | None] = mapped_column(String(255))
    commit_date: Mapped[datetime | None] = mapped_column(UTCDateTime)
    commit_message: Mapped[str | None] = mapped_column(Text)
    file_count: Mapped[int | None] = mapped_column()
    total_bytes: Mapped[int | None] = mapped_column(BigInteger)
    entries: Mapped[list[dict[str, Any]] | None] = mapped_column(JsonValue)
    requirements: Mapped[list[dict[str, Any]] | None] = mapped_column(JsonValue)
    created_by: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))


class ProjectSync(TenantOwned, HasUuid, Created, Model):
    """One reading of a project's source: who asked, what became of it. At most one of a project is open.

    ``beat_at`` is renewed by the worker; when it grows old, the worker is dead. ``log`` is masked, at most 64 KiB.
    """

    __tablename__ = "project_syncs"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "open_project_id"),
        Index(None, "tenant_id", "project_id", "id"),
        Index(None, "status", "created_at"),
        # MySQL allows no CASCADE on a column that a stored generated column is made from.
        tenant_key("project_id", "playbook_projects", ondelete="RESTRICT"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(nullable=False)
    requested_by: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    reason: Mapped[str] = mapped_column(String(20), nullable=False, default="request", server_default="request")
    status: Mapped[SyncStatus] = mapped_column(
        enum_column(SyncStatus, "status"),
        nullable=False,
        default=SyncStatus.PENDING,
        server_default=SyncStatus.PENDING.value,
    )
    worker: Mapped[str | None] = mapped_column(String(255))
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    beat_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    commit_hash: Mapped[str | None] = mapped_column(ascii_binary(64))
    revision_id: Mapped[int | None] = mapped_column()  # no foreign key: one that is pruned leaves the history
    counts: Mapped[dict[str, int] | None] = mapped_column(JsonValue)
    log: Mapped[str | None] = mapped_column(LongText, deferred=True)
    error_code: Mapped[str | None] = mapped_column(String(40))
    error_message: Mapped[str | None] = mapped_column(String(1000))
    open_project_id: Mapped[int | None] = mapped_column(
        Computed("CASE WHEN status IN ('pending', 'running') THEN project_id END", persisted=True)
    )


class ProjectFile(RevisionFile, Model):
    """One file of one revision."""

    __tablename__ = "project_files"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "revision_id", "path"),
        Index(None, "tenant_id", "content_id"),
        tenant_key("revision_id", "project_revisions", ondelete="CASCADE"),
        tenant_key("content_id", "playbook_contents"),
    )


class Playbook(TenantOwned, Versioned, Timestamped, Model):
    """An entry file in a project. ``variables`` are the defaults, ``variable_specs`` their declarations.

    A declaration is what ``declarations.VariableSpec.as_json`` gives, with type one of
    text, number, boolean, choice, multi_choice, secret, server.
    """

    __tablename__ = "playbooks"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "active_name"),
        Index(None, "tenant_id", "name"),
        Index(None, "tenant_id", "is_active", "id"),
        Index(None, "tenant_id", "project_id"),
        tenant_key("project_id", "playbook_projects"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(nullable=False)
    name: Mapped[str] = mapped_column(String(255), nullable=False)
    description: Mapped[str | None] = mapped_column(Text)
    file_path: Mapped[str] = mapped_column(String(500), nullable=False)
    file_hash: Mapped[str] = mapped_column(String(64), nullable=False)
    manifest_hash: Mapped[str] = mapped_column(String(64), nullable=False)
    tags: Mapped[list[str] | None] = mapped_column(JsonValue)
    variables: Mapped[dict[str, Any] | None] = mapped_column(JsonValue)
    variable_specs: Mapped[list[dict[str, Any]] | None] = mapped_column(JsonValue)
    is_active: Mapped[bool] = mapped_column(nullable=False, default=True, server_default="1")
    is_sliceable: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    shares_servers: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    timeout_seconds: Mapped[int | None] = mapped_column()
    missing_since: Mapped[datetime | None] = mapped_column(UTCDateTime)  # its file is gone in the newest revision
    active_name: Mapped[str | None] = mapped_column(
        String(255), Computed("CASE WHEN is_active = 1 THEN name END", persisted=True)
    )


class PlaybookApproval(TenantOwned, Created, Model):
    """Somebody with the right read this exact content and let it run."""

    __tablename__ = "playbook_approvals"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "playbook_id", "manifest_hash"),
        tenant_key("playbook_id", "playbooks", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    playbook_id: Mapped[int] = mapped_column(nullable=False)
    file_hash: Mapped[str] = mapped_column(String(64), nullable=False)
    manifest_hash: Mapped[str] = mapped_column(String(64), nullable=False)
    approved_by: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"), nullable=False)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    revoked_by: Mapped[int | None] = mapped_column()  # user id
    kind: Mapped[str] = mapped_column(String(20), nullable=False, default=ApprovalKind.FILE, server_default="file")
    commit_hash: Mapped[str | None] = mapped_column(ascii_binary(64))
    branch: Mapped[str | None] = mapped_column(String(255))  # of the rule, for kind ``branch``
