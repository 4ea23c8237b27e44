"""From a session token or an API key to an actor: read from the database for every request, never remembered.

Deactivation, a new role, a new password, revocation and expiry therefore hold from the next request on. Everything
here runs inside a unit of work that the caller opened.
"""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute

from app.accounts import keys
from app.accounts.models import ApiKey, Tenant, User, UserSession
from app.core.actor import Actor, Via
from app.core.db import db, unit_of_work
from app.core.db_time import db_now
from app.core.errors import NotSignedIn
from app.core.permissions import ROLE_GRANTS, Permission
from app.core.runtime import settings
from app.core.tenancy import system_scope

log = logging.getLogger(__name__)

TOUCH_SECONDS = 60  # "last used" and "last seen" are written at most this often
USER_AGENT_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from."""

    ip_address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who was found, and what else the request must know about them."""

    actor: Actor
    tenant_name: str
    password_change_required: bool
    session_id: int | None
    found_at: datetime  # database time
    touch: bool  # whether the row's "last used" is due


class TenantInactive(NotSignedIn):
    """A session of a deactivated tenant. Whoever holds its token may know why it ended."""

    def __init__(self, tenant_name: str) -> None:
        super().__init__(inactive_tenant_words(tenant_name))


class KeyRefused(NotSignedIn):
    """A key that exists was refused. ``reason`` is for the audit log; callers all hear the same.

    Except for the whole key of a deactivated tenant, whose holder learns that it is not the key's fault.
    """

    def __init__(self, actor: Actor, reason: str, tenant_name: str | None = None) -> None:
        super().__init__(*([inactive_tenant_words(tenant_name)] if tenant_name else []))
        self.actor = actor
        self.reason = reason


def inactive_tenant_words(tenant_name: str) -> str:
    """Return what people of a deactivated tenant are told."""
    return f"The tenant {tenant_name} is deactivated. Ask the administrators of the platform."


_PERSON = (
    User.id.label("user_id"),
    User.tenant_id,
    User.username,
    User.role,
    User.is_platform_admin,
    User.is_active.label("user_active"),
    User.is_system,
    User.password_change_required,
    User.password_changed_at,
    User.created_at.label("user_created_at"),
    Tenant.name.label("tenant_name"),
    Tenant.is_active.label("tenant_active"),
    db_now().label("now"),
)


def _actor(row: Any, via: Via, origin: Origin, **more: Any) -> Actor:
    return Actor(
        tenant_id=row.tenant_id,
        user_id=row.user_id,
        role=row.role,
        label=row.username,
        via=via,
        is_platform_admin=row.is_platform_admin,
        ip_address=origin.ip_address,
        user_agent=(origin.user_agent or "")[:USER_AGENT_LENGTH] or None,
        request_id=origin.request_id,
        **more,
    )


def _due(last: datetime | None, now: datetime) -> bool:
    return last is None or last < now - timedelta(seconds=TOUCH_SECONDS)


def _must_change(row: Any) -> bool:
    """Say whether the password is a one-time one, or older than ``password_max_age_days``."""
    days = settings().password_max_age_days
    since = row.password_changed_at or row.user_created_at
    return bool(row.password_change_required or (days and since + timedelta(days=days) <= row.now))


def find_by_session(token: str, origin: Origin) -> Identity | None:
    """Return who holds this session token; None when it is unknown, revoked, idle or too old (one query).

    Raises TenantInactive for an open session of a deactivated tenant.
    """
    session = UserSession
    statement = (
        select(*_PERSON, session.id, session.last_seen_at, session.expires_at, session.revoked_at)
        .join(User, User.id == session.user_id)
        .join(Tenant, Tenant.id == User.tenant_id)
        .where(session.token_digest == keys.digest(token))
    )
    with system_scope("find who holds a session"):
        row = db.session.execute(statement).first()
    if row is None or row.revoked_at is not None or row.is_system or not row.user_active:
        return None
    idle = timedelta(minutes=settings().session_idle_minutes)
    if row.expires_at <= row.now or row.last_seen_at + idle <= row.now:
        return None
    if not row.tenant_active:
        raise TenantInactive(row.tenant_name)
    return Identity(
        _actor(row, Via.SESSION, origin),
        row.tenant_name,
        _must_change(row),
        row.id,
        row.now,
        _due(row.last_seen_at, row.now),
    )


def _scopes(kept: list[str] | None, row: Any) -> frozenset[str] | None:
    if kept is None:
        return None
    may = {permission.value for permission in ROLE_GRANTS[row.role]}
    return frozenset(kept) & (may | {Permission.PLATFORM_ADMIN.value} if row.is_platform_admin else may)


def find_by_key(text: str, origin: Origin) -> Identity:
    """Return whose API key this is (one query). Raises NotSignedIn, or KeyRefused when the prefix is a known one."""
    prefix = keys.prefix_of(text)
    if prefix is None:
        raise NotSignedIn
    statement = (
        select(
            *_PERSON,
            ApiKey.id,
            ApiKey.digest,
            ApiKey.scopes,
            ApiKey.is_active,
            ApiKey.expires_at,
            ApiKey.last_used,
        )
        .join(User, User.id == ApiKey.user_id)
        .join(Tenant, Tenant.id == User.tenant_id)
        .where(ApiKey.prefix == prefix)
    )
    with system_scope("find whose key this is"):
        row = db.session.execute(statement).first()
    if row is None:
        raise NotSignedIn
    actor = _actor(row, Via.API_KEY, origin, api_key_id=row.id, api_key_prefix=prefix, scopes=_scopes(row.scopes, row))
    reason = None
    if not hmac.compare_digest(row.digest, keys.digest(text)):
        reason = "wrong secret"
    elif not row.is_active:
        reason = "revoked"
    elif row.expires_at is not None and row.expires_at <= row.now:
        reason = "expired"
    elif not row.user_active or row.is_system:
        reason = "user inactive"
    elif not row.tenant_active:
        raise KeyRefused(actor, "tenant inactive", row.tenant_name)
    if reason is not None:
        raise KeyRefused(actor, reason)
    return Identity(actor, row.tenant_name, False, None, row.now, _due(row.last_used, row.now))


def touch(identity: Identity) -> None:
    """Write "last used" of a key or "last seen" of a session in a unit of its own; failure is only logged."""
    row: Any
    column: InstrumentedAttribute[Any]
    if identity.session_id is not None:
        row, column = UserSession.id == identity.session_id, UserSession.last_seen_at
    else:
        row, column = ApiKey.id == identity.actor.api_key_id, ApiKey.last_used
    earlier = (column.is_(None)) | (column < identity.found_at)
    try:
        with system_scope("note the use of a session or key"), unit_of_work():
            statement = update(column.class_).where(row, earlier).values({column.key: identity.found_at})
            db.session.execute(statement.execution_options(synchronize_session=False))
    except SQLAlchemyError as error:
        log.warning("use of a session or key was not noted: %s", type(error).__name__)
