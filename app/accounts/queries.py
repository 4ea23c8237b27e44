"""Reads of the accounts slice: a person's own keys and sessions, and people by name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Select, select

from app.accounts.models import ApiKey, User, UserSession
from app.core.actor import Actor
from app.core.db import db
from app.core.db_time import database_now
from app.core.errors import NotFound
from app.core.permissions import Permission, require
from app.core.runtime import settings
from app.core.tenancy import scoped

SHOWN = 100  # keys and sessions of one person on a page


def own_keys(actor: Actor) -> Select[ApiKey]:
    """Return the statement for the actor's own keys, revoked ones included."""
    require(actor, Permission.PROFILE_OWN)
    return scoped(actor, ApiKey).where(ApiKey.user_id == actor.user_id)


def list_own_keys(actor: Actor) -> Sequence[ApiKey]:
    """Return the actor's newest keys, newest first, at most SHOWN."""
    return db.session.scalars(own_keys(actor).order_by(ApiKey.id.desc()).limit(SHOWN)).all()


def list_own_sessions(actor: Actor) -> Sequence[UserSession]:
    """Return the actor's live sessions, last used first, at most SHOWN."""
    require(actor, Permission.PROFILE_OWN)
    now = database_now()
    statement = scoped(actor, UserSession).where(
        UserSession.user_id == actor.user_id,
        UserSession.revoked_at.is_(None),
        UserSession.expires_at > now,
        UserSession.last_seen_at > now - timedelta(minutes=settings().session_idle_minutes),
    )
    return db.session.scalars(statement.order_by(UserSession.last_seen_at.desc()).limit(SHOWN)).all()


def find_own_key(actor: Actor, key_id: int) -> ApiKey:
    """Return one of the actor's keys; NotFound otherwise."""
    row = db.session.scalar(own_keys(actor).where(ApiKey.id == key_id))
    if row is None:
        raise NotFound("This API key")
    return row


def find_user(actor: Actor, username: str) -> User:
    """Return a person of the actor's tenant by name; NotFound otherwise. The tenant's system user is no person."""
    require(actor, Permission.USER_VIEW)
    statement = select(User).where(
        User.tenant_id == actor.tenant_id, User.username == username, User.is_system.is_(False)
    )
    row = db.session.scalar(statement)
    if row is None:
        raise NotFound("This user")
    return row
