"""What jobs answer to other slices' questions."""

from __future__ import annotations

from sqlalchemy import func, select

from app.core.db import db
from app.inventory.events import ServerLeaving, server_leaving
from app.jobs.models import Job
from app.jobs.status import JobStatus


@server_leaving.connect
def open_jobs_keep_a_server(leaving: ServerLeaving) -> str | None:
    """Name the reason why a server with open jobs stays; None when it has none."""
    statement = (
        select(func.count())
        .select_from(Job)
        .where(
            Job.tenant_id == leaving.tenant_id,
            Job.server_id == leaving.server_id,
            Job.status.in_([JobStatus.PENDING, JobStatus.RUNNING]),
        )
    )
    count = db.session.scalar(statement) or 0
    if count == 0:
        return None
    return f"{count} job{' is' if count == 1 else 's are'} still open on it: wait for the end, or cancel first."
