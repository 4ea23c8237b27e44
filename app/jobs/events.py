"""Signals of the engine room. Receivers run inside the finishing transaction; see each for what they may do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from blinker import Signal

from app.jobs.status import JobStatus


@dataclass(frozen=True, slots=True)
class FinishedJob:
    """A job that has just got its final status."""

    id: int
    job_uuid: str
    server_id: int | None
    playbook_id: int | None
    status: JobStatus
    failure_code: str | None
    error_message: str | None
    failed_task: str | None
    failed_module: str | None


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run that has just ended, with all its jobs, in one tenant."""

    tenant_id: int
    run_id: int
    run_uuid: str
    launch_id: int
    kind: str
    subject_type: str
    subject_id: int
    title: str
    is_check: bool
    user_id: int
    completed_at: datetime
    failure_code: str | None
    jobs: Sequence[FinishedJob]


# Sent by jobs.finish inside the finishing unit of work, in a savepoint: a receiver that raises is rolled back,
# the run still ends, and its failed jobs keep ticket_due for the keeper. Sender: the RunFinished payload.
run_finished: Signal = Signal("run_finished")
