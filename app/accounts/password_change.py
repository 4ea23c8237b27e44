"""Changing one's own password: asked for the old one, hashed outside of any transaction, set by compare-and-set.

A wrong present password counts towards the limits of signing in.
"""

from __future__ import annotations

from sqlalchemy import select, update

from app.accounts import attempts
from app.accounts.identity import Origin
from app.accounts.models import User
from app.accounts.passwords import check_rules, hash_password, verify_password
from app.accounts.sessions import open_session, revoke_sessions
from app.audit import service as audit
from app.audit.service import Resource
from app.core.actor import Actor
from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.errors import Conflict, InvalidInput
from app.core.permissions import Permission, require
from app.core.runtime import settings
from app.core.tenancy import tenant_scope


def change_own_password(actor: Actor, current: str, new: str, origin: Origin) -> str:
    """Set a new password, end all sessions of this person and return the token of a new one.

    Opens units of work of its own. Raises InvalidInput (fields ``current_password``, ``new_password``).
    """
    require(actor, Permission.PROFILE_OWN)
    check_rules(new, username=actor.label, field="new_password")
    with tenant_scope(actor.tenant_id), unit_of_work(writes=False):
        stored = db.session.scalar(select(User.password_hash).where(User.id == actor.user_id))
    attempt = attempts.take_place(actor.user_id, origin)
    # Beyond the limit a hash is computed all the same, but the right password helps no more.
    fits = verify_password(current, None if attempt.over_limit else stored)
    with tenant_scope(actor.tenant_id), unit_of_work():
        if fits:
            attempts.mark_success(attempt)
        elif attempts.keep_failure(attempt):
            resource, why = Resource("user", actor.user_id), {"reason": "wrong present password"}
            audit.record(actor, "user:change_password", resource, action="UPDATE", details=why, outcome="refused")
    if attempt.over_limit:
        wait = f"Too many wrong tries. Wait {settings().sign_in_window_minutes} minutes, then try again."
        raise InvalidInput(current_password=wait)
    if not fits:
        raise InvalidInput(current_password="This is not your present password.")  # noqa: S106
    if current == new:
        raise InvalidInput(new_password="This is the password that you have. Choose another one.")  # noqa: S106
    replacement = hash_password(new)
    with tenant_scope(actor.tenant_id), unit_of_work():
        assert actor.user_id is not None
        done = db.session.execute(
            update(User)
            .where(User.id == actor.user_id, User.password_hash == stored, User.is_active.is_(True))
            .values(password_hash=replacement, password_changed_at=database_now(), password_change_required=False)
            .execution_options(synchronize_session=False)
        )
        if getattr(done, "rowcount", 0) != 1:
            raise Conflict("Your account changed in the meantime. Sign in again and repeat the change.")
        ended = revoke_sessions(actor.user_id)
        resource, details = Resource("user", actor.user_id), {"sessions_ended": ended}
        audit.record(actor, "user:change_password", resource, action="UPDATE", details=details)
        return open_session(actor.tenant_id, actor.user_id, origin)
