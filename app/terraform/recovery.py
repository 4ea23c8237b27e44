"""The way back after a run that ended without giving its lock back: unlock the state, then refresh it.

A click each, on the page of that execution. The lock that is taken away is that run's own, which has ended; anybody
else's stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict
from app.core.permissions import Permission, require
from app.jobs.models import Job
from app.jobs.status import JobStatus
from app.runners.base import FailureCode
from app.terraform import queries, queries_executions, state_locks
from app.terraform.models import TerraformProject
from app.terraform.models_executions import ExecutionType, TerraformExecution

_WRITING = (ExecutionType.APPLY, ExecutionType.DESTROY, ExecutionType.REFRESH)
_OPEN = (JobStatus.PENDING, JobStatus.RUNNING)
# Ends that terraform itself may not have lived to see; after all others it handed its state over.
_CUT_OFF = frozenset(
    {
        FailureCode.LOST.value,
        FailureCode.CANCELLED.value,
        FailureCode.TIMEOUT.value,
        FailureCode.SHUTDOWN.value,
        FailureCode.MEMORY_LIMIT.value,
        FailureCode.PROCESS_LIMIT.value,
    }
)


@dataclass(frozen=True, slots=True)
class Recovery:
    """The next step: ``lock`` is this run's and has to be taken away; None: the state is to be refreshed."""

    lock: Mapping[str, Any] | None


def next_step(
    actor: Actor,
    project: TerraformProject,
    execution: TerraformExecution,
    job: Job,
    lock: Mapping[str, Any] | None,
    *,
    unlocked: bool = False,
) -> Recovery | None:
    """Return the next step after an execution that was cut off; None when there is nothing to recover.

    A refresh is asked for after a lost run and after a lock was taken away here (``unlocked``), until something else
    was asked for in that workspace. One query at most.
    """
    require(actor, Permission.TERRAFORM_VIEW)
    if job.status in _OPEN:
        return None
    if lock is not None:
        return Recovery(lock) if lock["run_uuid"] == execution.run_uuid else None
    is_cut_off = job.failure_code == FailureCode.LOST.value or (unlocked and job.failure_code in _CUT_OFF)
    if execution.execution_type not in _WRITING or not is_cut_off or not project.is_active:
        return None
    later = select(TerraformExecution.id).where(
        TerraformExecution.tenant_id == actor.tenant_id,
        TerraformExecution.project_id == project.id,
        TerraformExecution.workspace == execution.workspace,
        TerraformExecution.id > execution.id,
    )
    return None if db.session.scalar(later.limit(1)) is not None else Recovery(None)


def unlock_after(actor: Actor, execution_uuid: str) -> TerraformExecution:
    """Take away the lock that an ended run left; returns its execution. No lock any more is fine.

    Raises NotFound, Conflict while the run is under way, StateLocked when the lock is another's.
    """
    require(actor, Permission.TERRAFORM_STATE_UNLOCK)
    row = queries_executions.get_row(actor, execution_uuid)
    execution, job = row.execution, row.job
    if job.status in _OPEN:
        raise Conflict("This run is still under way. Cancel it: it gives its lock back by itself.", error="running")
    project = queries_executions.project_of(actor, execution)
    lock = queries.lock_of_workspace(actor, project, execution.workspace)
    if lock is not None:
        state_locks.take_away(actor, project.uuid, execution.workspace, run_uuid=execution.run_uuid)
    return execution
