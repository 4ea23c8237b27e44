"""Tables of people, keys and tenants. ``users`` as in the core document; additions in docs/schema-deviations.md."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, validates

from app.core.actor import Role
from app.core.column_types import BigIntPK, Digest, JsonValue, UTCDateTime, ascii_binary, enum_column
from app.core.db import Model
from app.core.db_time import Created, Timestamped
from app.core.table import HasUuid, table_args, tenant_key
from app.core.tenancy import TenantOwned
from app.core.versioning import Versioned


class Plan(StrEnum):
    """Plans of the tenants document."""

    FREE = "free"
    STARTER = "starter"
    PRO = "pro"
    ENTERPRISE = "enterprise"


class Tenant(HasUuid, Versioned, Timestamped, Model):
    """The isolation boundary. Tenant 1 is the default one."""

    __tablename__ = "tenants"
    __table_args__ = table_args()

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255), nullable=False)
    slug: Mapped[str] = mapped_column(String(191), nullable=False, unique=True)
    description: Mapped[str | None] = mapped_column(Text)
    domain: Mapped[str | None] = mapped_column(String(191), unique=True)
    is_active: Mapped[bool] = mapped_column(nullable=False, default=True, server_default="1")
    plan: Mapped[Plan] = mapped_column(
        enum_column(Plan, "plan"), nullable=False, default=Plan.FREE, server_default=Plan.FREE.value
    )
    max_services: Mapped[int] = mapped_column(nullable=False, default=5, server_default="5")


class User(TenantOwned, Versioned, Timestamped, Model):
    """A person (or the tenant's ``system`` user, who cannot sign in). ``tenant_id`` is the home tenant."""

    __tablename__ = "users"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        Index(None, "tenant_id", "role"),
        Index(None, "tenant_id", "username"),
        Index(None, "tenant_id", "last_login"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(80), nullable=False, unique=True)
    email: Mapped[str] = mapped_column(String(120), nullable=False, unique=True)
    password_hash: Mapped[str] = mapped_column(String(255), nullable=False)
    role: Mapped[Role] = mapped_column(
        enum_column(Role, "role"), nullable=False, default=Role.VIEWER, server_default=Role.VIEWER.value
    )
    is_active: Mapped[bool] = mapped_column(nullable=False, default=True, server_default="1")
    last_login: Mapped[datetime | None] = mapped_column(UTCDateTime)
    first_name: Mapped[str | None] = mapped_column(String(80))
    last_name: Mapped[str | None] = mapped_column(String(80))
    is_platform_admin: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    is_system: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    password_changed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    password_change_required: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")

    @validates("email")
    def _lowercase_email(self, _key: str, value: str) -> str:
        return value.strip().lower()


class Membership(TenantOwned, Created, Model):
    """A user's role in a tenant; one per user until a person may switch tenants."""

    __tablename__ = "memberships"
    __table_args__ = table_args(UniqueConstraint("user_id", "tenant_id"), Index(None, "tenant_id", "user_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"), nullable=False)
    role: Mapped[Role] = mapped_column(enum_column(Role, "role"), nullable=False)


class FormerPassword(TenantOwned, Created, Model):
    """The hash of a password that a person had, so that it is not chosen again soon."""

    __tablename__ = "password_history"
    __table_args__ = table_args(
        tenant_key("user_id", "users", ondelete="CASCADE"), Index(None, "tenant_id", "user_id", "id")
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(nullable=False)
    password_hash: Mapped[str] = mapped_column(String(255), nullable=False)


class ApiKey(TenantOwned, Versioned, Timestamped, Model):
    """A key for programs: shown once, found by its clear prefix, kept as a keyed digest."""

    __tablename__ = "api_keys"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        Index(None, "tenant_id", "is_active"),
        Index(None, "tenant_id", "expires_at"),
        Index(None, "tenant_id", "last_used"),
        Index(None, "user_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255), nullable=False)
    prefix: Mapped[str] = mapped_column(ascii_binary(16), nullable=False, unique=True)
    digest: Mapped[bytes] = mapped_column(Digest, nullable=False)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"), nullable=False)
    scopes: Mapped[list[str] | None] = mapped_column(JsonValue)  # None: all that the user's role has
    is_active: Mapped[bool] = mapped_column(nullable=False, default=True, server_default="1")
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_used: Mapped[datetime | None] = mapped_column(UTCDateTime)


class UserSession(TenantOwned, Created, Model):
    """A signed-in browser. The cookie holds a random token, the row its keyed digest."""

    __tablename__ = "sessions"
    __table_args__ = table_args(Index(None, "user_id"), Index(None, "expires_at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), nullable=False)
    token_digest: Mapped[bytes] = mapped_column(Digest, nullable=False, unique=True)
    last_seen_at: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False)  # the absolute end
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    ip_address: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(255))


class SignInAttempt(Model):
    """One try to sign in; limits count by user id and by address, so they hold without Redis."""

    __tablename__ = "sign_in_attempts"
    __table_args__ = table_args(
        Index(None, "user_id", "attempted_at"),
        Index(None, "ip_address", "attempted_at"),
        Index(None, "attempted_at"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    ip_address: Mapped[str | None] = mapped_column(String(45))
    succeeded: Mapped[bool] = mapped_column(nullable=False)
    attempted_at: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False)


class IdempotencyKey(TenantOwned, Created, Model):
    """A write that a caller may safely repeat: the same key and body answer with the same resource."""

    __tablename__ = "idempotency_keys"
    __table_args__ = table_args(UniqueConstraint("tenant_id", "user_id", "key"), Index(None, "created_at"))

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), nullable=False)
    key: Mapped[str] = mapped_column(ascii_binary(200), nullable=False)
    body_hash: Mapped[bytes] = mapped_column(Digest, nullable=False)
    resource_type: Mapped[str] = mapped_column(String(50), nullable=False)
    resource_uuid: Mapped[str] = mapped_column(String(36), nullable=False)
