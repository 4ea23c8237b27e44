"""What the keeper clears away for accounts: rows that nobody will ask for again, a bounded number at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import InstrumentedAttribute

from app.accounts.models import IdempotencyKey, SignInAttempt, UserSession
from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.runtime import settings
from app.core.tenancy import system_scope

CHUNK = 1000  # rows in one transaction
CHUNKS = 20  # of one table in one call; the rest waits for the next


def prune_accounts() -> int:
    """Delete ended sessions, old sign-in attempts and old idempotency keys; return how many rows.

    Sessions go at their absolute end, attempts after a day (or the limits' window when that is longer), idempotency
    keys after ``idempotency_days``. Opens a unit of work for each chunk of CHUNK rows; at most CHUNKS of each table.
    """
    with system_scope("clearing away"), unit_of_work(writes=False):
        now = database_now()
    window = timedelta(minutes=settings().sign_in_window_minutes)
    ends: tuple[tuple[InstrumentedAttribute[Any], timedelta], ...] = (
        (UserSession.expires_at, timedelta(0)),
        (SignInAttempt.attempted_at, max(timedelta(days=1), window)),
        (IdempotencyKey.created_at, timedelta(days=settings().idempotency_days)),
    )
    return sum(_prune(column, now - age) for column, age in ends)


def _prune(column: InstrumentedAttribute[Any], before: Any) -> int:
    """Delete the rows whose ``column`` (indexed) lies before a moment, oldest first."""
    table: Any = column.class_
    done = 0
    for _ in range(CHUNKS):
        with system_scope("clearing away"), unit_of_work():
            # Ids first: a DELETE with a LIMIT is not understood everywhere.
            ids = db.session.scalars(select(table.id).where(column < before).order_by(column).limit(CHUNK)).all()
            if ids:
                statement = delete(table).where(table.id.in_(ids), column < before)
                db.session.execute(statement.execution_options(synchronize_session=False))
        done += len(ids)
        if len(ids) < CHUNK:
            break
    return done
