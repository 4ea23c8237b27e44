"""Table of input variables."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import JsonValue
from app.core.db import Model
from app.core.db_time import Timestamped
from app.core.table import HasUuid, table_args, tenant_key
from app.core.tenancy import TenantOwned
from app.core.versioning import Versioned


class TerraformVariable(TenantOwned, HasUuid, Versioned, Timestamped, Model):
    """A value for an input variable of a project's root module.

    ``value`` is JSON data; that of a sensitive variable is None, and ``secret_value`` holds it encrypted.
    """

    __tablename__ = "terraform_variables"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "project_id", "name"),
        Index(None, "tenant_id", "name"),
        tenant_key("project_id", "terraform_projects", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(nullable=False)
    name: Mapped[str] = mapped_column(String(200), nullable=False)
    description: Mapped[str | None] = mapped_column(Text)
    value: Mapped[Any | None] = mapped_column(JsonValue)
    secret_value: Mapped[str | None] = mapped_column(Text, deferred=True)
    sensitive: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
