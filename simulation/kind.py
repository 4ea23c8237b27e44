"""The job kind of the histories, and who listens to the end of their runs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select, update

from app.core.actor import Actor
from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.queue import RUN_QUEUE
from app.core.tenancy import system_scope
from app.jobs.events import RunFinished
from app.jobs.kinds import JobKind, PreparedRun, RunRequest
from app.jobs.models import Job, Launch, PlatformFlag
from app.jobs.status import JobStatus
from app.runners.base import RunSpec
from simulation.stage import stage


class SimulatedKind(JobKind):
    """Plans a run on its servers."""

    name = "simulated"
    queue = RUN_QUEUE

    def relaunch(self, actor: Actor, launch_uuid: str, *, only: str) -> Launch:
        """Not used here."""
        raise NotImplementedError

    def prepare_launch(self, tenant_id: int, launch_id: int) -> None:
        """Nothing to do first."""

    def build_run(self, request: RunRequest) -> PreparedRun:
        """The servers of the run, by name."""
        hosts = {stage.servers[target.server_id]: target.job_id for target in request.targets if target.server_id}
        spec = RunSpec(
            run_uuid=request.run_uuid,
            attempt=request.attempt,
            engine="simulated",
            timeout_seconds=request.timeout_seconds,
            parameters={"hosts": [{"name": name} for name in hosts]},
        )
        return PreparedRun(spec, hosts)


def _tell(job_id: int) -> None:
    # A row whose key is the job: told twice is refused by the database.
    values: dict[str, Any] = {"name": f"t:{job_id}", "value": str(job_id), "set_at": database_now()}
    db.session.execute(insert(PlatformFlag).values(values))
    db.session.execute(
        update(Job)
        .where(Job.id == job_id, Job.tenant_id > 0)
        .values(ticket_due=False)
        .execution_options(synchronize_session=False)
    )


def told(event: RunFinished, **_extra: object) -> None:
    """Stand in for the tickets: note each failed job in the same transaction, or raise."""
    play = stage.play
    failed = [job for job in event.jobs if job.status is JobStatus.FAILED]
    for job in failed:
        _tell(job.id)
    if failed and play is not None and play.tickets_fail:
        play.tickets_fail -= 1
        raise RuntimeError("no ticket today")


def tell_late() -> None:
    """The keeper's chore: note the failed jobs that still wait."""
    if stage.judge is not None and not any(job[7] for job in stage.judge.jobs.values()):
        return
    with system_scope("late tickets"), unit_of_work(writes=False):
        due = list(db.session.scalars(select(Job.id).where(Job.ticket_due, Job.tenant_id > 0)))
    for job_id in due:
        with system_scope("late tickets"), unit_of_work():
            if db.session.scalar(select(Job.ticket_due).where(Job.id == job_id, Job.tenant_id > 0)):
                _tell(job_id)
