"""Care of segments: leftovers of kills are cleared, each segment is read again from time to time, damage counted."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from sqlalchemy import delete, select, update

from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.tenancy import system_scope, tenant_scope
from app.jobs import log_reading, segment_store
from app.jobs.segment_models import LogSegment
from app.jobs.segment_store import StoreAway

log = logging.getLogger(__name__)

LEFTOVER_HOURS = 1  # an intent this old is nobody's any more: sealing one chunk takes seconds
LEFTOVERS = 100  # cleared in one call
REMOVED = 10  # segments of one transaction: their parts and bytes go with them
CHECK_DAYS = 30  # every segment is read whole this often
CHECK_SECONDS = 0.3  # of one call
CHECKED_AT_ONCE = 4


def clear_leftovers() -> int:
    """Remove what sealing began and did not end: bytes first, then the intent; return how many."""
    with system_scope("leftovers of sealing"), unit_of_work(writes=False):
        before = database_now() - timedelta(hours=LEFTOVER_HOURS)
        rows = db.session.execute(
            select(LogSegment.id, LogSegment.store, LogSegment.uuid)
            .where(LogSegment.sealed_at.is_(None), LogSegment.created_at < before)
            .order_by(LogSegment.created_at)
            .limit(LEFTOVERS)
        ).all()
    done = 0
    for row in rows:
        # The intent is taken first: from here on no sealer can make it a segment.
        with system_scope("leftovers of sealing"), unit_of_work() as session:
            taken = session.execute(
                update(LogSegment)
                .where(LogSegment.id == row.id, LogSegment.sealed_at.is_(None))
                .values(damage="left over"),
                execution_options={"synchronize_session": False},
            )
            if taken.rowcount != 1:  # type: ignore[attr-defined]
                continue
            try:
                segment_store.outside(row.store).delete(row.uuid)
            except StoreAway as error:
                log.warning("segment.leftover_stays: %s", error)
                return done
            session.execute(
                delete(LogSegment).where(LogSegment.id == row.id), execution_options={"synchronize_session": False}
            )
        done += 1
    return done


def remove_some(tenant_id: int, run_id: int) -> bool:
    """Remove up to REMOVED segments of a run whose lines are announced as removed; True when none is left.

    Bytes first: nobody reads them any more, and a kill leaves a row that the next call takes. Raises StoreAway.
    """
    with tenant_scope(tenant_id), unit_of_work() as session:
        rows = session.execute(
            select(LogSegment.id, LogSegment.store, LogSegment.uuid)
            .where(LogSegment.tenant_id == tenant_id, LogSegment.run_id == run_id)
            .order_by(LogSegment.id)
            .limit(REMOVED)
        ).all()
        for row in rows:
            if row.store != segment_store.DATABASE:
                segment_store.outside(row.store).delete(row.uuid)
        session.execute(
            delete(LogSegment).where(LogSegment.tenant_id == tenant_id, LogSegment.id.in_([row.id for row in rows])),
            execution_options={"synchronize_session": False},
        )
    return len(rows) < REMOVED


def check_segments(*, seconds: float = CHECK_SECONDS, everything: bool = False) -> int:
    """Read segments that were not read for CHECK_DAYS (all of them if asked), for some seconds; return how many.

    A segment that is missing or damaged is noted with what is wrong; one that is whole again loses the note. A store
    that does not answer says nothing about its segments.
    """
    deadline = time.monotonic() + seconds
    with system_scope("reading of segments"), unit_of_work(writes=False):
        began = database_now()
    before = began if everything else began - timedelta(days=CHECK_DAYS)
    done = 0
    while True:
        found = _check_some(before)
        done += found
        if not found or time.monotonic() > deadline:
            return done


def _check_some(before: object) -> int:
    with system_scope("reading of segments"), unit_of_work() as session:
        segments = session.scalars(
            select(LogSegment)
            .where(LogSegment.checked_at < before, LogSegment.sealed_at.is_not(None))
            .order_by(LogSegment.checked_at)
            .limit(CHECKED_AT_ONCE)
        ).all()
        now = database_now()
        for segment in segments:
            content = log_reading.contents_of([segment])[segment.id]
            segment.checked_at = now
            if content == log_reading.AWAY:
                continue
            is_whole = isinstance(content, bytes)
            segment.damage = None if is_whole else str(content)[:200]
            segment.damaged_at = None if is_whole else segment.damaged_at or now
        return len(segments)
