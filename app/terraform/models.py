"""Tables of Terraform projects."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import Computed, Enum, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import JsonValue, ascii_binary, enum_column
from app.core.db import Model
from app.core.db_time import Timestamped
from app.core.table import table_args
from app.core.versioning import Versioned
from app.sources.git_fields import GitSource


class Binary(StrEnum):
    """Which program carries a project's executions out."""

    TERRAFORM = "terraform"
    TOFU = "tofu"


class ApplyPolicy(StrEnum):
    """What happens with a plan that has changes."""

    MANUAL = "manual"  # somebody reads it and applies it
    AUTO_WITHOUT_DESTROY = "auto_without_destroy"  # applied by itself unless it destroys or replaces something
    AUTO = "auto"


class ProjectSource(StrEnum):
    """Where a project's files come from."""

    FILES = "files"  # uploads and the browser's editor
    GIT = "git"


class TagPolicy(StrEnum):
    """What happens with a plan whose resources lack tags that the project requires."""

    OFF = "off"
    WARN = "warn"  # its review says so
    ENFORCE = "enforce"  # it cannot be applied


class TerraformProject(GitSource, Versioned, Timestamped, Model):
    """A configuration with its workspaces. ``user_id`` owns it; others act by role.

    A project from git is read at the begin of each execution; ``git_branch`` is the one that is read unless another is
    asked for, ``git_commit_hash`` its newest commit that was read.
    ``revision_id`` are the files in force, ``working_directory`` the folder in them that holds the configuration
    (empty: all of it). ``terraform_version`` is the version of ``program`` that executions need. ``required_tags``
    (None: the ones of ``tag_policy``) are names; ``metadata`` is how the graph shows the project.
    """

    __tablename__ = "terraform_projects"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "active_name"),
        Index(None, "tenant_id", "name"),
        Index(None, "tenant_id", "user_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"), nullable=False)
    name: Mapped[str] = mapped_column(String(200), nullable=False)
    description: Mapped[str | None] = mapped_column(Text)
    is_active: Mapped[bool] = mapped_column(nullable=False, default=True, server_default="1")
    source: Mapped[ProjectSource] = mapped_column(
        enum_column(ProjectSource, "source"),
        nullable=False,
        default=ProjectSource.FILES,
        server_default=ProjectSource.FILES.value,
    )
    git_repository_url: Mapped[str | None] = mapped_column(String(500))
    git_branch: Mapped[str] = mapped_column(ascii_binary(200), nullable=False, default="main", server_default="main")
    git_commit_hash: Mapped[str | None] = mapped_column(ascii_binary(40))
    active_name: Mapped[str | None] = mapped_column(
        String(200), Computed("CASE WHEN is_active = 1 THEN name END", persisted=True)
    )
    program: Mapped[Binary] = mapped_column(
        enum_column(Binary, "program"),
        nullable=False,
        default=Binary.TERRAFORM,
        server_default=Binary.TERRAFORM.value,
    )
    terraform_version: Mapped[str] = mapped_column(String(20), nullable=False, default="1.6.0", server_default="1.6.0")
    working_directory: Mapped[str] = mapped_column(String(255), nullable=False, default="", server_default="")
    apply_policy: Mapped[ApplyPolicy] = mapped_column(
        enum_column(ApplyPolicy, "apply_policy"),
        nullable=False,
        default=ApplyPolicy.MANUAL,
        server_default=ApplyPolicy.MANUAL.value,
    )
    is_destroy_protected: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    timeout_seconds: Mapped[int | None] = mapped_column()
    revision_id: Mapped[int | None] = mapped_column()  # no foreign key: revisions point here
    required_tags: Mapped[list[str] | None] = mapped_column(JsonValue)
    tag_policy: Mapped[TagPolicy] = mapped_column(
        # The table was there before: SQLite gets no CHECK afterwards.
        Enum(TagPolicy, name="tag_policy", values_callable=lambda members: [member.value for member in members]),
        nullable=False,
        default=TagPolicy.WARN,
        server_default=TagPolicy.WARN.value,
    )
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata", JsonValue)
