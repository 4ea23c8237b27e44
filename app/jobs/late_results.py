"""The word of an executor whose run was given up meanwhile: refused, and kept as an audit entry."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from app.audit import service as audit
from app.audit.resource import Resource
from app.core.actor import Actor
from app.core.db import db
from app.jobs.models import Run
from app.jobs.port import Claim, LateResult
from app.jobs.status import RUN_OPEN


def keep(claim: Claim, late: LateResult) -> bool:
    """Record what a fenced executor knows of its run's end; the run stays as it is. Part of a unit of work.

    False when there is nothing to say: it was said before, the run has that very end (a commit whose answer was
    lost), or it is open. The claim's token is taken away with the entry, so that repeating adds no second one.
    """
    mine = (Run.tenant_id == claim.tenant_id, Run.id == claim.run_id, Run.attempt == claim.attempt)
    run = db.session.scalars(select(Run).where(*mine, Run.claim_token == claim.token)).one_or_none()
    if run is None or run.status in RUN_OPEN or _is_its_end(run, late):
        return False
    statement = update(Run).where(*mine, Run.claim_token == claim.token, Run.status.not_in(RUN_OPEN))
    done: Any = db.session.execute(
        statement.values(claim_token=None).execution_options(synchronize_session=False),
    )
    if done.rowcount != 1:
        return False
    audit.record(
        Actor.system(claim.tenant_id),
        "run:late_result",
        Resource("run", run.id, run.uuid),
        action="REFUSED",
        outcome="refused",
        details={
            "attempt": claim.attempt,
            "host": late.host_name,
            "exit_code": late.exit_code,
            "failure_code": late.failure_code,
            "stopped_by": late.stopped_by,
            "message": late.message[:1000],
            "kept_failure_code": run.failure_code,
            # One line or one result of a task each; they are not in the log and are gone with the worker's spool.
            "records_not_stored": max(0, late.spooled_records - run.shipped_records),
        },
    )
    return True


def _is_its_end(run: Run, late: LateResult) -> bool:
    """Say whether the stored end is this one: then an answer was lost, not a result."""
    return (run.failure_code, run.exit_code, run.message or "") == (
        late.failure_code,
        late.exit_code,
        late.message[:4000],
    )
