"""Passwords that somebody had before: kept as hashes so that the last ones are not chosen again."""

from __future__ import annotations

from sqlalchemy import delete, select

from app.accounts.models import FormerPassword, User
from app.accounts.passwords import verify_password
from app.core.db import db

KEPT = 5  # the core document's number


def keep(user: User) -> None:
    """Remember the hash that is about to be replaced, and forget all but the newest KEPT. Inside a unit of work.

    One-time passwords are nobody's choice and take no place.
    """
    if user.password_change_required or not user.password_hash.startswith("$2b$"):
        return
    mine = (FormerPassword.tenant_id == user.tenant_id, FormerPassword.user_id == user.id)
    db.session.add(FormerPassword(tenant_id=user.tenant_id, user_id=user.id, password_hash=user.password_hash))
    db.session.flush()
    newest = select(FormerPassword.id).where(*mine).order_by(FormerPassword.id.desc()).limit(KEPT)
    kept = list(db.session.scalars(newest))
    old = delete(FormerPassword).where(*mine, FormerPassword.id < min(kept))
    db.session.execute(old.execution_options(synchronize_session=False))


def hashes_of(tenant_id: int, user_id: int) -> list[str]:
    """Return the remembered hashes of a person, the newest first, at most KEPT."""
    statement = select(FormerPassword.password_hash).where(
        FormerPassword.tenant_id == tenant_id, FormerPassword.user_id == user_id
    )
    return list(db.session.scalars(statement.order_by(FormerPassword.id.desc()).limit(KEPT)))


def is_among(password: str, hashes: list[str]) -> bool:
    """Say whether ``password`` is one of these. Takes a quarter of a second for each: outside of a unit of work."""
    return any(verify_password(password, stored) for stored in hashes)
