"""Table of what providers find in their environment: credentials, regions, endpoints."""

from __future__ import annotations

from sqlalchemy import String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import ascii_binary
from app.core.db import Model
from app.core.db_time import Timestamped
from app.core.table import HasUuid, table_args, tenant_key
from app.core.tenancy import TenantOwned


class TerraformEnvironment(TenantOwned, HasUuid, Timestamped, Model):
    """One environment variable of a project's executions: ``value``, or a sensitive one encrypted and never shown."""

    __tablename__ = "terraform_environment"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "project_id", "name"),
        tenant_key("project_id", "terraform_projects", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(nullable=False)
    name: Mapped[str] = mapped_column(ascii_binary(200), nullable=False)
    description: Mapped[str | None] = mapped_column(String(500))
    sensitive: Mapped[bool] = mapped_column(nullable=False, default=True, server_default="1")
    value: Mapped[str | None] = mapped_column(Text)
    secret_value: Mapped[str | None] = mapped_column(Text, deferred=True)
