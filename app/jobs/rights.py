"""Rights on work that hang on who asked for it, beside those of the roles."""

from __future__ import annotations

from app.core.actor import Actor
from app.core.permissions import Permission, can, require, require_one_of


def may_cancel(actor: Actor, user_id: int) -> bool:
    """Say whether the actor may stop what ``user_id`` launched: their own always, other people's by role."""
    own = user_id == actor.user_id and can(actor, Permission.JOB_CANCEL_OWN)
    return own or can(actor, Permission.JOB_CANCEL)


def require_cancel(actor: Actor, user_id: int | None = None) -> None:
    """Raise PermissionDenied unless the actor may stop what ``user_id`` launched; None: anything at all."""
    require_one_of(actor, Permission.JOB_CANCEL, Permission.JOB_CANCEL_OWN)
    if user_id is not None and not may_cancel(actor, user_id):
        require(actor, Permission.JOB_CANCEL)
