"""Tables of Terraform projects."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import Computed, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import JsonValue, ascii_binary, enum_column
from app.core.db import Model
from app.core.db_time import Timestamped
from app.core.table import HasUuid, table_args
from app.core.tenancy import TenantOwned
from app.core.versioning import Versioned

DEFAULT_BRANCH = "main"
DEFAULT_VERSION = "1.6.0"  # the document's; the installed one is offered


class ApplyPolicy(StrEnum):
    """What follows a plan by itself. Everything but ``manual`` is a written choice of a project."""

    MANUAL = "manual"
    AUTO_WITHOUT_DESTROY = "auto_without_destroy"
    AUTO = "auto"


class TerraformProject(TenantOwned, HasUuid, Versioned, Timestamped, Model):
    """A configuration with its workspaces. ``user_id`` owns it; others act by role.

    ``metadata`` (attribute ``ui``) holds what the canvas remembers: positions, zoom.
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
    git_repository_url: Mapped[str | None] = mapped_column(String(500))
    git_branch: Mapped[str] = mapped_column(
        String(200), nullable=False, default=DEFAULT_BRANCH, server_default=DEFAULT_BRANCH
    )
    git_commit_hash: Mapped[str | None] = mapped_column(ascii_binary(40))
    terraform_version: Mapped[str] = mapped_column(
        String(20), nullable=False, default=DEFAULT_VERSION, server_default=DEFAULT_VERSION
    )
    ui: Mapped[dict[str, Any] | None] = mapped_column("metadata", JsonValue)
    working_directory: Mapped[str] = mapped_column(String(255), nullable=False, default="", server_default="")
    apply_policy: Mapped[ApplyPolicy] = mapped_column(
        enum_column(ApplyPolicy, "apply_policy"),
        nullable=False,
        default=ApplyPolicy.MANUAL,
        server_default=ApplyPolicy.MANUAL.value,
    )
    destroy_protected: Mapped[bool] = mapped_column(nullable=False, default=True, server_default="1")
    is_active: Mapped[bool] = mapped_column(nullable=False, default=True, server_default="1")
    active_name: Mapped[str | None] = mapped_column(
        String(200), Computed("CASE WHEN is_active = 1 THEN name END", persisted=True)
    )
