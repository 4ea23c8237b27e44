"""Table of the modules of a configuration."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import JsonValue, UTCDateTime, ascii_binary
from app.core.db import Model
from app.core.db_time import Timestamped
from app.core.table import HasUuid, table_args, tenant_key
from app.core.tenancy import TenantOwned


class TerraformModule(TenantOwned, HasUuid, Timestamped, Model):
    """A module call of a project's configuration. The root module is no row.

    ``path`` is the folder of a local module, empty for one that is fetched from elsewhere; ``metadata`` is how the
    graph shows it (position, color, collapsed). ``missing_since``: when a reading first found it no more.
    """

    __tablename__ = "terraform_modules"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "project_id", "terraform_address"),
        tenant_key("project_id", "terraform_projects", ondelete="CASCADE"),
        tenant_key("parent_module_id", "terraform_modules", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(nullable=False)
    parent_module_id: Mapped[int | None] = mapped_column()
    name: Mapped[str] = mapped_column(String(200), nullable=False)
    source: Mapped[str] = mapped_column(String(500), nullable=False, default="", server_default="")
    version: Mapped[str | None] = mapped_column(String(200))
    path: Mapped[str] = mapped_column(String(500), nullable=False, default="", server_default="")
    terraform_address: Mapped[str] = mapped_column(ascii_binary(700), nullable=False)
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata", JsonValue)
    missing_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
