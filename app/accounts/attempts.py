"""Tries of passwords: each takes its place before it is judged, and counts itself.

The limits (``sign_in_user_limit``, ``sign_in_address_limit`` in ``sign_in_window_minutes``) live in the database, so
they hold for any number of processes and without Redis. Of parallel tries no more than the limit can pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, false, func, select, update

from app.accounts.identity import Origin
from app.accounts.models import SignInAttempt
from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.runtime import settings
from app.core.tenancy import system_scope


@dataclass(frozen=True, slots=True)
class Attempt:
    """A stored try, and whether it is one too many."""

    attempt_id: int
    over_limit: bool
    first_over_limit: bool


def _failures(column: Any, value: Any) -> int:
    since = database_now() - timedelta(minutes=settings().sign_in_window_minutes)
    counted = db.session.scalar(
        select(func.count())
        .select_from(SignInAttempt)
        .where(column == value, SignInAttempt.succeeded == false(), SignInAttempt.attempted_at > since)
    )
    return counted or 0


def take_place(user_id: int | None, origin: Origin) -> Attempt:
    """Store a try as a failure and say whether it is over a limit. Opens two short units of work of its own."""
    with system_scope("a try of a password"):
        with unit_of_work():
            attempt = SignInAttempt(
                user_id=user_id, ip_address=origin.ip_address, succeeded=False, attempted_at=database_now()
            )
            db.session.add(attempt)
            db.session.flush()
            attempt_id = attempt.id
        # After the COMMIT: whoever is the n-th to commit sees at least n.
        with unit_of_work(writes=False):
            excess = []
            if user_id is not None:
                excess.append(_failures(SignInAttempt.user_id, user_id) - settings().sign_in_user_limit)
            if origin.ip_address is not None:
                by_address = _failures(SignInAttempt.ip_address, origin.ip_address)
                excess.append(by_address - settings().sign_in_address_limit)
    over = max(excess, default=0)
    return Attempt(attempt_id, over > 0, over == 1)


def keep_failure(attempt: Attempt) -> bool:
    """Say whether a failed try stays: of those over the limit only the first, or a lock would never end.

    The others are deleted here, inside the caller's unit of work.
    """
    if not attempt.over_limit or attempt.first_over_limit:
        return True
    db.session.execute(delete(SignInAttempt).where(SignInAttempt.id == attempt.attempt_id))
    return False


def mark_success(attempt: Attempt) -> None:
    """Note that the password was right; inside the caller's unit of work."""
    db.session.execute(update(SignInAttempt).where(SignInAttempt.id == attempt.attempt_id).values(succeeded=True))
