"""Reads of the accounts slice: a person's own keys."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select

from app.accounts.models import ApiKey, User
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.core.permissions import Permission, require
from app.core.tenancy import scoped

SHOWN = 100  # keys of one person on a page


def own_keys(actor: Actor) -> Select[ApiKey]:
    """Return the statement for the actor's own keys, revoked ones included."""
    require(actor, Permission.PROFILE_OWN)
    return scoped(actor, ApiKey).where(ApiKey.user_id == actor.user_id)


def list_own_keys(actor: Actor) -> Sequence[ApiKey]:
    """Return the actor's newest keys, newest first, at most SHOWN."""
    return db.session.scalars(own_keys(actor).order_by(ApiKey.id.desc()).limit(SHOWN)).all()


def find_own_key(actor: Actor, key_id: int) -> ApiKey:
    """Return one of the actor's keys; NotFound otherwise."""
    row = db.session.scalar(own_keys(actor).where(ApiKey.id == key_id))
    if row is None:
        raise NotFound("This API key")
    return row


def own_user(actor: Actor) -> User:
    """Return the acting user's row; asks no permission, everybody may know who they are. NotFound for nobody."""
    found = db.session.scalar(scoped(actor, User).where(User.id == actor.user_id))
    if found is None:
        raise NotFound("This user")
    return found
