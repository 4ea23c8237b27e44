"""Counters that only grow: how many runs ended and how long they took. Exact, and cheap to read.

The end of a run leaves one row (``run_ends``) in its own transaction, so that no end is missed and no row is fought
over; the leading keeper adds these rows to ``figures`` and removes them in one transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from app.core.db import db, unit_of_work
from app.jobs.models import Run
from app.jobs.models_operations import Figure, RunEnd
from app.jobs.status import RunStatus

# Upper bounds of the buckets, in seconds: a module takes two, a patch round an hour.
BOUNDS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0)
FOLDED = 1_000  # rows in one transaction
SEPARATOR = "|"


def note_end(run: Run, jobs: int) -> None:
    """Leave the row of an ended run; part of the unit that ends it."""
    began, ended = run.began_at, run.completed_at
    db.session.add(
        RunEnd(
            run_id=run.id,
            kind=run.kind,
            outcome=run.failure_code or "success",
            seconds=max(0.0, (ended - began).total_seconds()) if began and ended else None,
            waited=max(0.0, (began - run.created_at).total_seconds()) if began else None,
            job_count=jobs,
            records=run.shipped_records,
            bytes=run.shipped_bytes,
        )
    )


class _Overtaken(Exception):
    """Another keeper took some of the rows meanwhile: its sums are right, these are rolled back."""


def fold() -> int:
    """Add what ended to the figures; return how many runs. A unit of work of its own, for the keeper."""
    try:
        with unit_of_work() as session:
            return _fold(session)
    except _Overtaken:
        return 0


def _fold(session: Session) -> int:
    rows = session.scalars(select(RunEnd).order_by(RunEnd.id).limit(FOLDED)).all()
    if not rows:
        return 0
    ids = [row.id for row in rows]
    sums: dict[str, float] = defaultdict(float)
    for row in rows:
        _add(row, sums)
    session.expunge_all()
    removed: int = session.execute(delete(RunEnd).where(RunEnd.id.in_(ids))).rowcount  # type: ignore[attr-defined]
    if removed != len(ids):
        raise _Overtaken
    known = set(session.scalars(select(Figure.name).where(Figure.name.in_(list(sums)))))
    for name, value in sorted(sums.items()):
        if name in known:
            session.execute(update(Figure).where(Figure.name == name).values(value=Figure.value + value))
        else:
            session.add(Figure(name=name, value=value))
    return len(ids)


def _add(row: RunEnd, sums: dict[str, float]) -> None:
    sums[_name("runs", row.kind, row.outcome)] += 1
    sums[_name("jobs", row.kind, row.outcome)] += row.job_count
    sums["records"] += row.records
    sums["bytes"] += row.bytes
    for what, seconds in (("seconds", row.seconds), ("waited", row.waited)):
        if seconds is None:
            continue
        bucket = next((bound for bound in BOUNDS if seconds <= bound), float("inf"))
        sums[_name(what, row.kind, "le", str(bucket))] += 1
        sums[_name(what, row.kind, "sum")] += seconds


def _name(*parts: str) -> str:
    return SEPARATOR.join(parts)


def read(session: Session) -> Mapping[tuple[str, ...], float]:
    """Return the figures by the parts of their names: ("runs", kind, outcome), ("seconds", kind, "le", bound), ..."""
    rows = session.execute(select(Figure.name, Figure.value).limit(2_000))
    return {tuple(name.split(SEPARATOR)): value for name, value in rows}


def stored(session: Session) -> tuple[int, int]:
    """Return how many spool records and bytes of spool were ever stored, those of open runs included.

    One statement, so that a run that ends meanwhile is counted once. Wants a system scope.
    """
    open_runs = Run.status.in_((RunStatus.CLAIMED, RunStatus.RUNNING))
    totals = []
    for name, ended, going in (
        ("records", RunEnd.records, Run.shipped_records),
        ("bytes", RunEnd.bytes, Run.shipped_bytes),
    ):
        parts = (
            select(func.coalesce(func.sum(Figure.value), 0)).where(Figure.name == name).scalar_subquery(),
            select(func.coalesce(func.sum(ended), 0)).scalar_subquery(),
            select(func.coalesce(func.sum(going), 0)).where(open_runs).scalar_subquery(),
        )
        totals.append(parts[0] + parts[1] + parts[2])
    row = session.execute(select(*totals)).one()
    return int(row[0]), int(row[1])
