"""Tables of what an apply becomes: rules per resource type, and which resource is which server."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import JsonValue, UTCDateTime, ascii_binary, enum_column
from app.core.db import Model
from app.core.db_time import Timestamped
from app.core.table import HasUuid, table_args, tenant_key
from app.core.tenancy import TenantOwned
from app.core.versioning import Versioned


class Bootstrap(StrEnum):
    """How far the first launch on a new server is."""

    NONE = "none"
    WAITING = "waiting"  # for the server to be reached
    LAUNCHED = "launched"
    FAILED = "failed"


class TerraformServerRule(TenantOwned, HasUuid, Versioned, Timestamped, Model):
    """How resources of a type become servers. Texts hold attributes in braces: ``{tags.Name}``, ``{private_ip}``.

    ``trusts_first_key``: the first ssh host key of a machine that an apply has just made is accepted by itself.
    ``bootstrap_uuid`` is the saved launch that runs once on each new server.
    """

    __tablename__ = "terraform_server_rules"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "project_id", "resource_type"),
        tenant_key("project_id", "terraform_projects", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(nullable=False)
    resource_type: Mapped[str] = mapped_column(String(200), nullable=False)
    hostname: Mapped[str] = mapped_column(String(500), nullable=False)
    ip_address: Mapped[str] = mapped_column(String(500), nullable=False)
    ssh_user: Mapped[str] = mapped_column(String(500), nullable=False, default="root", server_default="root")
    ssh_port: Mapped[str] = mapped_column(String(500), nullable=False, default="22", server_default="22")
    ssh_key_path: Mapped[str | None] = mapped_column(String(500))
    python_interpreter: Mapped[str | None] = mapped_column(String(255))
    environment: Mapped[str | None] = mapped_column(String(500))
    tags: Mapped[list[str] | None] = mapped_column(JsonValue)
    become: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    trusts_first_key: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    bootstrap_uuid: Mapped[str | None] = mapped_column(ascii_binary(36))


class TerraformServer(TenantOwned, Timestamped, Model):
    """The server that an instance of a resource became, or why it did not.

    ``machine`` is the resource's own id: another one at the same address is another machine. ``applied`` are the
    values that the rule gave last, so that what people changed since stays as it is. ``is_leaving``: its resource is
    gone, and the server is still in use.
    """

    __tablename__ = "terraform_servers"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "state_id", "address"),
        Index(None, "tenant_id", "project_id", "id"),
        Index(None, "tenant_id", "server_id"),
        Index(None, "bootstrap", "id"),
        Index(None, "is_leaving", "id"),
        tenant_key("project_id", "terraform_projects", ondelete="CASCADE"),
        tenant_key("state_id", "terraform_states", ondelete="CASCADE"),
        tenant_key("server_id", "servers"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(nullable=False)
    state_id: Mapped[int] = mapped_column(nullable=False)
    address: Mapped[str] = mapped_column(String(700), nullable=False)
    resource_type: Mapped[str] = mapped_column(String(200), nullable=False)
    server_id: Mapped[int | None] = mapped_column()
    machine: Mapped[str | None] = mapped_column(String(500))
    applied: Mapped[dict[str, Any] | None] = mapped_column(JsonValue)
    problem: Mapped[str | None] = mapped_column(String(500))
    is_leaving: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    execution_uuid: Mapped[str | None] = mapped_column(ascii_binary(36))  # that made or changed it last
    bootstrap: Mapped[Bootstrap] = mapped_column(
        enum_column(Bootstrap, "bootstrap"),
        nullable=False,
        default=Bootstrap.NONE,
        server_default=Bootstrap.NONE.value,
    )
    bootstrap_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    bootstrap_note: Mapped[str | None] = mapped_column(String(500))
    launch_uuid: Mapped[str | None] = mapped_column(ascii_binary(36))
