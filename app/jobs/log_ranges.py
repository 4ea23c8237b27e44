"""Which rows a search reads at a time: by primary key where a job's lines lie close together, else by number.

A row that is found through (tenant, job, line number) costs a second look-up by primary key, five times the price of
the next row in the order of the key. A job that prints much fills long stretches of the table nearly alone, so those
are read as they lie, strangers' rows in between passed over. Ids rise with the line number within a job: batches are
stored one after the other, each as one statement behind the compare-and-set on the run.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import InstrumentedAttribute

from app.core.db import db
from app.jobs.log_models import JobLogLine
from app.jobs.models import Job

SCAN_ROWS = 600_000  # rows of the table that one call may pass over: well under a second
PASSED_ROWS = 4  # at most so many for each line of the job: beyond it, look-ups are cheaper
SPANS = (500_000, 200_000, 50_000)  # line numbers looked through by one call, if they lie so close together
SPARSE_SPAN = 50_000  # or by number


@dataclass(frozen=True, slots=True)
class Scan:
    """Look at lines up to number ``until``; ``ids`` are the first and last primary key of their rows, if near."""

    until: int
    ids: tuple[int, int] | None


def next_scan(job: Job, after: int, until: int) -> Scan:
    """Return what to look through first of a job's lines with numbers over ``after`` up to ``until``."""
    mine = (JobLogLine.tenant_id == job.tenant_id, JobLogLine.job_id == job.id)
    number = JobLogLine.line_number
    first = _one_id(*mine, number > after, order=number)
    if first is not None:
        for span in SPANS:
            end = min(until, after + span)
            last = _one_id(*mine, number > after, number <= end, order=number.desc())
            if last is not None and last - first < min(SCAN_ROWS, PASSED_ROWS * (end - after)):
                return Scan(end, (first, last))
    return Scan(min(until, after + SPARSE_SPAN), None)


def _one_id(*conditions: ColumnElement[bool], order: ColumnElement[int] | InstrumentedAttribute[int]) -> int | None:
    return db.session.scalar(select(JobLogLine.id).where(*conditions).order_by(order).limit(1))
