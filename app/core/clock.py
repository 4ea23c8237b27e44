"""Time: aware UTC only. Database time decides state; this clock labels what people read."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the present moment as an aware UTC datetime with microseconds."""
    return datetime.now(UTC)


def iso(moment: datetime | None) -> str | None:
    """Render an aware moment as ISO 8601 with six digits and Z, e.g. ``2026-11-21T02:00:00.000000Z``."""
    if moment is None:
        return None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
