"""Signing in: limits first, then the password, then the session; each step in a short unit of work of its own.

The password is hashed between the units, so that no transaction waits a quarter of a second. Every try takes its
place in ``sign_in_attempts`` before it is judged, and counts itself: of any number of parallel tries no more than
the limit can pass. All refusals look alike, and cost alike.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from sqlalchemy import select, true, update

from app.accounts import attempts, trail
from app.accounts.attempts import Attempt
from app.accounts.identity import Origin
from app.accounts.models import Tenant, User
from app.accounts.passwords import hash_password, needs_rehash, verify_password
from app.accounts.sessions import open_session
from app.audit import service as audit
from app.audit.service import Resource
from app.core.actor import Actor, Via
from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.errors import AppError
from app.core.runtime import settings
from app.core.tenancy import system_scope, tenant_scope

USERNAME_LENGTH = 80


class SignInRefused(AppError):
    """Wrong name, wrong password, locked, inactive: callers hear the same of all."""

    status = 401
    error = "sign_in_refused"

    def __init__(self) -> None:
        super().__init__(
            "This user name and password do not open an account. Check both; after several failed tries wait "
            f"{settings().sign_in_window_minutes} minutes, or ask an administrator."
        )


def normal_username(text: str) -> str:
    """Return a user name as it is stored: NFKC, no space around it, lower case."""
    return unicodedata.normalize("NFKC", text).strip().lower()


def _find(username: str) -> Any | None:
    row = db.session.execute(
        select(
            User.id,
            User.tenant_id,
            User.username,
            User.role,
            User.password_hash,
            (User.is_active & Tenant.is_active & ~User.is_system).label("may_sign_in"),
        )
        .join(Tenant, Tenant.id == User.tenant_id)
        .where(User.username == username)
    ).first()
    # Collations find "ádmin" for "admin"; a person is found only by the very name.
    return row if row is not None and row.username == username else None


def _refuse(user: Any | None, attempt: Attempt, origin: Origin, reason: str) -> None:
    tenant_id = user.tenant_id if user else trail.DEFAULT_TENANT
    with tenant_scope(tenant_id), unit_of_work():
        if not attempts.keep_failure(attempt):
            return
        actor = trail.stranger(origin, tenant_id=tenant_id, user_id=user.id if user else None)
        if db.session.get(Tenant, tenant_id) is not None:  # before the first start there is no log to write to
            resource = Resource("user", actor.user_id)
            details = {"reason": reason}
            audit.record(actor, "session:create", resource, action="LOGIN", details=details, outcome="refused")


def sign_in(username: str, password: str, origin: Origin) -> str:
    """Check a name and password and return the token of a new session.

    Opens units of work of its own. Raises SignInRefused, the same for every cause; Unavailable when too many
    passwords are being checked.
    """
    with system_scope("sign-in"), unit_of_work(writes=False):
        user = _find(normal_username(username[: USERNAME_LENGTH * 2]))
    attempt = attempts.take_place(user.id if user else None, origin)
    may_try = user is not None and user.may_sign_in and not attempt.over_limit
    fits = verify_password(password, user.password_hash if user is not None and may_try else None)
    if user is None or not may_try or not fits:
        reason = "too many tries" if attempt.over_limit else "wrong name or password, or inactive"
        _refuse(user, attempt, origin, reason)
        raise SignInRefused
    fresh_hash = hash_password(password) if needs_rehash(user.password_hash) else user.password_hash
    with tenant_scope(user.tenant_id), unit_of_work():
        # Compare and set: a password or state that changed since the first look wins.
        done = db.session.execute(
            update(User)
            .where(User.id == user.id, User.password_hash == user.password_hash, User.is_active == true())
            .values(last_login=database_now(), password_hash=fresh_hash)
            .execution_options(synchronize_session=False)
        )
        if getattr(done, "rowcount", 0) == 1:
            attempts.mark_success(attempt)
            token = open_session(user.tenant_id, user.id, origin)
            actor = Actor(
                user.tenant_id,
                user.id,
                user.role,
                user.username,
                Via.SESSION,
                ip_address=origin.ip_address,
                user_agent=origin.user_agent,
                request_id=origin.request_id,
            )
            audit.record(actor, "session:create", Resource("user", user.id), action="LOGIN")
            return token
    raise SignInRefused
