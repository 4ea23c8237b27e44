"""Hands the facts of a shipped batch to the inventory, inside the shipping transaction."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import select

from app.core.db import db
from app.core.retry import is_transient
from app.inventory import fact_keeping
from app.inventory.fact_keeping import Gathered
from app.jobs.models import Job
from app.jobs.port import GatheredFacts

log = logging.getLogger(__name__)


def keep(tenant_id: int, batch: Sequence[GatheredFacts]) -> None:
    """Keep each server's facts. Those that cannot be stored are logged and dropped: the log lines go on.

    Transient database errors are raised: the whole batch is shipped again.
    """
    if not batch:
        return
    rows = db.session.execute(
        select(Job.id, Job.job_id, Job.server_id).where(
            Job.tenant_id == tenant_id, Job.id.in_({found.job_id for found in batch}), Job.server_id.is_not(None)
        )
    ).all()
    jobs = {row.id: row for row in rows}
    # By server: two runs that share servers lock their rows in the same order.
    for found in sorted(batch, key=lambda found: (found.job_id in jobs and jobs[found.job_id].server_id) or 0):
        job = jobs.get(found.job_id)
        if job is None or job.server_id is None:
            continue
        gathered = Gathered(
            at=datetime.fromtimestamp(found.at, UTC),
            job_id=job.id,
            job_uuid=job.job_id,
            facts=found.facts,
            sent_size=found.sent_size,
            left_out=found.left_out,
        )
        try:
            with db.session.begin_nested():
                fact_keeping.keep_facts(tenant_id, job.server_id, gathered)
        except Exception as error:
            if is_transient(error):
                raise
            log.exception("facts.not_kept", extra={"server_id": job.server_id})
