"""Changing one's own password: asked for the old one, hashed outside of any transaction, set by compare-and-set."""

from __future__ import annotations

from sqlalchemy import select

from app.accounts import former_passwords
from app.accounts.identity import Origin
from app.accounts.models import User
from app.accounts.password_check import confirm_password
from app.accounts.passwords import check_rules, hash_password
from app.accounts.sessions import open_session, revoke_sessions
from app.audit import service as audit
from app.audit.service import Resource
from app.core.actor import Actor
from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.errors import Conflict, InvalidInput
from app.core.permissions import Permission, require
from app.core.tenancy import tenant_scope


def change_own_password(actor: Actor, current: str, new: str, origin: Origin) -> str:
    """Set a new password, end all sessions of this person and return the token of a new one.

    Opens units of work of its own. Raises InvalidInput (fields ``current_password``, ``new_password``): the present
    password and the ``former_passwords.KEPT`` before it are refused.
    """
    require(actor, Permission.PROFILE_OWN)
    check_rules(new, username=actor.label, field="new_password")
    stored = confirm_password(actor, current, origin, "user:change_password")
    if current == new:
        raise InvalidInput(new_password="This is the password that you have. Choose another one.")  # noqa: S106
    assert actor.user_id is not None
    with tenant_scope(actor.tenant_id), unit_of_work(writes=False):
        former = former_passwords.hashes_of(actor.tenant_id, actor.user_id)
    if former_passwords.is_among(new, former):
        text = f"You had this password before. Choose one that is not among your last {former_passwords.KEPT}."
        raise InvalidInput(new_password=text)
    replacement = hash_password(new)
    with tenant_scope(actor.tenant_id), unit_of_work():
        user = db.session.scalars(select(User).where(User.id == actor.user_id).with_for_update()).one()
        if user.password_hash != stored or not user.is_active:
            raise Conflict("Your account changed in the meantime. Sign in again and repeat the change.")
        former_passwords.keep(user)
        user.password_hash = replacement
        user.password_changed_at = database_now()
        user.password_change_required = False
        user.version += 1
        db.session.flush()
        details = {"sessions_ended": revoke_sessions(user.id)}
        audit.record(actor, "user:change_password", Resource("user", user.id), action="UPDATE", details=details)
        return open_session(actor.tenant_id, user.id, origin)
