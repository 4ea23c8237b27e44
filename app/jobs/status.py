"""Statuses of launches, runs and jobs, and which changes are allowed."""

from __future__ import annotations

from enum import StrEnum


class JobStatus(StrEnum):
    """The document's five words; also the status of a launch."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RunStatus(StrEnum):
    """A run is claimed before it begins: what can fail lies between, and is retried."""

    PENDING = "pending"
    CLAIMED = "claimed"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"


class LockMode(StrEnum):
    """How a run takes its servers."""

    EXCLUSIVE = "exclusive"
    SHARED = "shared"  # check mode, and playbooks marked so


class WorkerState(StrEnum):
    """What a worker says of itself."""

    ONLINE = "online"
    DRAINING = "draining"  # finishes, takes nothing new
    OFFLINE = "offline"


JOB_FINAL = frozenset({JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELLED})
RUN_FINAL = frozenset({RunStatus.SUCCESS, RunStatus.FAILED, RunStatus.CANCELLED})
RUN_OPEN = frozenset(RunStatus) - RUN_FINAL

JOB_TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.PENDING: frozenset({JobStatus.RUNNING, JobStatus.CANCELLED, JobStatus.FAILED}),
    JobStatus.RUNNING: JOB_FINAL,
}
RUN_TRANSITIONS: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.PENDING: frozenset({RunStatus.CLAIMED, RunStatus.CANCELLED, RunStatus.FAILED}),
    RunStatus.CLAIMED: frozenset({RunStatus.PENDING, RunStatus.RUNNING, RunStatus.CANCELLED, RunStatus.FAILED}),
    RunStatus.RUNNING: RUN_FINAL,
}
LAUNCH_TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = JOB_TRANSITIONS
