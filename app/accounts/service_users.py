"""Acts of administrators on people. Users are deactivated, never deleted."""

from __future__ import annotations

from typing import Any, TypedDict

from sqlalchemy import delete, false, select, update

from app.accounts import former_passwords, queries_users
from app.accounts.access import end_access
from app.accounts.models import Membership, SignInAttempt, User
from app.accounts.passwords import HashedPassword
from app.accounts.person_rules import (
    check_email,
    check_username,
    keep_a_platform_admin,
    keep_an_admin,
    lock_admins,
    name_or_none,
    refuse_taken,
    require_reach,
)
from app.accounts.sessions import revoke_sessions
from app.audit import service as audit
from app.audit.service import Resource
from app.core.actor import Actor, Role, Via
from app.core.db import db
from app.core.db_time import database_now
from app.core.permissions import Permission, require
from app.core.tenancy import system_scope
from app.core.versioning import check_version


class UserChanges(TypedDict, total=False):
    """What an administrator may change about a person; what is left out stays."""

    first_name: str | None
    last_name: str | None
    email: str
    role: Role
    is_active: bool


def create_user(
    actor: Actor,
    *,
    username: str,
    email: str,
    role: Role,
    password: HashedPassword,
    first_name: str | None = None,
    last_name: str | None = None,
) -> User:
    """Add a person with a one-time password to the actor's tenant.

    Raises InvalidInput for the names, Conflict when one is taken. Audited.
    """
    require(actor, Permission.USER_EDIT)
    username, email = username.strip().lower(), email.strip().lower()
    check_username(username)
    check_email(email)
    refuse_taken(username=username, email=email)
    user = User(
        tenant_id=actor.tenant_id,
        username=username,
        email=email,
        role=role,
        first_name=name_or_none(first_name),
        last_name=name_or_none(last_name),
        password_hash=str(password),
        password_changed_at=database_now(),
        password_change_required=True,
    )
    db.session.add(user)
    db.session.flush()
    db.session.add(Membership(tenant_id=actor.tenant_id, user_id=user.id, role=role))
    db.session.flush()
    details = {"username": username, "role": role.value}
    audit.record(actor, "user:create", Resource("user", user.id), action="CREATE", details=details)
    return user


def edit_user(actor: Actor, user_id: int, changes: UserChanges, *, version: int | None = None) -> User:
    """Change a person. A new role and a deactivation end all of their sessions and keys at once.

    Raises NotFound, VersionConflict, Conflict (a taken address, the last administrator), InvalidInput. Audited.
    """
    require(actor, Permission.USER_EDIT)
    admins = lock_admins(actor) if "role" in changes or "is_active" in changes else []
    user = queries_users.get_user(actor, user_id, lock=True)
    require_reach(actor, user)
    done = _differences(user, changes)
    if not done and version in (None, user.version):
        return user
    check_version(user, version)
    if "email" in done:
        check_email(done["email"])
        refuse_taken(email=done["email"], own_id=user.id)
    if done.get("role", user.role) is not Role.ADMIN or done.get("is_active") is False:
        keep_an_admin(admins, user)
    if done.get("is_active") is False:
        keep_a_platform_admin(user)
    details = {name: [_plain(getattr(user, name)), _plain(value)] for name, value in done.items()}
    for name, value in done.items():
        setattr(user, name, value)
    if "role" in done:
        membership = db.session.scalar(
            select(Membership).where(Membership.tenant_id == actor.tenant_id, Membership.user_id == user.id)
        )
        if membership is not None:
            membership.role = user.role
    db.session.flush()
    if "role" in done or done.get("is_active") is False:
        details |= end_access(user.id)
    audit.record(actor, _event(done), Resource("user", user.id), action="UPDATE", details=details)
    return user


def _differences(user: User, changes: UserChanges) -> dict[str, Any]:
    wanted: dict[str, Any] = dict(changes)
    for name in ("first_name", "last_name"):
        if name in wanted:
            wanted[name] = name_or_none(wanted[name])
    if "email" in wanted:
        wanted["email"] = wanted["email"].strip().lower()
    return {name: value for name, value in wanted.items() if value != getattr(user, name)}


def _event(done: dict[str, Any]) -> str:
    if "is_active" in done:
        return "user:reactivate" if done["is_active"] else "user:deactivate"
    return "user:set_role" if "role" in done else "user:update"


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Role) else value


def reset_password(actor: Actor, user_id: int, *, password: HashedPassword) -> User:
    """Give a person a one-time password, end their sessions and take a lock away. Raises NotFound. Audited.

    Their keys stay: revoke those that may be known to others.
    """
    require(actor, Permission.USER_EDIT)
    user = queries_users.get_user(actor, user_id, lock=True)
    require_reach(actor, user)
    former_passwords.keep(user)
    user.password_hash = str(password)
    user.password_changed_at = database_now()
    user.password_change_required = True
    user.version += 1
    db.session.flush()
    _forget_failures(user.id)
    details = {"sessions_ended": revoke_sessions(user.id)}
    audit.record(actor, "user:set_password", Resource("user", user.id), action="UPDATE", details=details)
    return user


def unlock_user(actor: Actor, user_id: int) -> User:
    """Let a person try passwords again at once; again is no error. Raises NotFound. Audited."""
    require(actor, Permission.USER_EDIT)
    user = queries_users.get_user(actor, user_id)
    require_reach(actor, user)
    details = {"failures_forgotten": _forget_failures(user.id)}
    audit.record(actor, "user:unlock", Resource("user", user.id), action="UPDATE", details=details)
    return user


def _forget_failures(user_id: int) -> int:
    done = db.session.execute(
        delete(SignInAttempt)
        .where(SignInAttempt.user_id == user_id, SignInAttempt.succeeded == false())
        .execution_options(synchronize_session=False)
    )
    return int(getattr(done, "rowcount", 0))


def set_platform_admin(actor: Actor, user_id: int, *, granted: bool) -> User:
    """Make a person of the actor's tenant an administrator of the platform, or no longer one; their sessions end.

    Raises NotFound, Conflict for the last one. Audited.
    """
    require(actor, Permission.USER_EDIT)
    if actor.via is not Via.CLI:
        require(actor, Permission.PLATFORM_ADMIN)
    user = queries_users.get_user(actor, user_id, lock=True)
    if user.is_platform_admin is granted:
        return user
    if not granted:
        keep_a_platform_admin(user)
    with system_scope("the platform's administrators"):
        db.session.execute(
            update(User)
            .where(User.id == user.id)
            .values(is_platform_admin=granted, version=User.version + 1)
            .execution_options(synchronize_session=False)
        )
    db.session.refresh(user)
    details = {"is_platform_admin": [not granted, granted], **end_access(user.id)}
    audit.record(actor, "user:set_platform_admin", Resource("user", user.id), action="UPDATE", details=details)
    return user
