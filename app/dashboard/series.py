"""Outcomes and durations over time, for the charts of the first page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.db import db
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.jobs.models import Launch

# span -> (number of bars, length of one, form of its label)
SPANS: dict[str, tuple[int, timedelta, str]] = {
    "24h": (24, timedelta(hours=1), "%H:00"),
    "7d": (28, timedelta(hours=6), "%a %H:00"),
    "30d": (30, timedelta(days=1), "%d %b"),
}
# Newest launches looked at for one chart. One row has the counts of all its jobs, so this covers far more jobs;
# a busier span is drawn from its newest part.
LAUNCH_LIMIT = 20_000


@dataclass
class OutcomePoint:
    """Jobs of one bar by how they ended."""

    label: str
    success: int = 0
    failed: int = 0
    cancelled: int = 0


@dataclass(frozen=True, slots=True)
class DurationPoint:
    """Median duration of the launches of one bar, None where none ended."""

    label: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Charts:
    """Both series of one span, oldest first. ``success_rate`` 0 to 1, None where nothing ended."""

    outcome: Sequence[OutcomePoint]
    durations: Sequence[DurationPoint]
    success_rate: float | None
    usual_seconds: float | None


def charts(actor: Actor, span: str) -> Charts:
    """Return the series of a span from one query over launches; KeyError for an unknown span."""
    require(actor, Permission.JOB_VIEW)
    bars, width, form = SPANS[span]
    seconds = int(width.total_seconds())
    end = datetime.fromtimestamp((int(utc_now().timestamp()) // seconds + 1) * seconds, tz=utc_now().tzinfo)
    begin = end - bars * width
    rows = db.session.execute(
        scoped(actor, Launch)
        .with_only_columns(
            Launch.created_at,
            Launch.started_at,
            Launch.completed_at,
            Launch.jobs_success,
            Launch.jobs_failed,
            Launch.jobs_cancelled,
        )
        .where(Launch.created_at >= begin)
        .order_by(Launch.created_at.desc())
        .limit(LAUNCH_LIMIT)
    )
    labels = [(begin + n * width).strftime(form) for n in range(bars)]
    outcome = [OutcomePoint(label) for label in labels]
    spans: list[list[float]] = [[] for _ in labels]
    for created, started, completed, success, failed, cancelled in rows:
        n = min(bars - 1, max(0, int((created - begin) / width)))
        outcome[n].success += success
        outcome[n].failed += failed
        outcome[n].cancelled += cancelled
        if started and completed:
            spans[n].append(max(0.0, (completed - started).total_seconds()))
    ended = sum(point.success + point.failed for point in outcome)
    everything = [value for part in spans for value in part]
    return Charts(
        outcome=outcome,
        durations=[
            DurationPoint(label, median(part) if part else None) for label, part in zip(labels, spans, strict=True)
        ],
        success_rate=sum(point.success for point in outcome) / ended if ended else None,
        usual_seconds=median(everything) if everything else None,
    )
