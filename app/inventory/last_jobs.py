"""Notes how the last job of each server ended, so that lists need not read jobs. Called when a run ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.core.db import db
from app.inventory.models_kept import ServerLastJob


@dataclass(frozen=True, slots=True)
class Ended:
    """A job that got its final status."""

    server_id: int
    job_id: int
    job_uuid: str
    status: str


def note_ended(tenant_id: int, ended: Sequence[Ended], at: datetime) -> None:
    """Store the jobs as the last ones of their servers. Two or three statements whatever their number."""
    if not ended:
        return
    by_server = {job.server_id: job for job in sorted(ended, key=lambda job: job.job_id)}
    known = set(
        db.session.scalars(
            select(ServerLastJob.server_id).where(
                ServerLastJob.tenant_id == tenant_id, ServerLastJob.server_id.in_(by_server)
            )
        )
    )
    # In the order of servers, so that runs that end together lock the rows in the same order.
    rows = [_row(tenant_id, by_server[server_id], at) for server_id in sorted(by_server)]
    new = [row for row in rows if row["server_id"] not in known]
    if new:
        try:
            with db.session.begin_nested():
                db.session.execute(insert(ServerLastJob), new)
        except IntegrityError:  # another run on one of them ended at this moment for the first time
            new = []
    _update([row for row in rows if row not in new])


def _row(tenant_id: int, job: Ended, at: datetime) -> dict[str, Any]:
    found = {"tenant_id": tenant_id, "server_id": job.server_id, "job_id": job.job_id}
    return {**found, "job_uuid": job.job_uuid, "status": job.status, "ended_at": at}


def _update(rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    table: Any = ServerLastJob.__table__
    db.session.connection().execute(
        update(table)
        .where(table.c.tenant_id == bindparam("b_tenant_id"), table.c.server_id == bindparam("b_server_id"))
        .values({name: bindparam(name) for name in ("job_id", "job_uuid", "status", "ended_at")}),
        [{("b_" + key if key in ("tenant_id", "server_id") else key): value for key, value in r.items()} for r in rows],
    )
