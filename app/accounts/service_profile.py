"""Acts on one's own profile. Name and address only: role, state and tenant are an administrator's."""

from __future__ import annotations

from sqlalchemy import select

from app.accounts import queries
from app.accounts.models import User
from app.accounts.person_rules import name_or_none, refuse_taken
from app.audit import service as audit
from app.audit.service import Resource
from app.core.actor import Actor
from app.core.db import db
from app.core.permissions import Permission, require
from app.core.versioning import check_version


def edit_own_names(actor: Actor, *, first_name: str | None, last_name: str | None, version: int | None = None) -> User:
    """Set one's own first and last name; None and "" take it away. Raises VersionConflict. Audited."""
    require(actor, Permission.PROFILE_OWN)
    user = queries.own_user(actor)
    first_name, last_name = name_or_none(first_name), name_or_none(last_name)
    if (first_name, last_name) == (user.first_name, user.last_name) and version in (None, user.version):
        return user
    check_version(user, version)
    user.first_name, user.last_name = first_name, last_name
    db.session.flush()
    details = {"fields": ["first_name", "last_name"]}
    audit.record(actor, "user:update", Resource("user", user.id), action="UPDATE", details=details)
    return user


def set_own_email(actor: Actor, *, email: str) -> User:
    """Set one's own address; the caller has checked its form and the password. Raises Conflict. Audited."""
    require(actor, Permission.PROFILE_OWN)
    user = db.session.scalars(select(User).where(User.id == actor.user_id).with_for_update()).one()
    refuse_taken(email=email, own_id=user.id)
    if email != user.email:
        user.email = email
        user.version += 1
        db.session.flush()
        details = {"fields": ["email"]}
        audit.record(actor, "user:update", Resource("user", user.id), action="UPDATE", details=details)
    return user
