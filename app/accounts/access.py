"""Ending what somebody may open: all sessions and all keys of a person. Inside the caller's unit of work."""

from __future__ import annotations

from typing import Any

from sqlalchemy import true, update

from app.accounts.models import ApiKey
from app.accounts.sessions import revoke_sessions
from app.core.db import db


def revoke_keys(user_id: int) -> int:
    """End all keys of a person from the next request on; return how many were active."""
    statement = (
        update(ApiKey)
        .where(ApiKey.user_id == user_id, ApiKey.is_active == true())
        .values(is_active=False, version=ApiKey.version + 1)
    )
    done = db.session.execute(statement.execution_options(synchronize_session=False))
    return int(getattr(done, "rowcount", 0))


def end_access(user_id: int) -> dict[str, Any]:
    """End every session and key of a person; return the numbers for the audit entry."""
    return {"sessions_ended": revoke_sessions(user_id), "keys_revoked": revoke_keys(user_id)}
