"""Tables of Terraform projects."""

from __future__ import annotations

from sqlalchemy import Computed, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Model
from app.core.db_time import Timestamped
from app.core.table import HasUuid, table_args
from app.core.tenancy import TenantOwned
from app.core.versioning import Versioned


class TerraformProject(TenantOwned, HasUuid, Versioned, Timestamped, Model):
    """A configuration with its workspaces. ``user_id`` owns it; others act by role."""

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
    active_name: Mapped[str | None] = mapped_column(
        String(200), Computed("CASE WHEN is_active = 1 THEN name END", persisted=True)
    )
