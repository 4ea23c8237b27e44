"""Asking somebody who is signed in for their password again. A wrong one counts towards the limits of signing in."""

from __future__ import annotations

from sqlalchemy import select

from app.accounts import attempts
from app.accounts.identity import Origin
from app.accounts.models import User
from app.accounts.passwords import verify_password
from app.audit import service as audit
from app.audit.service import Resource
from app.core.actor import Actor
from app.core.db import db, unit_of_work
from app.core.errors import InvalidInput
from app.core.runtime import settings
from app.core.tenancy import tenant_scope


def confirm_password(actor: Actor, current: str, origin: Origin, event: str) -> str:
    """Return the stored hash that ``current`` fits; InvalidInput on ``current_password`` otherwise.

    Opens units of work of its own; a refusal is recorded as ``event``.
    """
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
            audit.record(actor, event, resource, action="UPDATE", details=why, outcome="refused")
    if attempt.over_limit:
        wait = f"Too many wrong tries. Wait {settings().sign_in_window_minutes} minutes, then try again."
        raise InvalidInput(current_password=wait)
    if not fits or stored is None:
        raise InvalidInput(current_password="This is not your present password.")  # noqa: S106
    return stored
