"""Reads of output: lines by cursor, search by line range, tasks, results and the log of a whole run."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select

from app.core.clock import iso
from app.core.db import db
from app.jobs import log_ranges, log_reading
from app.jobs.log_models import RunLine, RunTask, TaskResult
from app.jobs.log_reading import Missing, Reading, Wanted
from app.jobs.models import Job, Launch, Run
from app.jobs.segment_codec import Line
from app.jobs.status import JOB_FINAL

LINE_LIMIT = 1000  # lines in one answer
SEARCH_HITS = 200
MERGE_LINES = 250  # lines that each job contributes at a time to the log of a whole run


@dataclass(frozen=True, slots=True)
class Tail:
    """Lines after a cursor, and what the reader needs to know to go on."""

    lines: Sequence[dict[str, Any]]
    last_line: int  # the newest line stored
    complete: bool  # the job has ended and no line is missing behind ``last_line``
    status: str
    first_failure_line: int | None
    removed_at: datetime | None  # retention removed the lines; ``last_line`` says how many there were
    missing: Sequence[Missing] = ()  # of this page, or of what a search looked through
    scanned_to: int | None = None  # of a search: the number up to which was looked; go on after it


def line_data(line: Line) -> dict[str, Any]:
    """Return a line in the short form that pages and streams use; ``m`` marks one that cannot be read."""
    data = {
        "n": line.line_number,
        "s": line.task_seq,
        "v": line.log_level,
        "x": line.content,
        "t": iso(line.timestamp),
        "c": int(line.continued),
    }
    return {**data, "m": 1} if line.is_missing else data


def tail(
    job: Job,
    *,
    after: int = 0,
    before: int | None = None,
    limit: int = LINE_LIMIT,
    level: str | None = None,
    text: str | None = None,
) -> Tail:
    """Return up to ``limit`` lines with a number over ``after`` (or the last ones under ``before``), in order.

    With ``text`` one call looks through a part of the log, up to ``scanned_to``.
    """
    limit = max(1, min(limit, LINE_LIMIT))
    wanted = Wanted(
        after=after,
        until=log_reading.FAR if before is None else before - 1,
        limit=limit,
        level=level,
        text=text,
        newest=before is not None,
    )
    if text:
        scan = log_ranges.next_scan(job, after, min(wanted.until, max(job.log_lines, after)))
        wanted = replace(wanted, until=scan.until, ids=None if wanted.newest else scan.ids)
    is_list_of_level = level and not text and before is None
    part = _of_level(job, wanted) if is_list_of_level else log_reading.read_lines(job, wanted)
    scanned = None
    if text:
        is_full = len(part.lines) == limit and not wanted.newest
        scanned = part.lines[-1].line_number if is_full else wanted.until
    return Tail(
        [line_data(line) for line in part.lines],
        job.log_lines,
        job.status in JOB_FINAL,
        job.status.value,
        job.first_failure_line,
        job.lines_removed_at,
        part.missing,
        scanned,
    )


def _of_level(job: Job, wanted: Wanted) -> Reading:
    """Read lines of one level to the end of the log, rows that lie close together as they lie."""
    found = Reading([])
    while len(found.lines) < wanted.limit and wanted.after < job.log_lines:
        scan = log_ranges.next_scan(job, wanted.after, job.log_lines)
        if scan.ids is None:  # the rest in one: look-ups, or segments, which know their levels
            scan = replace(scan, until=log_reading.FAR)
        wanted_now = replace(wanted, until=scan.until, ids=scan.ids, limit=wanted.limit - len(found.lines))
        part = log_reading.read_lines(job, wanted_now)
        found.lines += part.lines
        found.missing += part.missing
        wanted = replace(wanted, after=scan.until)
    return found


@dataclass(frozen=True, slots=True)
class Hits:
    """What a search found up to ``scanned_to``; ``more`` says whether lines lie behind it."""

    hits: Sequence[dict[str, Any]]
    scanned_to: int
    more: bool
    missing: Sequence[Missing] = ()


def search(job: Job, text: str, *, after: int = 0, level: str | None = None, limit: int = SEARCH_HITS) -> Hits:
    """Look for ``text`` (case-insensitive, no pattern) in the next part of the log behind ``after``.

    A part is what one call reads in well under a second, so first hits come early (``log_ranges``).
    """
    limit = max(1, min(limit, SEARCH_HITS))
    scan = log_ranges.next_scan(job, after, max(job.log_lines, after))
    part = log_reading.read_lines(
        job, Wanted(after=after, until=scan.until, limit=limit, level=level, text=text, ids=scan.ids)
    )
    lines = part.lines
    scanned = lines[-1].line_number if len(lines) == limit else scan.until
    hits = [{"n": line.line_number, "x": line.content} for line in lines]
    return Hits(hits, scanned, scanned < job.log_lines, part.missing)


def tasks(job: Job, *, after: int = 0, limit: int = 5000) -> Sequence[dict[str, Any]]:
    """Return the tasks that touched a job behind ``task_seq`` ``after``, with status, duration and lines."""
    rows = db.session.execute(
        select(RunTask, TaskResult)
        .outerjoin(
            TaskResult,
            (TaskResult.tenant_id == RunTask.tenant_id)
            & (TaskResult.job_id == job.id)
            & (TaskResult.task_seq == RunTask.task_seq),
        )
        .where(RunTask.tenant_id == job.tenant_id, RunTask.run_id == job.run_id, RunTask.task_seq > after)
        .order_by(RunTask.task_seq)
        .limit(limit)
    ).all()
    return [task_data(task, result) for task, result in rows]


def task_data(task: RunTask, result: TaskResult | None) -> dict[str, Any]:
    """Return a task and its result on one job in the short form that pages and streams use."""
    return {
        "s": task.task_seq,
        "play": task.play,
        "task": task.task,
        "module": task.module,
        "path": task.path,
        "status": result.status.value if result else None,
        "duration_ms": result.duration_ms if result else None,
        "first_line": result.first_line if result else None,
        "last_line": result.last_line if result else None,
    }


def run_lines(job: Job, limit: int = 2000) -> Sequence[dict[str, Any]]:
    """Return the lines of a job's run that belong to no server, each with the job's line it comes after.

    The place is exact to the task: behind everything that earlier tasks printed on this job (three queries).
    """
    lines = db.session.scalars(
        select(RunLine)
        .where(RunLine.tenant_id == job.tenant_id, RunLine.run_id == job.run_id)
        .order_by(RunLine.run_seq)
        .limit(limit)
    ).all()
    if not lines:
        return []
    run = db.session.scalars(select(Run).where(Run.tenant_id == job.tenant_id, Run.id == job.run_id)).one()
    starts = [task.run_seq for task in run_tasks(run)]
    ends: list[int] = []  # last line printed up to and including the n-th task
    last = 0
    for row in tasks(job):
        last = max(last, row["last_line"] or 0)
        ends.append(last)
    placed = []
    for line in lines:
        begun = bisect_right(starts, line.run_seq)  # tasks whose header stands before this line
        before = begun if line.task_seq == 0 else begun - 1
        place = ends[min(before, len(ends)) - 1] if before > 0 and ends else 0
        placed.append({"after_line": place, "v": line.log_level, "x": line.content})
    return placed


def results_by_job(jobs: Sequence[Job]) -> dict[int, dict[int, dict[str, Any]]]:
    """Return the results of some jobs as job id -> task_seq -> {status, duration_ms, first_line}, in one query."""
    found: dict[int, dict[int, dict[str, Any]]] = {}
    if not jobs:
        return found
    rows = db.session.execute(
        select(
            TaskResult.job_id, TaskResult.task_seq, TaskResult.status, TaskResult.duration_ms, TaskResult.first_line
        ).where(TaskResult.tenant_id == jobs[0].tenant_id, TaskResult.job_id.in_([job.id for job in jobs]))
    )
    for row in rows:
        found.setdefault(row.job_id, {})[row.task_seq] = {
            "status": row.status.value,
            "duration_ms": row.duration_ms,
            "first_line": row.first_line,
        }
    return found


def run_tasks(run: Run) -> Sequence[RunTask]:
    """Return the tasks of a run in order (at most 5,000)."""
    return db.session.scalars(
        select(RunTask)
        .where(RunTask.tenant_id == run.tenant_id, RunTask.run_id == run.id)
        .order_by(RunTask.task_seq)
        .limit(5000)
    ).all()


def removed(at: datetime) -> str:
    """Return what stands in a text in place of lines that retention removed."""
    return f"[The lines were removed by their age, {iso(at)}.]\n"


def job_text(job: Job) -> Iterator[str]:
    """Yield a job's log as text, one line each, headers of its tasks in place; constant memory."""
    if job.lines_removed_at is not None:
        yield removed(job.lines_removed_at)
        return
    headers = {row["s"]: row for row in tasks(job)}
    seen, said = -1, ""
    for part in log_reading.iterate(job):
        pieces: list[str] = []
        for line in part.lines:
            if line.is_missing:  # one sentence for all the lines of a segment
                pieces.append("" if line.content == said else f"{line.content}\n")
                said = line.content
                continue
            if line.task_seq != seen and line.task_seq in headers and not line.continued:
                pieces.append(f"\nTASK [{headers[line.task_seq]['task']}]\n")
                seen = line.task_seq
            pieces.append(f"{line.content}\n")
        yield "".join(pieces)


def launch_text(launch: Launch, runs: Sequence[Run]) -> Iterator[str]:
    """Yield a launch's log as the engine printed it: every line of its runs by ``run_seq``, headers in place."""
    for run in runs:
        if run.lines_removed_at is not None:
            yield removed(run.lines_removed_at)
        else:
            yield from _run_text(run)


def _run_text(run: Run) -> Iterator[str]:
    jobs = db.session.scalars(select(Job).where(Job.tenant_id == run.tenant_id, Job.run_id == run.id)).all()
    sources: list[Iterator[tuple[int, str]]] = [_job_pieces(job) for job in jobs]
    sources += [_run_pieces(run), _banners(run)]
    pieces: list[str] = []
    for _position, content in heapq.merge(*sources, key=lambda piece: piece[0]):
        pieces.append(f"{content}\n")
        if len(pieces) >= LINE_LIMIT:
            yield "".join(pieces)
            pieces.clear()
    yield "".join(pieces)


def _job_pieces(job: Job) -> Iterator[tuple[int, str]]:
    place, said = 0, ""
    for part in log_reading.iterate(job, MERGE_LINES):
        for line in part.lines:
            if not line.is_missing:
                place = line.run_seq
                yield place, line.content
            elif line.content != said:  # where its lines stood in the run is not known: behind the last one that is
                said = line.content
                yield place, said


def _run_pieces(run: Run) -> Iterator[tuple[int, str]]:
    after = -1
    while True:
        rows = db.session.execute(
            select(RunLine.run_seq, RunLine.content)
            .where(RunLine.tenant_id == run.tenant_id, RunLine.run_id == run.id, RunLine.run_seq > after)
            .order_by(RunLine.run_seq)
            .limit(MERGE_LINES)
        ).all()
        yield from ((row.run_seq, row.content) for row in rows)
        if len(rows) < MERGE_LINES:
            return
        after = rows[-1].run_seq


def _banners(run: Run) -> Iterator[tuple[int, str]]:
    play = ""
    for task in run_tasks(run):
        banner = "" if task.play == play else f"\nPLAY [{task.play}] {'*' * 40}\n"
        play = task.play
        yield task.run_seq, f"{banner}\nTASK [{task.task}] {'*' * 40}"
