"""Tables of what there is: instances of resources that states hold, their tags, how they stand, and what they cost."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, Numeric, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import BigIntPK, JsonValue, UTCDateTime, ascii_binary, enum_column
from app.core.db import Model
from app.core.db_time import Timestamped
from app.core.table import HasUuid, table_args, tenant_key
from app.core.tenancy import TenantOwned
from app.core.versioning import Versioned

MAX_TAG_NAME, MAX_TAG_VALUE = 128, 256
_MONEY = Numeric(14, 6, asdecimal=False)  # SQLite has no decimals


class InfrastructureStatus(StrEnum):
    """The document's five."""

    PENDING = "pending"  # an apply set out to create it
    CREATED = "created"
    UPDATED = "updated"
    DESTROYED = "destroyed"
    FAILED = "failed"  # an apply did not get to it, or left it half made (tainted)


class InfrastructureResource(TenantOwned, HasUuid, Timestamped, Model):
    """One instance of a managed resource, as the newest state of a workspace has it; destroyed ones stay.

    ``address`` has the instance's key, ``cloud_id`` is the id at the provider. ``terraform_state`` are a few of its
    attributes, by an allow-list without secrets. ``execution_uuid`` is what changed it last (none: a command line),
    ``changed_version`` the version of the state that said so (none: no state has had it yet).
    ``terraform_resource_id`` is what the files declare it by.
    """

    __tablename__ = "infrastructure_resources"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "state_id", "address"),
        Index(None, "tenant_id", "project_id", "id"),
        Index(None, "tenant_id", "type", "id"),
        Index(None, "tenant_id", "region", "id"),
        Index(None, "tenant_id", "status", "id"),
        Index(None, "tenant_id", "address"),
        Index(None, "tenant_id", "name"),
        Index(None, "tenant_id", "cloud_id"),
        Index(None, "tenant_id", "terraform_resource_id"),
        tenant_key("project_id", "terraform_projects", ondelete="CASCADE"),
        tenant_key("state_id", "terraform_states", ondelete="CASCADE"),
        tenant_key("terraform_resource_id", "terraform_resources", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(nullable=False)
    state_id: Mapped[int] = mapped_column(nullable=False)
    terraform_resource_id: Mapped[int | None] = mapped_column()
    type: Mapped[str] = mapped_column(String(200), nullable=False)
    name: Mapped[str] = mapped_column(String(200), nullable=False)
    address: Mapped[str] = mapped_column(ascii_binary(700), nullable=False)
    cloud_id: Mapped[str | None] = mapped_column(String(500))
    status: Mapped[InfrastructureStatus] = mapped_column(enum_column(InfrastructureStatus, "status"), nullable=False)
    region: Mapped[str | None] = mapped_column(String(100))
    tags: Mapped[dict[str, str] | None] = mapped_column(JsonValue)
    terraform_state: Mapped[dict[str, Any] | None] = mapped_column(JsonValue)
    execution_uuid: Mapped[str | None] = mapped_column(ascii_binary(36))
    changed_version: Mapped[int | None] = mapped_column()


class InfrastructureTag(TenantOwned, Model):
    """A tag of an instance once more, so that a million of them are filtered by an index."""

    __tablename__ = "infrastructure_tags"
    __table_args__ = table_args(
        Index(None, "tenant_id", "name", "value", "resource_id"),
        Index(None, "tenant_id", "resource_id"),
        tenant_key("resource_id", "infrastructure_resources", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    resource_id: Mapped[int] = mapped_column(nullable=False)
    name: Mapped[str] = mapped_column(String(MAX_TAG_NAME), nullable=False)
    value: Mapped[str] = mapped_column(String(MAX_TAG_VALUE), nullable=False)


class ResourceCloudStatus(TenantOwned, HasUuid, Timestamped, Model):
    """How an instance stands at its provider, as the newest state says; ``last_checked_at`` is when that was written.

    One row per instance, and not per declared resource: with ``count`` one resource is many machines.
    """

    __tablename__ = "resource_cloud_status"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "resource_id"),
        Index(None, "tenant_id", "last_checked_at"),
        tenant_key("resource_id", "infrastructure_resources", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    resource_id: Mapped[int] = mapped_column(nullable=False)
    cloud_resource_id: Mapped[str | None] = mapped_column(String(500))
    status: Mapped[str] = mapped_column(String(50), nullable=False, default="unknown", server_default="unknown")
    ip_address: Mapped[str | None] = mapped_column(ascii_binary(45))
    url: Mapped[str | None] = mapped_column(String(500))
    cost_per_hour: Mapped[float | None] = mapped_column(_MONEY)
    currency: Mapped[str | None] = mapped_column(ascii_binary(3))
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata", JsonValue)
    last_checked_at: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False)


class ResourcePrice(TenantOwned, HasUuid, Versioned, Timestamped, Model):
    """What a resource of a type costs per hour if ``attribute`` is ``value``; people maintain it.

    An empty ``attribute`` is every resource of the type, an empty ``region`` every region.
    """

    __tablename__ = "resource_prices"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "type", "attribute", "value", "region"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(ascii_binary(200), nullable=False)
    attribute: Mapped[str] = mapped_column(ascii_binary(100), nullable=False, default="", server_default="")
    value: Mapped[str] = mapped_column(ascii_binary(200), nullable=False, default="", server_default="")
    region: Mapped[str] = mapped_column(ascii_binary(100), nullable=False, default="", server_default="")
    price_per_hour: Mapped[float] = mapped_column(_MONEY, nullable=False)
    currency: Mapped[str] = mapped_column(ascii_binary(3), nullable=False, default="USD", server_default="USD")
