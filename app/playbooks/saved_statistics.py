"""How saved launches do: last launch, success rate and usual duration, each with a bounded number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select

from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.db import db
from app.core.tenancy import scoped
from app.jobs.models import Launch
from app.jobs.status import JobStatus

DAYS = 30
MAX_LAUNCHES = 2000  # newest launches that the figures of one page look at


@dataclass(frozen=True, slots=True)
class SavedFigures:
    """Figures of one saved launch over DAYS days. ``success_rate`` 0 to 1, None before the first one ended."""

    runs: int = 0
    success_rate: float | None = None
    usual_seconds: float | None = None
    last: Launch | None = None  # the newest one, however old


def saved_figures(actor: Actor, uuids: Sequence[str]) -> dict[str, SavedFigures]:
    """Return the figures of saved launches by UUID (three queries)."""
    if not uuids:
        return {}
    rows = db.session.execute(
        scoped(actor, Launch)
        .with_only_columns(Launch.origin_uuid, Launch.status, Launch.started_at, Launch.completed_at)
        .where(Launch.origin_uuid.in_(uuids), Launch.created_at >= utc_now() - timedelta(days=DAYS))
        .order_by(Launch.id.desc())
        .limit(MAX_LAUNCHES)
    ).all()
    ended: dict[str, list[bool]] = {}
    spans: dict[str, list[float]] = {}
    for uuid, status, started, completed in rows:
        if status in (JobStatus.SUCCESS, JobStatus.FAILED):
            ended.setdefault(str(uuid), []).append(status is JobStatus.SUCCESS)
        if status is JobStatus.SUCCESS and started and completed:
            spans.setdefault(str(uuid), []).append((completed - started).total_seconds())
    newest = _newest(actor, uuids)
    return {
        uuid: SavedFigures(
            runs=len(ended.get(uuid, ())),
            success_rate=sum(ended[uuid]) / len(ended[uuid]) if uuid in ended else None,
            usual_seconds=sum(spans[uuid]) / len(spans[uuid]) if uuid in spans else None,
            last=newest.get(uuid),
        )
        for uuid in uuids
    }


def _newest(actor: Actor, uuids: Sequence[str]) -> dict[str, Launch]:
    ids = db.session.scalars(
        select(func.max(Launch.id))
        .where(Launch.tenant_id == actor.tenant_id, Launch.origin_uuid.in_(uuids))
        .group_by(Launch.origin_uuid)
    ).all()
    found = db.session.scalars(scoped(actor, Launch).where(Launch.id.in_(ids))) if ids else ()
    return {str(row.origin_uuid): row for row in found}
