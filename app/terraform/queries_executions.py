"""Reads of executions, each together with its job."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.core.pagination import Page, paginate
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.jobs import artifacts
from app.jobs.models import Job, Launch
from app.jobs.status import JobStatus
from app.terraform.models import TerraformProject
from app.terraform.models_executions import ExecutionType, Review, TerraformExecution

PARTS = ("plan_json", "graph", "summary")


@dataclass(frozen=True, slots=True)
class ExecutionRow:
    """An execution with its job, where its status, times and error are."""

    execution: TerraformExecution
    job: Job


def get_execution(actor: Actor, uuid: str) -> TerraformExecution:
    """Return an execution; raises NotFound."""
    require(actor, Permission.TERRAFORM_VIEW)
    found = db.session.scalar(scoped(actor, TerraformExecution).where(TerraformExecution.uuid == uuid))
    if found is None:
        raise NotFound("This execution")
    return found


def execution_by_id(actor: Actor, execution_id: int) -> TerraformExecution | None:
    """Return an execution by its number."""
    require(actor, Permission.TERRAFORM_VIEW)
    return db.session.scalar(scoped(actor, TerraformExecution).where(TerraformExecution.id == execution_id))


def find_execution(actor: Actor, uuid: str | None) -> TerraformExecution | None:
    """Return an execution by its UUID, None for none and for one that is gone."""
    require(actor, Permission.TERRAFORM_VIEW)
    return db.session.scalar(scoped(actor, TerraformExecution).where(TerraformExecution.uuid == (uuid or "")))


def get_row(actor: Actor, uuid: str) -> ExecutionRow:
    """Return an execution with its job; raises NotFound."""
    execution = get_execution(actor, uuid)
    return ExecutionRow(execution, job_of(actor, execution))


def job_of(actor: Actor, execution: TerraformExecution) -> Job:
    """Return an execution's job."""
    require(actor, Permission.TERRAFORM_VIEW)
    return db.session.scalars(scoped(actor, Job).where(Job.id == execution.job_id)).one()


def status_of(actor: Actor, execution: TerraformExecution) -> JobStatus:
    """Return an execution's status: that of its job."""
    return job_of(actor, execution).status


def of_launch(actor: Actor, launch_uuid: str) -> TerraformExecution:
    """Return the execution of a launch; raises NotFound."""
    require(actor, Permission.TERRAFORM_VIEW)
    found = db.session.scalar(
        scoped(actor, TerraformExecution)
        .join(Job, (Job.tenant_id == TerraformExecution.tenant_id) & (Job.id == TerraformExecution.job_id))
        .join(Launch, (Launch.tenant_id == Job.tenant_id) & (Launch.id == Job.launch_id))
        .where(Launch.uuid == launch_uuid, Launch.tenant_id == actor.tenant_id, Job.tenant_id == actor.tenant_id)
    )
    if found is None:
        raise NotFound("This execution")
    return found


def of_job(actor: Actor, job_id: int) -> TerraformExecution:
    """Return the execution of a job (by its number)."""
    require(actor, Permission.TERRAFORM_VIEW)
    return db.session.scalars(scoped(actor, TerraformExecution).where(TerraformExecution.job_id == job_id)).one()


def project_of(actor: Actor, execution: TerraformExecution) -> TerraformProject:
    """Return an execution's project."""
    require(actor, Permission.TERRAFORM_VIEW)
    return db.session.scalars(scoped(actor, TerraformProject).where(TerraformProject.id == execution.project_id)).one()


def launch_of(actor: Actor, execution: TerraformExecution) -> Launch:
    """Return an execution's launch."""
    require(actor, Permission.TERRAFORM_VIEW)
    job = job_of(actor, execution)
    return db.session.scalars(scoped(actor, Launch).where(Launch.id == job.launch_id)).one()


def list_executions(
    actor: Actor,
    *,
    project: TerraformProject | None = None,
    workspace: str | None = None,
    execution_type: ExecutionType | None = None,
    review: Review | None = None,
    status: JobStatus | None = None,
    page: int = 1,
    page_size: int = 50,
    after: int | None = None,
) -> Page[ExecutionRow]:
    """Return executions, the newest first; two queries."""
    require(actor, Permission.TERRAFORM_VIEW)
    statement = scoped(actor, TerraformExecution)
    if project is not None:
        statement = statement.where(TerraformExecution.project_id == project.id)
    if workspace is not None:
        # Names are kept in ASCII, and MySQL refuses to compare others with them.
        statement = statement.where(TerraformExecution.workspace == (workspace if workspace.isascii() else ""))
    if execution_type is not None:
        statement = statement.where(TerraformExecution.execution_type == execution_type)
    if review is not None:
        statement = statement.where(TerraformExecution.review == review)
    if status is not None:
        statement = statement.join(Job, (Job.tenant_id == actor.tenant_id) & (Job.id == TerraformExecution.job_id))
        statement = statement.where(Job.status == status)
    found = paginate(statement, TerraformExecution.id, page=page, page_size=page_size, after=after)
    ids = [execution.job_id for execution in found.items]
    jobs = {job.id: job for job in db.session.scalars(scoped(actor, Job).where(Job.id.in_(ids)))} if ids else {}
    return found.with_items([ExecutionRow(execution, jobs[execution.job_id]) for execution in found.items])


def plans_of(actor: Actor, executions: Sequence[TerraformExecution]) -> dict[int, TerraformExecution]:
    """Return the plans that these executions apply, by number; one query."""
    require(actor, Permission.TERRAFORM_VIEW)
    ids = {execution.plan_id for execution in executions if execution.plan_id is not None}
    if not ids:
        return {}
    found = db.session.scalars(scoped(actor, TerraformExecution).where(TerraformExecution.id.in_(ids)))
    return {plan.id: plan for plan in found}


def plan_output(actor: Actor, execution: TerraformExecution) -> str | None:
    """Return the plan's text as terraform printed it, masked; None for what is no plan, or not ended."""
    require(actor, Permission.TERRAFORM_VIEW)
    return db.session.scalar(
        select(TerraformExecution.plan_output).where(
            TerraformExecution.tenant_id == actor.tenant_id, TerraformExecution.id == execution.id
        )
    )


def plan_part(actor: Actor, execution: TerraformExecution, name: str) -> bytes | None:
    """Return a part of a plan (one of PARTS) as its run handed it over; None when there is none (any more)."""
    require(actor, Permission.TERRAFORM_VIEW)
    job = job_of(actor, execution)
    return artifacts.read(actor.tenant_id, job.run_id, name)


def has_part(actor: Actor, execution: TerraformExecution, name: str) -> bool:
    """Say whether the run of an execution handed such a part over, and it is still there."""
    require(actor, Permission.TERRAFORM_VIEW)
    return artifacts.exists(actor.tenant_id, job_of(actor, execution).run_id, name)


def changes_of(actor: Actor, execution: TerraformExecution) -> list[Mapping[str, Any]]:
    """Return what a plan changes, by address (``terraform_plan.summarize``)."""
    return list(summary_of(actor, execution).get("changes", ()))


def summary_of(actor: Actor, execution: TerraformExecution) -> Mapping[str, Any]:
    """Return what ``terraform_plan.summarize`` said of a plan; empty when there is nothing (any more)."""
    data = plan_part(actor, execution, "summary")
    found: Mapping[str, Any] = {} if data is None else json.loads(data)
    return found


def waiting_plan(actor: Actor, project: TerraformProject, workspace: str) -> TerraformExecution | None:
    """Return the newest plan of a workspace that waits for its review."""
    require(actor, Permission.TERRAFORM_VIEW)
    return db.session.scalar(
        scoped(actor, TerraformExecution)
        .where(
            TerraformExecution.project_id == project.id,
            TerraformExecution.workspace == workspace,
            TerraformExecution.review == Review.WAITING,
        )
        .order_by(TerraformExecution.id.desc())
        .limit(1)
    )


def applies_of(actor: Actor, plan: TerraformExecution) -> TerraformExecution | None:
    """Return the newest execution that applies a plan."""
    require(actor, Permission.TERRAFORM_VIEW)
    return db.session.scalar(
        scoped(actor, TerraformExecution)
        .where(TerraformExecution.plan_id == plan.id)
        .order_by(TerraformExecution.id.desc())
        .limit(1)
    )
