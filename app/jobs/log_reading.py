"""The one room through which stored lines are read: rows of ``job_logs`` and sealed segments as one log.

Rows are asked first, segments second. Sealing moves lines from the former to the latter in one transaction, so a
reader in between sees a line twice at worst (and takes it once), never not at all. Lines of a segment that cannot be
read are named: as lines that say so where a page wants each number, as ranges always.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, select, update
from sqlalchemy.exc import DBAPIError

from app.core.db import after_commit, db, in_unit_of_work, unit_of_work
from app.core.db_time import database_now
from app.core.tenancy import system_scope
from app.jobs import segment_codec, segment_store
from app.jobs.log_folding import folding
from app.jobs.log_models import JobLogLine
from app.jobs.models import Job
from app.jobs.segment_codec import Line, SegmentDamaged
from app.jobs.segment_models import LogSegment, LogSegmentBlob, LogSegmentPart
from app.jobs.segment_store import SegmentMissing, StoreAway
from app.jobs.status import JOB_FINAL

log = logging.getLogger(__name__)

PARTS_AT_ONCE = 8  # segments opened together: about 8 MiB unpacked at most
FAR = 2**31 - 1  # behind any line number
AWAY = "its store does not answer just now"


@dataclass(frozen=True, slots=True)
class Missing:
    """Lines that exist and cannot be read; ``why`` in words."""

    first_line: int
    last_line: int
    why: str

    @property
    def sentence(self) -> str:
        """What stands in their place."""
        lines = f"Line {self.first_line:,}" if self.first_line == self.last_line else (
            f"Lines {self.first_line:,} to {self.last_line:,}"
        )  # fmt: skip
        return f"[{lines} cannot be read: {self.why}.]"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines: numbers over ``after`` and up to ``until``, of a level, with a text; the first or the newest.

    ``ids`` (first, last) bounds the rows by primary key: they are then read in its order, see ``log_ranges``.
    """

    after: int = 0
    until: int = FAR
    limit: int = 1000
    level: str | None = None
    text: str | None = None
    newest: bool = False
    ids: tuple[int, int] | None = None

    @property
    def is_filtered(self) -> bool:
        """Whether a line may be left out for what it is."""
        return bool(self.level or self.text)


@dataclass(slots=True)
class Reading:
    """Lines in order, and which of the range could not be looked at."""

    lines: list[Line]
    missing: list[Missing] = field(default_factory=list)


def read_lines(job: Job, wanted: Wanted) -> Reading:
    """Read up to ``wanted.limit`` lines of a job; the cost is the same wherever in the log they lie.

    One query for a job that goes on; for one that ended, two more (parts and their bytes) for every PARTS_AT_ONCE
    segments that have to be opened.
    """
    rows = [_line(row) for row in db.session.execute(_rows(job, wanted))]
    if job.status not in JOB_FINAL:
        return Reading(rows[::-1] if wanted.newest else rows)
    sealed, missing = _from_segments(job, wanted)
    found = {line.line_number: line for line in sealed}
    found.update((line.line_number, line) for line in rows)
    numbers = sorted(found, reverse=wanted.newest)[: wanted.limit]
    lines = [found[number] for number in sorted(numbers)]
    return Reading(lines, _touched(missing, lines, wanted))


def _rows(job: Job, wanted: Wanted) -> Select[*tuple[Any, ...]]:
    table = JobLogLine
    number = table.line_number
    statement = select(
        number, table.run_seq, table.task_seq, table.continued, table.content, table.log_level, table.timestamp
    ).where(table.tenant_id == job.tenant_id, table.job_id == job.id, number > wanted.after)
    if wanted.until < FAR:
        statement = statement.where(number <= wanted.until)
    if wanted.level:
        statement = statement.where(table.log_level == wanted.level)
    if wanted.text:
        # The column's collation knows no case; on SQLite LIKE does not either.
        statement = statement.where(table.content.contains(wanted.text, autoescape=True))
    if wanted.ids is not None:
        statement = statement.where(table.id.between(*wanted.ids)).order_by(table.id)
        for dialect in ("mysql", "mariadb"):
            statement = statement.with_hint(table, "FORCE INDEX (PRIMARY)", dialect)
        return statement.limit(wanted.limit)
    return statement.order_by(number.desc() if wanted.newest else number).limit(wanted.limit)


def _line(row: Row[*tuple[Any, ...]]) -> Line:
    columns: Any = row
    return Line(*columns)


def _touched(missing: list[Missing], lines: Sequence[Line], wanted: Wanted) -> list[Missing]:
    """Leave out what lies behind the end of a page that is full; put the rest in order."""
    if len(lines) >= wanted.limit:
        low, high = (lines[0].line_number, FAR) if wanted.newest else (0, lines[-1].line_number)
        missing = [gap for gap in missing if gap.last_line >= low and gap.first_line <= high]
    return sorted(missing, key=lambda gap: gap.first_line)


def _from_segments(job: Job, wanted: Wanted) -> tuple[list[Line], list[Missing]]:
    low, high = wanted.after, min(wanted.until, max(job.log_lines, 0))
    if not wanted.is_filtered:  # numbers follow each other: nothing beyond these can be on the page
        low, high = (max(low, high - wanted.limit), high) if wanted.newest else (low, min(high, low + wanted.limit))
    lines: list[Line] = []
    missing: list[Missing] = []
    while low < high and len(lines) < wanted.limit:
        parts = _parts(job, low, high, wanted)
        contents = contents_of([part.LogSegment for part in parts])
        for part in parts:
            _take(part, contents[part.LogSegment.id], wanted, low, high, lines, missing)
        if len(parts) < PARTS_AT_ONCE:
            break
        edge: LogSegmentPart = parts[-1].LogSegmentPart
        low, high = (low, edge.first_line - 1) if wanted.newest else (edge.last_line, high)
    return lines, missing


def _parts(job: Job, low: int, high: int, wanted: Wanted) -> Sequence[Row[LogSegmentPart, LogSegment]]:
    part = LogSegmentPart
    mine: list[ColumnElement[bool]] = [
        part.tenant_id == job.tenant_id,
        part.job_id == job.id,
        part.last_line > low,
        part.first_line <= high,
    ]
    if wanted.level:
        mine.append(part.levels.contains(f",{wanted.level},", autoescape=True))
    return db.session.execute(
        select(part, LogSegment)
        .join(LogSegment, (LogSegment.tenant_id == part.tenant_id) & (LogSegment.id == part.segment_id))
        .where(*mine)
        .order_by(part.last_line.desc() if wanted.newest else part.last_line)
        .limit(PARTS_AT_ONCE)
    ).all()


def _take(
    row: Row[LogSegmentPart, LogSegment],
    content: bytes | str,
    wanted: Wanted,
    low: int,
    high: int,
    lines: list[Line],
    missing: list[Missing],
) -> None:
    """Add what a part has of the wanted lines, or that it cannot be read."""
    part: LogSegmentPart = row.LogSegmentPart
    first, last = max(part.first_line, low + 1), min(part.last_line, high)
    why = content if isinstance(content, str) else ""
    if isinstance(content, bytes):
        try:
            lines += matching(content[part.start : part.start + part.size], wanted, first, last)
        except SegmentDamaged as error:
            note_damage(row.LogSegment, str(error))
            why = str(error)
    if why:
        gap = Missing(first, last, why)
        missing.append(gap)
        if not wanted.is_filtered:
            lines += _placeholders(row, gap)


def matching(piece: bytes, wanted: Wanted, first: int, last: int) -> list[Line]:
    """Return the lines of a part from ``first`` to ``last`` that are wanted. Raises SegmentDamaged."""
    text = wanted.text
    if text:
        fold = folding()
        needle = fold(text)
        if segment_codec.is_plain(piece) and needle not in fold(segment_codec.texts_of(piece)):
            return []
    lines = segment_codec.decode(piece, first - 1, last)
    if wanted.level:
        lines = [line for line in lines if line.log_level == wanted.level]
    if text:
        lines = [line for line in lines if needle in fold(line.content)]
    return lines


def _placeholders(row: Row[LogSegmentPart, LogSegment], gap: Missing) -> Iterator[Line]:
    said = Missing(row.LogSegmentPart.first_line, row.LogSegmentPart.last_line, gap.why).sentence
    moment = row.LogSegment.created_at
    for number in range(gap.first_line, gap.last_line + 1):
        yield Line(number, 0, 0, False, said, None, moment, is_missing=True)


def contents_of(segments: Sequence[LogSegment]) -> dict[int, bytes | str]:
    """Return segment id -> content, checked, or why it cannot be had in words (one query for those in the database)."""
    inside = [segment.id for segment in segments if segment.store == segment_store.DATABASE]
    blobs: dict[int, bytes] = {}
    if inside:
        rows = db.session.execute(
            select(LogSegmentBlob.segment_id, LogSegmentBlob.data).where(
                LogSegmentBlob.tenant_id == segments[0].tenant_id, LogSegmentBlob.segment_id.in_(inside)
            )
        )
        blobs = {row.segment_id: row.data for row in rows}
    found: dict[int, bytes | str] = {}
    for segment in segments:
        if segment.id not in found:
            found[segment.id] = _content(segment, blobs)
    return found


def _content(segment: LogSegment, blobs: dict[int, bytes]) -> bytes | str:
    try:
        if segment.store == segment_store.DATABASE:
            if segment.id not in blobs:
                raise SegmentMissing(segment.uuid)
            data = blobs[segment.id]
        else:
            data = segment_store.outside(segment.store).get(segment.uuid)
        return segment_codec.unpack(
            data, codec=segment.codec, raw_bytes=segment.raw_bytes, sha256=bytes(segment.sha256)
        )
    except StoreAway as error:
        log.warning("segment.store_away: %s", error)
        return AWAY
    except SegmentMissing:
        why = f"the sealed segment {segment.uuid} is missing"
    except SegmentDamaged as error:
        why = f"the sealed segment {segment.uuid} is damaged: {error}"
    note_damage(segment, why)
    return why


def note_damage(segment: LogSegment, why: str) -> None:
    """Say that a segment is damaged: in the process's log now, in its row after this unit of work."""
    log.error("segment.damaged: %s", why, extra={"segment": segment.uuid, "run_id": segment.run_id})
    segment_id = segment.id
    if segment.damaged_at is None and in_unit_of_work():
        after_commit(lambda: _count_damage(segment_id, why))


def _count_damage(segment_id: int, why: str) -> None:
    try:
        with system_scope("damaged segment"), unit_of_work() as session:
            session.execute(
                update(LogSegment)
                .where(LogSegment.id == segment_id, LogSegment.damaged_at.is_(None))
                .values(damaged_at=database_now(), damage=why[:200]),
                execution_options={"synchronize_session": False},
            )
    except DBAPIError:  # the reader has the lines that could be read; the keeper finds the damage too
        log.warning("segment.damage_not_noted", exc_info=True)


def iterate(job: Job, lines_at_once: int = 4000) -> Iterator[Reading]:
    """Read a whole log in order, piece by piece; memory stays the same."""
    after = 0
    while True:
        part = read_lines(job, Wanted(after=after, limit=lines_at_once))
        if not part.lines:
            return
        yield part
        db.session.expunge_all()
        after = part.lines[-1].line_number
