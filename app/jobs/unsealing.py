"""Puts sealed lines back as rows: the way to a version that knows no segments."""

from __future__ import annotations

from sqlalchemy import delete, insert, select, update

from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.tenancy import system_scope
from app.jobs import log_reading, segment_codec, segment_store
from app.jobs.log_models import JobLogLine
from app.jobs.models import Run
from app.jobs.segment_models import LogSegment, LogSegmentPart
from app.jobs.segment_store import StoreAway

ROWS = 1_000  # of one INSERT


def unseal_one() -> int | None:
    """Put the lines of one segment back and remove it; return how many lines, None when no readable one is left.

    Web, workers and keeper must be stopped: a reader in between would see neither rows nor segment. A segment that
    turns out damaged is noted as such and stays (0 lines). Raises StoreAway.
    """
    with system_scope("unsealing"), unit_of_work() as session:
        segment = session.scalars(
            select(LogSegment)
            .where(LogSegment.sealed_at.is_not(None), LogSegment.damaged_at.is_(None))
            .order_by(LogSegment.id)
            .limit(1)
        ).first()
        if segment is None:
            return None
        content = log_reading.contents_of([segment])[segment.id]
        if content == log_reading.AWAY:
            raise StoreAway(log_reading.AWAY)
        if isinstance(content, str):
            segment.damaged_at, segment.damage = database_now(), content[:200]
            return 0
        lines = _put_back(segment, content)
        quiet = {"synchronize_session": False}
        session.execute(delete(LogSegment).where(LogSegment.id == segment.id), execution_options=quiet)
        session.execute(
            update(Run).where(Run.id == segment.run_id).values(lines_sealed_at=None), execution_options=quiet
        )
        store, name = segment.store, segment.uuid
    if store != segment_store.DATABASE:  # behind the COMMIT: the rows are safe; a kill leaves a file, no hole
        segment_store.outside(store).delete(name)
    return lines


def _put_back(segment: LogSegment, content: bytes) -> int:
    parts = db.session.scalars(
        select(LogSegmentPart)
        .where(LogSegmentPart.tenant_id == segment.tenant_id, LogSegmentPart.segment_id == segment.id)
        .order_by(LogSegmentPart.start)
    ).all()
    rows = [
        {
            "tenant_id": segment.tenant_id,
            "job_id": part.job_id,
            "line_number": line.line_number,
            "run_seq": line.run_seq,
            "task_seq": line.task_seq,
            "continued": line.continued,
            "content": line.content,
            "log_level": line.log_level,
            "timestamp": line.timestamp,
        }
        for part in parts
        for line in segment_codec.decode(content[part.start : part.start + part.size])
    ]
    for start in range(0, len(rows), ROWS):
        db.session.execute(insert(JobLogLine), rows[start : start + ROWS])
    return len(rows)
