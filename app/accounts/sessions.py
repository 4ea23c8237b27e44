"""Rows of signed-in browsers: opened, revoked, forgotten. Inside the caller's unit of work."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, update

from app.accounts import keys
from app.accounts.identity import USER_AGENT_LENGTH, Origin
from app.accounts.models import UserSession
from app.core.crypto import random_token
from app.core.db import db
from app.core.db_time import database_now
from app.core.runtime import settings


def open_session(tenant_id: int, user_id: int, origin: Origin) -> str:
    """Insert a session and return its token (256 random bits); rows of this user that are over are removed."""
    now = database_now()
    over = delete(UserSession).where(UserSession.user_id == user_id, UserSession.expires_at <= now)
    db.session.execute(over.execution_options(synchronize_session=False))
    token = random_token()
    row = UserSession(
        tenant_id=tenant_id,
        user_id=user_id,
        token_digest=keys.digest(token),
        created_at=now,
        last_seen_at=now,
        expires_at=now + timedelta(hours=settings().session_absolute_hours),
        ip_address=origin.ip_address,
        user_agent=(origin.user_agent or "")[:USER_AGENT_LENGTH] or None,
    )
    db.session.add(row)
    db.session.flush()
    return token


def revoke_sessions(user_id: int, session_id: int | None = None) -> int:
    """End all sessions of a user, or the one given, from the next request on; return how many were open."""
    statement = update(UserSession).where(UserSession.user_id == user_id, UserSession.revoked_at.is_(None))
    if session_id is not None:
        statement = statement.where(UserSession.id == session_id)
    done = db.session.execute(statement.values(revoked_at=database_now()).execution_options(synchronize_session=False))
    return int(getattr(done, "rowcount", 0))
