"""Rules about people that several acts share: names and addresses, the last administrator, who may touch whom."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import ColumnElement, false, select, true

from app.accounts.models import User
from app.core.actor import Actor, Role, Via
from app.core.db import db
from app.core.errors import Conflict, InvalidInput
from app.core.permissions import Permission, require
from app.core.tenancy import system_scope

# ASCII only: two names that look alike, or that a collation takes for one, cannot both exist.
USERNAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,79}\Z")
EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,253}\Z")
EMAIL_LENGTH = 120


def check_username(username: str) -> None:
    """Raise InvalidInput for a user name of another form."""
    if not USERNAME.match(username):
        raise InvalidInput(
            username="Use 1 to 80 of a-z, 0-9, dot, dash, underscore and @; begin with a letter or digit."
        )


def check_email(email: str) -> None:
    """Raise InvalidInput for what is no e-mail address."""
    if len(email) > EMAIL_LENGTH or not EMAIL.match(email) or not email.isprintable():
        raise InvalidInput(email=f"Give an address like name@example.org, at most {EMAIL_LENGTH} characters.")


def refuse_taken(*, username: str | None = None, email: str | None = None, own_id: int | None = None) -> None:
    """Raise Conflict when somebody else on the platform has the name or address (people sign in without a tenant)."""
    taken: list[ColumnElement[bool]] = []
    if username is not None:
        taken.append(User.username == username)
    if email is not None:
        taken.append(User.email == email)
    for field, condition in zip(("username", "email") if username is not None else ("email",), taken, strict=True):
        with system_scope("names are unique over the whole platform"):
            found = db.session.scalars(select(User.id).where(condition)).first()
        if found is not None and found != own_id:
            what = "user name" if field == "username" else "e-mail address"
            message = f"This {what} is taken. Choose another one."
            raise Conflict(message, errors={field: [message]}, error="name_taken")


def lock_admins(actor: Actor) -> list[int]:
    """Lock the rows of the tenant's active administrators until the commit and return their ids, ascending."""
    admins = select(User.id).where(
        User.tenant_id == actor.tenant_id,
        User.role == Role.ADMIN,
        User.is_active == true(),
        User.is_system == false(),
    )
    return list(db.session.scalars(admins.order_by(User.id).with_for_update()))


def keep_an_admin(admins: list[int], user: User) -> None:
    """Refuse to take the tenant's last active administrator away. ``admins`` as ``lock_admins`` returned them."""
    if user.id in admins and len(admins) < 2:
        raise Conflict("This is the last active administrator. Make somebody else one first.", error="last_admin")


def keep_a_platform_admin(user: User) -> None:
    """Refuse to take the platform's last active administrator away; the rows stay locked until the commit."""
    if not user.is_platform_admin:
        return
    with system_scope("the platform keeps an administrator"):
        statement = select(User.id).where(User.is_platform_admin == true(), User.is_active == true())
        found = list(db.session.scalars(statement.order_by(User.id).with_for_update()))
    if user.id in found and len(found) < 2:
        raise Conflict(
            "This is the platform's last active administrator. Make somebody else one first.", error="last_admin"
        )


def require_reach(actor: Actor, user: User) -> None:
    """Let only platform administrators touch one: a tenant's administrator would gain the platform by a new password.

    The platform itself and its command line pass.
    """
    if user.is_platform_admin and actor.via not in (Via.CLI, Via.SYSTEM):
        require(actor, Permission.PLATFORM_ADMIN)


def name_or_none(text: Any) -> str | None:
    """Return a first or last name without space around it; None for an empty one."""
    return (str(text).strip() or None) if text is not None else None
