"""Tables of server groups: the groups, how they nest, and which servers are members."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import JsonValue, ascii_binary
from app.core.db import Model
from app.core.db_time import Timestamped
from app.core.table import HasUuid, table_args, tenant_key
from app.core.tenancy import TenantOwned
from app.core.versioning import Versioned


class ServerGroup(TenantOwned, HasUuid, Versioned, Timestamped, Model):
    """A named set of servers with variables (Ansible: group).

    The row named ``all`` has no members and no place in the nesting: it holds the variables of every server.
    """

    __tablename__ = "server_groups"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "name"),
        CheckConstraint("priority BETWEEN 1 AND 1000", name="priority"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(ascii_binary(100), nullable=False)  # Ansible tells Web from web
    description: Mapped[str | None] = mapped_column(Text)
    variables: Mapped[dict[str, Any] | None] = mapped_column(JsonValue)
    priority: Mapped[int] = mapped_column(nullable=False, default=1, server_default="1")  # ansible_group_priority


class ServerGroupChild(TenantOwned, Model):
    """One group inside another. The service keeps circles out."""

    __tablename__ = "server_group_children"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "parent_id", "child_id"),
        Index(None, "tenant_id", "child_id"),
        tenant_key("parent_id", "server_groups", ondelete="CASCADE"),
        tenant_key("child_id", "server_groups", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int] = mapped_column(nullable=False)
    child_id: Mapped[int] = mapped_column(nullable=False)


class ServerGroupMember(TenantOwned, Model):
    """One server that is directly in a group."""

    __tablename__ = "server_group_members"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "group_id", "server_id"),
        Index(None, "tenant_id", "server_id"),
        tenant_key("group_id", "server_groups", ondelete="CASCADE"),
        tenant_key("server_id", "servers", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    group_id: Mapped[int] = mapped_column(nullable=False)
    server_id: Mapped[int] = mapped_column(nullable=False)
