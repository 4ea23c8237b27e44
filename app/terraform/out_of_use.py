"""Taking a project out of use: what has to end first, and what stays as it is. Projects are never deleted."""

from __future__ import annotations

from sqlalchemy import func, select

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.jobs.models import Job
from app.jobs.status import JobStatus
from app.terraform import state_locks
from app.terraform.models import TerraformProject
from app.terraform.models_executions import TerraformExecution
from app.terraform.models_servers import TerraformServer
from app.terraform.models_state import TerraformState, TerraformStateLock


def check_idle(actor: Actor, project: TerraformProject) -> None:
    """Raise Conflict while something is under way that would want to store its state later, and could not."""
    require(actor, Permission.TERRAFORM_EDIT)
    waiting = db.session.execute(
        scoped(actor, TerraformExecution)
        .with_only_columns(TerraformExecution.id, TerraformExecution.execution_type)
        .join(Job, (Job.tenant_id == TerraformExecution.tenant_id) & (Job.id == TerraformExecution.job_id))
        .where(
            TerraformExecution.project_id == project.id,
            Job.tenant_id == actor.tenant_id,
            Job.status.in_([JobStatus.PENDING, JobStatus.RUNNING]),
        )
        .order_by(TerraformExecution.id)
        .limit(1)
    ).first()
    if waiting is not None:
        raise Conflict(
            f"Execution #{waiting.id} ({waiting.execution_type.value}) is under way, and its state could not be "
            "stored. Wait for its end or cancel it, then take the project out of use.",
            error="under_way",
        )
    held = db.session.execute(
        select(TerraformStateLock, TerraformState.workspace)
        .join(
            TerraformState,
            (TerraformState.tenant_id == TerraformStateLock.tenant_id)
            & (TerraformState.id == TerraformStateLock.state_id),
        )
        .where(TerraformStateLock.tenant_id == actor.tenant_id, TerraformState.project_id == project.id)
        .order_by(TerraformStateLock.id)
        .limit(1)
    ).first()
    if held is not None:
        lock, workspace = held
        raise Conflict(
            f"The state of the workspace {workspace} is locked by {state_locks.holder_of(lock).who}, who could not "
            "store it any more. Wait for the end, or unlock it if nothing is under way there, then take the project "
            "out of use.",
            error="state_locked",
        )


def what_stays(actor: Actor, project: TerraformProject) -> str:
    """Say what taking the project out of use leaves as it is, with numbers; three queries."""
    require(actor, Permission.TERRAFORM_VIEW)
    mine = (TerraformState.tenant_id == actor.tenant_id) & (TerraformState.project_id == project.id)
    states, resources = db.session.execute(
        select(func.count(), func.coalesce(func.sum(TerraformState.resources_count), 0)).where(mine)
    ).one()
    servers = _count(actor, TerraformServer, project)
    executions = _count(actor, TerraformExecution, project)
    kept = [
        _number(states, "state") + (f" with {_number(int(resources), 'resource')}" if states else ""),
        _number(executions, "execution"),
        _number(servers, "server") + " that came from it",
    ]
    return (
        f"Nothing is destroyed and nothing is deleted: {', '.join(kept[:-1])} and {kept[-1]} stay as they are, and so "
        "do files and variables. Nobody reads or writes the states until it is taken back into use: command lines that "
        "are connected to it are refused. If the machines are to go too, destroy them first."
    )


def _count(actor: Actor, model: type[TerraformServer] | type[TerraformExecution], project: TerraformProject) -> int:
    counted = select(func.count()).select_from(model)
    return db.session.scalar(counted.where(model.tenant_id == actor.tenant_id, model.project_id == project.id)) or 0


def _number(count: int, word: str) -> str:
    return f"{count or 'no'} {word}{'' if count == 1 else 's'}"
