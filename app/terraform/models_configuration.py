"""Tables of what a configuration declares: providers, resources with their dependencies, outputs."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import JsonValue, UTCDateTime, ascii_binary, enum_column
from app.core.db import Model
from app.core.db_time import Created, Timestamped
from app.core.table import HasUuid, table_args, tenant_key
from app.core.tenancy import TenantOwned


class ResourceStatus(StrEnum):
    """The document's seven. Reading files leaves it alone: executions change it."""

    UNKNOWN = "unknown"
    PLANNING = "planning"
    APPLYING = "applying"
    CREATED = "created"
    UPDATING = "updating"
    ERROR = "error"
    DESTROYED = "destroyed"


class DependencyType(StrEnum):
    """How a resource says that it needs another one."""

    IMPLICIT = "implicit"  # by a reference
    EXPLICIT = "explicit"  # by depends_on
    DATA = "data"  # it reads a data source


class TerraformProvider(TenantOwned, HasUuid, Timestamped, Model):
    """A provider that the configuration sets up, requires or uses; ``alias`` is empty for the default one.

    Literals under names of secrets are not kept in ``configuration``.
    """

    __tablename__ = "terraform_providers"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "project_id", "name", "alias"),
        tenant_key("project_id", "terraform_projects", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(nullable=False)
    name: Mapped[str] = mapped_column(ascii_binary(200), nullable=False)  # upper and lower case differ
    alias: Mapped[str] = mapped_column(ascii_binary(200), nullable=False, default="", server_default="")
    version: Mapped[str | None] = mapped_column(String(200))  # a constraint, not a version
    region: Mapped[str | None] = mapped_column(String(200))
    configuration: Mapped[dict[str, Any] | None] = mapped_column(JsonValue)
    missing_since: Mapped[datetime | None] = mapped_column(UTCDateTime)


class TerraformResource(TenantOwned, HasUuid, Timestamped, Model):
    """A resource or data source as the files declare it, before ``count`` and ``for_each``.

    It is found again by ``terraform_address`` and never deleted: ``missing_since`` says when a reading first found it
    no more. ``metadata`` is how the graph shows it (position, color, icon, labels). ``line`` is that of its block in
    ``file_path``; JSON syntax has none.
    """

    __tablename__ = "terraform_resources"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "project_id", "terraform_address"),
        Index(None, "tenant_id", "project_id", "resource_type"),
        Index(None, "tenant_id", "resource_type"),
        Index(None, "tenant_id", "resource_name"),
        tenant_key("project_id", "terraform_projects", ondelete="CASCADE"),
        tenant_key("module_id", "terraform_modules", ondelete="CASCADE"),
        # Only a deleted project takes providers along; RESTRICT would stand in the way of that on servers.
        tenant_key("provider_id", "terraform_providers", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(nullable=False)
    module_id: Mapped[int | None] = mapped_column()
    provider_id: Mapped[int | None] = mapped_column()
    resource_type: Mapped[str] = mapped_column(String(200), nullable=False)
    resource_name: Mapped[str] = mapped_column(String(200), nullable=False)
    is_data: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    terraform_address: Mapped[str] = mapped_column(ascii_binary(700), nullable=False)
    configuration: Mapped[dict[str, Any] | None] = mapped_column(JsonValue)
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata", JsonValue)
    status: Mapped[ResourceStatus] = mapped_column(
        enum_column(ResourceStatus, "status"),
        nullable=False,
        default=ResourceStatus.UNKNOWN,
        server_default=ResourceStatus.UNKNOWN.value,
    )
    state_id: Mapped[str | None] = mapped_column(String(500))
    file_path: Mapped[str | None] = mapped_column(ascii_binary(500))
    line: Mapped[int | None] = mapped_column()
    missing_since: Mapped[datetime | None] = mapped_column(UTCDateTime)


class ResourceDependency(TenantOwned, HasUuid, Created, Model):
    """``from_resource_id`` needs ``to_resource_id``, both of one project."""

    __tablename__ = "resource_dependencies"
    __table_args__ = table_args(
        # Named by hand: the convention's name is longer than the 64 characters that MySQL takes.
        UniqueConstraint(
            "tenant_id", "from_resource_id", "to_resource_id", name="uq_resource_dependencies_tenant_id_from_to"
        ),
        Index(None, "tenant_id", "to_resource_id"),
        Index(None, "tenant_id", "project_id", "id"),
        tenant_key("project_id", "terraform_projects", ondelete="CASCADE"),
        tenant_key("from_resource_id", "terraform_resources", ondelete="CASCADE"),
        tenant_key("to_resource_id", "terraform_resources", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(nullable=False)
    from_resource_id: Mapped[int] = mapped_column(nullable=False)
    to_resource_id: Mapped[int] = mapped_column(nullable=False)
    dependency_type: Mapped[DependencyType] = mapped_column(
        enum_column(DependencyType, "dependency_type"), nullable=False
    )


class TerraformOutput(TenantOwned, HasUuid, Timestamped, Model):
    """An output that a module declares. ``module_key`` is ``module_id``, 0 for the root: NULL would not be unique."""

    __tablename__ = "terraform_outputs"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "project_id", "module_key", "name"),
        Index(None, "tenant_id", "name"),
        tenant_key("project_id", "terraform_projects", ondelete="CASCADE"),
        tenant_key("module_id", "terraform_modules", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(nullable=False)
    module_id: Mapped[int | None] = mapped_column()
    module_key: Mapped[int] = mapped_column(nullable=False, default=0, server_default="0")
    name: Mapped[str] = mapped_column(ascii_binary(200), nullable=False)  # upper and lower case differ
    description: Mapped[str | None] = mapped_column(Text)
    value: Mapped[Any | None] = mapped_column(JsonValue)
    sensitive: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    missing_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
