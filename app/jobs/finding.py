"""Small look-ups for filters and the palette: bounded, indexed, scoped."""

from __future__ import annotations

import re

from sqlalchemy import select

from app.accounts.models import User
from app.core.actor import Actor
from app.core.db import db
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.jobs.models import Job, Launch
from app.jobs.queries import NUMBER

RECENT = 500  # launches looked at for the choices of a filter
UUID = re.compile(r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")


def _recent(actor: Actor) -> list[Launch]:
    return list(db.session.scalars(scoped(actor, Launch).order_by(Launch.id.desc()).limit(RECENT)))


def recent_playbooks(actor: Actor) -> list[tuple[int, str]]:
    """Return id and name of playbooks launched lately, by name."""
    require(actor, Permission.JOB_VIEW)
    found = {row.subject_id: row.title for row in reversed(_recent(actor)) if row.subject_type == "playbook"}
    return sorted(found.items(), key=lambda pair: pair[1].casefold())


def recent_users(actor: Actor) -> list[tuple[int, str]]:
    """Return id and name of people who launched something lately, by name."""
    require(actor, Permission.JOB_VIEW)
    ids = {row.user_id for row in _recent(actor)}
    if not ids:
        return []
    rows = db.session.execute(
        select(User.id, User.username)
        .where(User.tenant_id == actor.tenant_id, User.id.in_(ids))
        .order_by(User.username)
    )
    return [(row.id, row.username) for row in rows]


def recent_sources(actor: Actor) -> list[tuple[str, str]]:
    """Return the doors that launches came through lately, by name, twice: as a filter's value and label."""
    require(actor, Permission.JOB_VIEW)
    return [(source, source) for source in sorted({row.source for row in _recent(actor)})]


def recent_origins(actor: Actor) -> list[tuple[str, str]]:
    """Return UUID and name of what was pressed lately (saved launches), by name."""
    require(actor, Permission.JOB_VIEW)
    found = {row.origin_uuid: row.origin_title or "" for row in reversed(_recent(actor)) if row.origin_uuid}
    return sorted(found.items(), key=lambda pair: pair[1].casefold())


def search_jobs(actor: Actor, text: str, limit: int = 5) -> list[Job]:
    """Return jobs by number ("#1412") or UUID, for the palette."""
    require(actor, Permission.JOB_VIEW)
    text = text.strip().lower()
    number = NUMBER.match(text)
    if number is not None:
        return list(db.session.scalars(scoped(actor, Job).where(Job.id == int(number[1])).limit(limit)))
    if UUID.match(text):
        return list(db.session.scalars(scoped(actor, Job).where(Job.job_id == text).limit(limit)))
    return []
