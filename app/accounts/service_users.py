"""Acts on people: by administrators, today through the command line. Users are deactivated, never deleted."""

from __future__ import annotations

import re

from sqlalchemy import select

from app.accounts import queries
from app.accounts.models import Membership, User
from app.accounts.passwords import HashedPassword
from app.accounts.sessions import revoke_sessions
from app.audit import service as audit
from app.audit.service import Resource
from app.core.actor import Actor, Role
from app.core.db import db
from app.core.db_time import database_now
from app.core.errors import Conflict, InvalidInput
from app.core.permissions import Permission, require
from app.core.tenancy import system_scope

# ASCII only: two names that look alike, or that a collation takes for one, cannot both exist.
USERNAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,79}\Z")
EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,253}\Z")
EMAIL_LENGTH = 120


def _check_names(username: str, email: str) -> None:
    if not USERNAME.match(username):
        raise InvalidInput(
            username="Use 1 to 80 of a-z, 0-9, dot, dash, underscore and @; begin with a letter or digit."
        )
    if len(email) > EMAIL_LENGTH or not EMAIL.match(email):
        raise InvalidInput(email=f"Give an address like name@example.org, at most {EMAIL_LENGTH} characters.")
    with system_scope("names are unique over the whole platform"):
        taken = db.session.execute(
            select(User.username, User.email).where((User.username == username) | (User.email == email))
        ).first()
    if taken is not None:
        raise Conflict("This user name or e-mail address is taken. Choose another one.")


def create_user(
    actor: Actor,
    *,
    username: str,
    email: str,
    role: Role,
    password: HashedPassword,
    password_change_required: bool = True,
) -> User:
    """Add a person to the actor's tenant. Raises InvalidInput for the names, Conflict when one is taken. Audited."""
    require(actor, Permission.USER_EDIT)
    username, email = username.strip().lower(), email.strip().lower()
    _check_names(username, email)
    user = User(
        tenant_id=actor.tenant_id,
        username=username,
        email=email,
        role=role,
        password_hash=str(password),
        password_changed_at=database_now(),
        password_change_required=password_change_required,
    )
    db.session.add(user)
    db.session.flush()
    db.session.add(Membership(tenant_id=actor.tenant_id, user_id=user.id, role=role))
    db.session.flush()
    details = {"username": username, "role": role.value}
    audit.record(actor, "user:create", Resource("user", user.id), action="CREATE", details=details)
    return user


def set_user_password(actor: Actor, username: str, *, password: HashedPassword) -> User:
    """Give a person a one-time password and end their sessions. Raises NotFound. Audited."""
    require(actor, Permission.USER_EDIT)
    user = queries.find_user(actor, username)
    user.password_hash = str(password)
    user.password_changed_at = database_now()
    user.password_change_required = True
    db.session.flush()
    revoke_sessions(user.id)
    audit.record(actor, "user:set_password", Resource("user", user.id), action="UPDATE")
    return user


def _keep_an_admin(actor: Actor, user: User) -> None:
    """Refuse to take the tenant's last active administrator away; the rows stay locked until the commit."""
    if user.role is not Role.ADMIN or not user.is_active:
        return
    admins = select(User.id).where(
        User.tenant_id == actor.tenant_id,
        User.role == Role.ADMIN,
        User.is_active.is_(True),
        User.is_system.is_(False),
    )
    if len(db.session.scalars(admins.with_for_update()).all()) < 2:
        raise Conflict("This is the last active administrator. Make somebody else one first.")


def deactivate_user(actor: Actor, username: str) -> User:
    """Refuse a person everywhere from the next request on, keys included. Raises NotFound, Conflict. Audited."""
    require(actor, Permission.USER_EDIT)
    user = queries.find_user(actor, username)
    _keep_an_admin(actor, user)
    user.is_active = False
    db.session.flush()
    revoke_sessions(user.id)
    audit.record(actor, "user:deactivate", Resource("user", user.id), action="UPDATE")
    return user


def set_user_role(actor: Actor, username: str, *, role: Role) -> User:
    """Change a person's role and end their sessions; keys follow the new role at once. Raises NotFound, Conflict."""
    require(actor, Permission.USER_EDIT)
    user = queries.find_user(actor, username)
    if user.role is role:
        return user
    _keep_an_admin(actor, user)
    before, user.role = user.role, role
    membership = db.session.scalar(select(Membership).where(Membership.user_id == user.id))
    if membership is not None:
        membership.role = role
    db.session.flush()
    revoke_sessions(user.id)
    details = {"role": [before.value, role.value]}
    audit.record(actor, "user:set_role", Resource("user", user.id), action="UPDATE", details=details)
    return user
