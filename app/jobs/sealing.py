"""Moves the lines of runs that ended days ago from rows into compressed segments, a few thousand at a time.

For each chunk: read the rows; write content; for a store outside of the database note the intent in a commit, put the
bytes, read them back and compare; then one short transaction that adds the parts and deletes exactly those rows. A
kill at any moment leaves rows or a segment, never both nor neither: before the last COMMIT readers see rows, behind
it the segment. What an intent left is cleared by ``segment_care``. Only lines of runs that ended are touched: no
writer waits for any of this.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, func, select, update

from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.runtime import settings
from app.core.tenancy import system_scope, tenant_scope
from app.jobs import segment_codec, segment_store
from app.jobs.log_models import JobLogLine
from app.jobs.models import Job, Run
from app.jobs.segment_codec import Line, Part, SegmentDamaged
from app.jobs.segment_models import LogSegment, LogSegmentBlob, LogSegmentPart
from app.jobs.segment_store import SegmentMissing, StoreAway

log = logging.getLogger(__name__)

SEGMENT_LINES = 4_000  # a page of 500 opens one or two; also the rows of one transaction
SEGMENT_BYTES = 1_048_576  # of content: long lines make shorter segments
READ_ROWS = 500  # rows asked for at a time, at most 16 KiB each
RUNS = 200  # runs looked at in one call
SECONDS = 0.5  # of one call: the keeper also starts and reaps runs


class SealingStopped(RuntimeError):
    """A chunk was not sealed and its rows stay; the message says why."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of one run that become a segment: (job id, line) in order, and their content."""

    tenant_id: int
    run_id: int
    rows: Sequence[tuple[int, Line]]
    content: bytes
    parts: Sequence[Part]


def seal_old_lines(*, seconds: float | None = None) -> int:
    """Seal runs that ended before ``seal_after_days``; return how many lines were moved.

    Opens units of work of its own and stops after ``seconds`` (SECONDS). Does nothing while the setting is 0, or
    while the store does not answer.
    """
    deadline = time.monotonic() + (SECONDS if seconds is None else seconds)
    days = settings().seal_after_days
    moved = 0
    if not days:
        return moved
    for tenant_id, run_id in _due(days):
        after = 0
        while chunk := next_chunk(tenant_id, run_id, after):
            try:
                seal(chunk)
            except (StoreAway, SealingStopped) as error:
                log.warning("sealing.postponed: %s", error, extra={"run_id": run_id})
                return moved
            moved += len(chunk.rows)
            after = chunk.rows[-1][0] - 1  # the job of the last line may have more
            if time.monotonic() > deadline:
                return moved
        _mark_sealed(tenant_id, run_id)
        if time.monotonic() > deadline:
            break
    return moved


def _due(days: int) -> Sequence[tuple[int, int]]:
    with system_scope("lines to seal"), unit_of_work(writes=False):
        before = database_now() - timedelta(days=days)
        rows = db.session.execute(due(before).with_only_columns(Run.tenant_id, Run.id).limit(RUNS))
        return [(tenant_id, run_id) for tenant_id, run_id in rows]


def due(before: datetime) -> Select[Run]:
    """Select the runs that ended before a moment and may have lines as rows, the longest ended first."""
    return (
        select(Run)
        .where(Run.lines_sealed_at.is_(None), Run.lines_removed_at.is_(None), Run.completed_at < before)
        .order_by(Run.completed_at)
    )


def next_chunk(tenant_id: int, run_id: int, after_job: int = 0) -> Chunk | None:
    """Read the first rows that a finished run still has, of jobs with an id over ``after_job``; None without any."""
    rows: list[tuple[int, Line]] = []
    size = 0
    with tenant_scope(tenant_id), unit_of_work(writes=False):
        jobs = db.session.scalars(
            select(Job.id).where(
                Job.tenant_id == tenant_id, Job.run_id == run_id, Job.id > after_job, Job.log_lines > 0
            )
        ).all()
        while jobs and len(rows) < SEGMENT_LINES and size < SEGMENT_BYTES:
            found = _read(tenant_id, jobs, rows, min(READ_ROWS, SEGMENT_LINES - len(rows)))
            rows += found
            size += sum(len(line.content) for _job, line in found)
            if len(found) < READ_ROWS:
                break
    if not rows:
        return None
    content, parts = segment_codec.encode(rows)
    return Chunk(tenant_id, run_id, rows, content, parts)


def _read(
    tenant_id: int, jobs: Sequence[int], before: Sequence[tuple[int, Line]], limit: int
) -> list[tuple[int, Line]]:
    """Read the rows behind those that were read: the rest of their last job, then the next jobs."""
    table = JobLogLine
    mine = select(
        table.job_id,
        table.line_number,
        table.run_seq,
        table.task_seq,
        table.continued,
        table.content,
        table.log_level,
        table.timestamp,
    ).where(table.tenant_id == tenant_id)
    wanted = [mine.where(table.job_id.in_(jobs))]
    if before:
        present, line = before[-1]
        wanted = [mine.where(table.job_id == present, table.line_number > line.line_number)]
        if later := [job for job in jobs if job > present]:
            wanted.append(mine.where(table.job_id.in_(later)))
    found: list[tuple[int, Line]] = []
    for statement in wanted:
        if len(found) < limit:
            ordered = statement.order_by(table.job_id, table.line_number).limit(limit - len(found))
            columns: Any
            for job_id, *columns in db.session.execute(ordered):
                found.append((job_id, Line(*columns)))
    return found


def seal(chunk: Chunk) -> None:
    """Move one chunk. Raises StoreAway or SealingStopped, and the rows stay."""
    store = settings().segment_store
    data = segment_codec.pack(chunk.content)
    segment_id = None
    if store != segment_store.DATABASE:
        segment_id, name = _intend(chunk, store, len(data))
        outside = segment_store.outside(store)
        outside.put(name, data)
        try:
            _verify(chunk, outside.get(name))
        except SegmentMissing as error:
            raise SealingStopped(f"the {store} store took a segment and does not have it") from error
    _swap(chunk, store, data, segment_id)


def _segment(chunk: Chunk, store: str, stored_bytes: int) -> LogSegment:
    return LogSegment(
        tenant_id=chunk.tenant_id,
        run_id=chunk.run_id,
        store=store,
        codec=segment_codec.CODEC,
        line_count=len(chunk.rows),
        raw_bytes=len(chunk.content),
        stored_bytes=stored_bytes,
        sha256=segment_codec.digest(chunk.content),
    )


def _intend(chunk: Chunk, store: str, stored_bytes: int) -> tuple[int, str]:
    """Note that bytes are about to lie outside, so that a kill leaves nothing that nobody knows of."""
    with tenant_scope(chunk.tenant_id), unit_of_work() as session:
        segment = _segment(chunk, store, stored_bytes)
        session.add(segment)
        session.flush()
        return segment.id, segment.uuid


def _verify(chunk: Chunk, data: bytes) -> None:
    """Compare what was read back with the rows themselves: bytes by their hash, and every line."""
    try:
        content = segment_codec.unpack(
            data,
            codec=segment_codec.CODEC,
            raw_bytes=len(chunk.content),
            sha256=segment_codec.digest(chunk.content),
        )
        again = [
            (part.job_id, line)
            for part in chunk.parts
            for line in segment_codec.decode(content[part.start : part.start + part.size])
        ]
    except SegmentDamaged as error:
        raise SealingStopped(f"a segment was not read back as it was written: {error}") from error
    if again != list(chunk.rows):
        raise SealingStopped("a segment was read back with other lines than its rows")


def _swap(chunk: Chunk, store: str, data: bytes, segment_id: int | None) -> None:
    """In one transaction: the segment becomes what is read, the rows go."""
    with tenant_scope(chunk.tenant_id), unit_of_work() as session:
        now = database_now()
        if segment_id is None:
            segment = _segment(chunk, store, len(data))
            segment.sealed_at = segment.checked_at = now
            session.add(segment)
            session.flush()
            segment_id = segment.id
            session.add(LogSegmentBlob(tenant_id=chunk.tenant_id, segment_id=segment_id, data=data))
            session.flush()
            session.expire_all()
            stored = session.scalars(
                select(LogSegmentBlob.data).where(
                    LogSegmentBlob.tenant_id == chunk.tenant_id, LogSegmentBlob.segment_id == segment_id
                )
            ).one()
            _verify(chunk, stored)
        else:
            taken = session.execute(
                update(LogSegment)
                .where(LogSegment.id == segment_id, LogSegment.sealed_at.is_(None))
                .values(sealed_at=now, checked_at=now),
                execution_options={"synchronize_session": False},
            )
            if taken.rowcount != 1:  # type: ignore[attr-defined]
                raise SealingStopped("the intent was cleared away meanwhile")
        session.add_all(
            LogSegmentPart(
                tenant_id=chunk.tenant_id,
                job_id=part.job_id,
                segment_id=segment_id,
                first_line=part.first_line,
                last_line=part.last_line,
                start=part.start,
                size=part.size,
                levels=f",{','.join(part.levels)},",
            )
            for part in chunk.parts
        )
        session.flush()
        deleted = _delete_rows(chunk)
        if deleted != len(chunk.rows):
            raise SealingStopped(f"{deleted} rows where {len(chunk.rows)} were: somebody else was at work")


def _delete_rows(chunk: Chunk) -> int:
    """Delete the rows of the chunk; return how many went: all that its jobs have, of the last one up to its line."""
    last_job, last_line = chunk.rows[-1][0], chunk.rows[-1][1].line_number
    mine = delete(JobLogLine).where(JobLogLine.tenant_id == chunk.tenant_id)
    statements = [mine.where(JobLogLine.job_id == last_job, JobLogLine.line_number <= last_line)]
    if earlier := {part.job_id for part in chunk.parts if part.job_id != last_job}:
        statements.append(mine.where(JobLogLine.job_id.in_(sorted(earlier))))
    deleted = 0
    for statement in statements:
        result = db.session.execute(statement, execution_options={"synchronize_session": False})
        deleted += result.rowcount  # type: ignore[attr-defined]
    return deleted


def _mark_sealed(tenant_id: int, run_id: int) -> None:
    with tenant_scope(tenant_id), unit_of_work() as session:
        left = session.scalar(
            select(func.count())
            .select_from(Job)
            .where(
                Job.tenant_id == tenant_id,
                Job.run_id == run_id,
                select(JobLogLine.id).where(JobLogLine.tenant_id == tenant_id, JobLogLine.job_id == Job.id).exists(),
            )
        )
        if left:
            return
        session.execute(
            update(Run).where(Run.tenant_id == tenant_id, Run.id == run_id).values(lines_sealed_at=database_now()),
            execution_options={"synchronize_session": False},
        )
