"""Reads of people by administrators: lists, one person, who is locked, their sessions and keys."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Select, false, func, or_, select

from app.accounts.models import ApiKey, SignInAttempt, User, UserSession
from app.core.actor import Actor, Role
from app.core.db import db
from app.core.db_time import database_now
from app.core.errors import NotFound
from app.core.pagination import Page, paginate
from app.core.permissions import Permission, require
from app.core.runtime import settings
from app.core.sorting import SortKeys
from app.core.tenancy import scoped

USER_SORT = SortKeys("-id", {"id": User.id, "username": User.username, "last_login": User.last_login})
KEY_SORT = SortKeys("-id", {"id": ApiKey.id, "expires_at": ApiKey.expires_at, "last_used": ApiKey.last_used})
SHOWN = 100  # sessions of one person on a page


@dataclass(frozen=True, slots=True)
class UserFilter:
    """What a list of people shows; None means any. ``text`` is looked for in names and addresses."""

    role: Role | None = None
    is_active: bool | None = None
    text: str | None = None


def _people(actor: Actor) -> Select[User]:
    return scoped(actor, User).where(User.is_system == false())


def list_users(
    actor: Actor,
    wanted: UserFilter,
    *,
    page: int = 1,
    page_size: int = 50,
    after: int | None = None,
    sort: str | None = None,
) -> Page[User]:
    """Return one page of the tenant's people, the newest first unless ``sort`` says otherwise."""
    require(actor, Permission.USER_VIEW)
    statement = _people(actor)
    if wanted.role is not None:
        statement = statement.where(User.role == wanted.role)
    if wanted.is_active is not None:
        statement = statement.where(User.is_active == wanted.is_active)
    if wanted.text:
        text = wanted.text.strip()
        columns = (User.username, User.email, User.first_name, User.last_name)
        statement = statement.where(or_(*(column.icontains(text, autoescape=True) for column in columns)))
    order = USER_SORT.pick(sort)
    return paginate(statement, User.id, page=page, page_size=page_size, after=after, sort=order)


def get_user(actor: Actor, user_id: int, *, lock: bool = False) -> User:
    """Return a person of the actor's tenant; NotFound otherwise. ``lock`` keeps the row until the commit."""
    require(actor, Permission.USER_VIEW)
    statement = _people(actor).where(User.id == user_id)
    found = db.session.scalar(statement.with_for_update() if lock else statement) if user_id < 2**31 else None
    if found is None:
        raise NotFound("This user")
    return found


def find_user(actor: Actor, username: str) -> User:
    """Return a person of the actor's tenant by the exact name; NotFound otherwise."""
    require(actor, Permission.USER_VIEW)
    found = db.session.scalar(_people(actor).where(User.username == username))
    if found is None or found.username != username:
        raise NotFound("This user")
    return found


def locked_among(actor: Actor, user_ids: Collection[int]) -> set[int]:
    """Return which of these people the limit of failed sign-ins locks at this moment (two queries)."""
    require(actor, Permission.USER_VIEW)
    if not user_ids:
        return set()
    since = database_now() - timedelta(minutes=settings().sign_in_window_minutes)
    statement = (
        select(SignInAttempt.user_id)
        .where(
            SignInAttempt.user_id.in_(user_ids),
            SignInAttempt.succeeded == false(),
            SignInAttempt.attempted_at > since,
        )
        .group_by(SignInAttempt.user_id)
        .having(func.count() >= settings().sign_in_user_limit)
    )
    return {found for found in db.session.scalars(statement) if found is not None}


def list_sessions_of(actor: Actor, user_id: int) -> Sequence[UserSession]:
    """Return the live sessions of a person of the tenant, last used first, at most SHOWN."""
    require(actor, Permission.USER_VIEW)
    return live_sessions(actor, user_id)


def live_sessions(actor: Actor, user_id: int | None) -> Sequence[UserSession]:
    """Return sessions that neither ended nor are idle for too long; asks no permission."""
    now = database_now()
    statement = scoped(actor, UserSession).where(
        UserSession.user_id == user_id,
        UserSession.revoked_at.is_(None),
        UserSession.expires_at > now,
        UserSession.last_seen_at > now - timedelta(minutes=settings().session_idle_minutes),
    )
    return db.session.scalars(statement.order_by(UserSession.last_seen_at.desc()).limit(SHOWN)).all()


def list_keys(
    actor: Actor,
    *,
    user_id: int | None = None,
    is_active: bool | None = None,
    page: int = 1,
    page_size: int = 50,
    after: int | None = None,
    sort: str | None = None,
) -> Page[ApiKey]:
    """Return keys of the tenant, or of one of its people; without ``user:view`` only the actor's own."""
    require(actor, Permission.PROFILE_OWN)
    if user_id != actor.user_id:
        require(actor, Permission.USER_VIEW)
    statement = scoped(actor, ApiKey)
    if user_id is not None:
        statement = statement.where(ApiKey.user_id == user_id)
    if is_active is not None:
        statement = statement.where(ApiKey.is_active == is_active)
    return paginate(statement, ApiKey.id, page=page, page_size=page_size, after=after, sort=KEY_SORT.pick(sort))
