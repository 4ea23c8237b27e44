"""Teams group the people of a tenant; rights may later be given to them."""

from __future__ import annotations

from sqlalchemy import Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Model
from app.core.db_time import Created, Timestamped
from app.core.table import HasUuid, table_args, tenant_key
from app.core.tenancy import TenantOwned
from app.core.versioning import Versioned


class Team(HasUuid, TenantOwned, Versioned, Timestamped, Model):
    """A group of people under a name that is unique in the tenant, also among deactivated teams."""

    __tablename__ = "teams"
    __table_args__ = table_args(UniqueConstraint("tenant_id", "id"), UniqueConstraint("tenant_id", "name"))

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), nullable=False)
    description: Mapped[str | None] = mapped_column(Text)
    is_active: Mapped[bool] = mapped_column(nullable=False, default=True, server_default="1")


class TeamMember(TenantOwned, Created, Model):
    """A person in a team."""

    __tablename__ = "team_members"
    __table_args__ = table_args(
        tenant_key("team_id", "teams", ondelete="CASCADE"),
        tenant_key("user_id", "users"),
        UniqueConstraint("tenant_id", "team_id", "user_id"),
        Index(None, "tenant_id", "user_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(nullable=False)
    user_id: Mapped[int] = mapped_column(nullable=False)
