"""Tables of the inventory. ``servers`` as in the core document, with what a connection needs."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Computed, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import JsonValue, UTCDateTime, ascii_binary, enum_column
from app.core.db import Model
from app.core.db_time import Created, Timestamped
from app.core.table import HasUuid, table_args, tenant_key
from app.core.tenancy import TenantOwned
from app.core.versioning import Versioned


class Connection(StrEnum):
    """How Ansible reaches a server."""

    SSH = "ssh"
    LOCAL = "local"
    WINRM = "winrm"
    NETWORK_CLI = "network_cli"


class Server(TenantOwned, HasUuid, Versioned, Timestamped, Model):
    """A machine we manage (Ansible: host). ``hostname`` is unique among the active servers of a tenant."""

    __tablename__ = "servers"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "active_hostname"),
        Index(None, "tenant_id", "ip_address"),
        Index(None, "tenant_id", "is_active", "environment"),
        Index(None, "tenant_id", "environment"),
        Index(None, "tenant_id", "hostname"),
        Index(None, "tenant_id", "connection"),
        Index(None, "tenant_id", "os_type"),
        Index(None, "tenant_id", "last_test_code"),
        Index(None, "test_requested_at"),
        tenant_key("jump_host_id", "servers"),
        CheckConstraint("ssh_port BETWEEN 1 AND 65535", name="ssh_port"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    hostname: Mapped[str] = mapped_column(String(255), nullable=False)
    ip_address: Mapped[str] = mapped_column(String(45), nullable=False)
    os_type: Mapped[str] = mapped_column(String(50), nullable=False, default="unknown", server_default="unknown")
    os_version: Mapped[str | None] = mapped_column(String(50))
    ssh_port: Mapped[int] = mapped_column(nullable=False, default=22, server_default="22")
    ssh_user: Mapped[str] = mapped_column(String(50), nullable=False, default="root", server_default="root")
    ssh_key_path: Mapped[str | None] = mapped_column(String(500))
    tags: Mapped[list[str] | None] = mapped_column(JsonValue)  # mirrored in server_tags
    environment: Mapped[str | None] = mapped_column(String(50))
    description: Mapped[str | None] = mapped_column(Text)
    is_active: Mapped[bool] = mapped_column(nullable=False, default=True, server_default="1")
    connection: Mapped[Connection] = mapped_column(
        enum_column(Connection, "connection"), nullable=False, default=Connection.SSH, server_default="ssh"
    )
    is_controller: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    jump_host_id: Mapped[int | None] = mapped_column()
    python_interpreter: Mapped[str | None] = mapped_column(String(255))
    become: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    become_user: Mapped[str | None] = mapped_column(String(50))
    become_method: Mapped[str | None] = mapped_column(String(20))
    network_os: Mapped[str | None] = mapped_column(String(100))  # network_cli, e.g. cisco.ios.ios
    winrm_transport: Mapped[str | None] = mapped_column(String(20))
    winrm_scheme: Mapped[str | None] = mapped_column(String(5))
    winrm_cert_validation: Mapped[str | None] = mapped_column(String(10))
    variables: Mapped[dict[str, Any] | None] = mapped_column(JsonValue)
    test_requested_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # empty again once answered
    test_requested_by: Mapped[int | None] = mapped_column()
    test_started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # a worker has taken it
    last_tested_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_test_ok: Mapped[bool | None] = mapped_column()
    last_test_code: Mapped[str | None] = mapped_column(String(30))  # inventory.connection_test.Outcome
    last_test_message: Mapped[str | None] = mapped_column(String(500))
    # A rebuilt host takes its name back: only active servers compete for it.
    active_hostname: Mapped[str | None] = mapped_column(
        String(255), Computed("CASE WHEN is_active = 1 THEN hostname END", persisted=True)
    )


class ServerTag(TenantOwned, Model):
    """One tag of one server, indexed: JSON containment is not portable."""

    __tablename__ = "server_tags"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "tag", "server_id"),
        Index(None, "tenant_id", "server_id"),
        tenant_key("server_id", "servers", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    server_id: Mapped[int] = mapped_column(nullable=False)
    tag: Mapped[str] = mapped_column(String(50), nullable=False)


class HostKey(TenantOwned, Created, Model):
    """A public host key of a server: accepted by a person, or seen and waiting for one."""

    __tablename__ = "host_keys"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "server_id", "fingerprint"),
        tenant_key("server_id", "servers", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    server_id: Mapped[int] = mapped_column(nullable=False)
    key_type: Mapped[str] = mapped_column(ascii_binary(50), nullable=False)  # e.g. ssh-ed25519
    public_key: Mapped[str] = mapped_column(Text, nullable=False)  # base64, as in known_hosts
    fingerprint: Mapped[str] = mapped_column(ascii_binary(64), nullable=False)  # SHA256:...
    accepted_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    accepted_by: Mapped[int | None] = mapped_column()
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
