"""Tables of saved launches: a playbook with its inputs under a name, and who may press it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.actor import Role
from app.core.column_types import JsonValue, LongText, enum_column
from app.core.db import Model
from app.core.db_time import Created, Timestamped
from app.core.table import HasUuid, table_args, tenant_key
from app.core.tenancy import TenantOwned
from app.core.versioning import Versioned


class GrantAct(StrEnum):
    """What a grant allows; editing includes launching."""

    LAUNCH = "launch"
    EDIT = "edit"


class SavedLaunch(TenantOwned, HasUuid, Versioned, Timestamped, Model):
    """A playbook, servers, values and options under a name.

    ``selection`` is a targets.Selection as JSON, ``options`` the fields of LaunchOptions without its variables,
    ``variables`` the values that are not secret, ``ask`` the inputs that may be changed at a launch: words of
    saved_inputs.ASKABLE and ``extra_vars.<name>``.
    """

    __tablename__ = "saved_launches"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "active_name"),
        Index(None, "tenant_id", "name"),
        Index(None, "tenant_id", "updated_at"),
        Index(None, "tenant_id", "playbook_id"),
        tenant_key("playbook_id", "playbooks"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    playbook_id: Mapped[int] = mapped_column(nullable=False)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"), nullable=False)
    name: Mapped[str] = mapped_column(String(255), nullable=False)
    description: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[list[str] | None] = mapped_column(JsonValue)
    selection: Mapped[dict[str, Any]] = mapped_column(JsonValue, nullable=False)
    variables: Mapped[dict[str, Any]] = mapped_column(JsonValue, nullable=False)
    options: Mapped[dict[str, Any]] = mapped_column(JsonValue, nullable=False)
    ask: Mapped[list[str]] = mapped_column(JsonValue, nullable=False)
    secret_variables: Mapped[str | None] = mapped_column(LongText)  # encrypted JSON object
    secret_names: Mapped[list[str] | None] = mapped_column(JsonValue)  # which secrets are in it
    is_active: Mapped[bool] = mapped_column(nullable=False, default=True, server_default="1")
    active_name: Mapped[str | None] = mapped_column(
        String(255), Computed("CASE WHEN is_active = 1 THEN name END", persisted=True)
    )


class SavedLaunchTag(TenantOwned, Model):
    """A tag of a saved launch; mirrors ``SavedLaunch.tags``, because JSON is not searched by an index."""

    __tablename__ = "saved_launch_tags"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "tag", "saved_launch_id"),
        Index(None, "tenant_id", "saved_launch_id"),
        tenant_key("saved_launch_id", "saved_launches", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    saved_launch_id: Mapped[int] = mapped_column(nullable=False)
    tag: Mapped[str] = mapped_column(String(50), nullable=False)


class SavedLaunchFavourite(TenantOwned, Created, Model):
    """A person's mark on a saved launch."""

    __tablename__ = "saved_launch_favourites"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "user_id", "saved_launch_id"),
        Index(None, "tenant_id", "saved_launch_id"),
        tenant_key("saved_launch_id", "saved_launches", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), nullable=False)
    saved_launch_id: Mapped[int] = mapped_column(nullable=False)


class SavedLaunchGrant(TenantOwned, Created, Model):
    """A right on one saved launch, given to exactly one of: a person, a team, everybody of a role."""

    __tablename__ = "saved_launch_grants"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "saved_launch_id", "user_id"),
        UniqueConstraint("tenant_id", "saved_launch_id", "team_id"),
        UniqueConstraint("tenant_id", "saved_launch_id", "role"),
        Index(None, "tenant_id", "user_id"),
        Index(None, "tenant_id", "team_id"),
        tenant_key("saved_launch_id", "saved_launches", ondelete="CASCADE"),
        tenant_key("user_id", "users"),
        tenant_key("team_id", "teams", ondelete="CASCADE"),
        CheckConstraint(
            "(user_id IS NOT NULL AND team_id IS NULL AND role IS NULL) OR "
            "(user_id IS NULL AND team_id IS NOT NULL AND role IS NULL) OR "
            "(user_id IS NULL AND team_id IS NULL AND role IS NOT NULL)",
            name="one_grantee",
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    saved_launch_id: Mapped[int] = mapped_column(nullable=False)
    act: Mapped[GrantAct] = mapped_column(enum_column(GrantAct, "act"), nullable=False)
    user_id: Mapped[int | None] = mapped_column()
    team_id: Mapped[int | None] = mapped_column()
    role: Mapped[Role | None] = mapped_column(enum_column(Role, "role"))
    granted_by: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"), nullable=False)
