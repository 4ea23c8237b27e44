"""Table of what people set for one instance of a provider: its region, arguments, and what it signs in with."""

from __future__ import annotations

from typing import Any

from sqlalchemy import String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import JsonValue, ascii_binary
from app.core.db import Model
from app.core.db_time import Timestamped
from app.core.table import HasUuid, table_args, tenant_key
from app.core.tenancy import TenantOwned
from app.core.versioning import Versioned


class TerraformProviderSettings(TenantOwned, HasUuid, Versioned, Timestamped, Model):
    """Settings of the provider ``name`` under ``alias`` (empty: the default instance), in every workspace.

    ``credentials`` is encrypted JSON, name -> text; ``credential_names`` are its names, which are no secret. The files
    may declare the instance or not: settings of one that they do not declare are kept, and reach no run.
    """

    __tablename__ = "terraform_provider_settings"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        # Named by hand: the convention's name is longer than the 64 characters that MySQL takes.
        UniqueConstraint(
            "tenant_id", "project_id", "name", "alias", name="uq_terraform_provider_settings_tenant_id_instance"
        ),
        tenant_key("project_id", "terraform_projects", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(nullable=False)
    name: Mapped[str] = mapped_column(ascii_binary(200), nullable=False)  # upper and lower case differ
    alias: Mapped[str] = mapped_column(ascii_binary(200), nullable=False, default="", server_default="")
    region: Mapped[str | None] = mapped_column(String(200))
    configuration: Mapped[dict[str, Any] | None] = mapped_column(JsonValue)
    credential_names: Mapped[list[str] | None] = mapped_column(JsonValue)
    credentials: Mapped[str | None] = mapped_column(Text, deferred=True)

    @property
    def instance(self) -> str:
        """Return the instance as configurations name it: aws, or aws.west."""
        return f"{self.name}.{self.alias}" if self.alias else self.name
