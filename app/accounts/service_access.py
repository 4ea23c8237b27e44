"""Acts of administrators on the sessions and keys of other people."""

from __future__ import annotations

from app.accounts import queries_users
from app.accounts.models import ApiKey
from app.accounts.person_rules import require_reach
from app.accounts.sessions import revoke_sessions
from app.audit import service as audit
from app.audit.service import Resource
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.core.permissions import Permission, require
from app.core.tenancy import scoped


def revoke_sessions_of(actor: Actor, user_id: int, session_id: int | None = None) -> int:
    """End one session of a person of the tenant, or all; return how many were open.

    Raises NotFound for a person or a session that is not there. Audited.
    """
    require(actor, Permission.USER_EDIT)
    user = queries_users.get_user(actor, user_id)
    require_reach(actor, user)
    ended = revoke_sessions(user.id, session_id)
    if session_id is not None and not ended:
        raise NotFound("This session")
    details = {"sessions_ended": ended, "session_id": session_id}
    audit.record(actor, "session:revoke", Resource("user", user.id), action="DELETE", details=details)
    return ended


def revoke_key_of(actor: Actor, user_id: int, key_id: int) -> ApiKey:
    """End a key of a person of the tenant from the next request on; again is no error. Raises NotFound. Audited."""
    require(actor, Permission.USER_EDIT)
    user = queries_users.get_user(actor, user_id)
    require_reach(actor, user)
    row = db.session.scalar(scoped(actor, ApiKey).where(ApiKey.user_id == user.id, ApiKey.id == key_id))
    if row is None:
        raise NotFound("This API key")
    if row.is_active:
        row.is_active = False
        row.version += 1
        db.session.flush()
        resource, details = Resource("api_key", row.id), {"prefix": row.prefix, "owner": user.username}
        audit.record(actor, "api_key:revoke", resource, action="DELETE", details=details)
    return row
