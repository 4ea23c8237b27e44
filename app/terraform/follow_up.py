"""What follows the end of an execution's job, once: the plan's text and summary, a salvaged state, automatic applies.

Rung for by the end of the run, and found by the keeper when nobody heard. ``followed_at`` is set in the same
transaction as everything that is done, so a death in between leaves it to be done again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, select, update

from app.audit import service as audit
from app.core import queue
from app.core.actor import Actor
from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.errors import AppError
from app.core.tenancy import system_scope, tenant_scope
from app.jobs import artifacts
from app.jobs.models import Job
from app.jobs.status import JOB_FINAL, JobStatus
from app.sources.store import sha256_hex
from app.terraform import (
    elsewhere_reading,
    infrastructure_sync,
    plan_binding,
    queries_executions,
    resource_status,
    salvage,
    service_executions,
)
from app.terraform.models import ApplyPolicy, TerraformProject
from app.terraform.models_executions import ExecutionType, Review, TerraformExecution
from app.terraform.server_sync import sync_servers
from app.terraform.trail import execution_resource

log = logging.getLogger(__name__)

FOLLOW = "terraform.follow_up"  # the doorbell; the row is the truth
OVERDUE_SECONDS = 5.0
CHANGE_STATES = (ExecutionType.APPLY, ExecutionType.DESTROY, ExecutionType.REFRESH)
MAX_PLAN_OUTPUT = 4_194_304  # characters of a plan's text that are kept; a row has to fit into max_allowed_packet
_CUT = "\n... the rest is in the run's log and in the plan as JSON\n"
_PLAN_KEYS = ("add", "change", "destroy", "import", "drift", "outputs")


def follow_up(execution_id: int) -> bool:
    """Do what follows an execution's end; False when there is nothing to do (any more)."""
    with system_scope("follow up"), unit_of_work(writes=False):
        tenant_id = db.session.scalar(
            select(TerraformExecution.tenant_id).where(
                TerraformExecution.id == execution_id, TerraformExecution.followed_at.is_(None)
            )
        )
    if tenant_id is None:
        return False
    with tenant_scope(tenant_id), unit_of_work():
        return _follow(tenant_id, execution_id)


def _follow(tenant_id: int, execution_id: int) -> bool:
    system = Actor.system(tenant_id)
    execution = queries_executions.execution_by_id(system, execution_id)
    if execution is None:
        return False
    job = queries_executions.job_of(system, execution)
    if job.status not in JOB_FINAL or not _take(execution):
        return False
    failed = [job.failed_task] if job.failed_task and not job.failed_task.startswith("terraform ") else []
    if execution.execution_type is ExecutionType.PLAN:
        # Before the plan's own part: an automatic apply sets out anew.
        _beside(execution, lambda: resource_status.bring_back(system, execution, failed))
        _follow_plan(system, execution, job)
    else:
        _beside(execution, lambda: elsewhere_reading.take_up(system, execution, job))
        if execution.plan_id is not None:
            _follow_apply(system, execution, job)
        if execution.execution_type in CHANGE_STATES:  # before the declared ones: service_executions has the order
            _beside(execution, lambda: _become_infrastructure(system, execution, job))
        _beside(execution, lambda: resource_status.bring_back(system, execution, failed))
    if execution.execution_type in CHANGE_STATES and job.started_at is not None:
        _beside(execution, lambda: _become_servers(execution))
    return True


def _beside(execution: TerraformExecution, work: Callable[[], None]) -> None:
    """Do what must not hold up the rest: a state that cannot be opened leaves statuses and servers as they are."""
    try:
        with audit.savepoint():
            work()
    except Exception:
        log.exception("terraform.follow_up_failed", extra={"execution_id": execution.id})


def _become_infrastructure(system: Actor, execution: TerraformExecution, job: Job) -> None:
    plan = None if execution.plan_id is None else queries_executions.execution_by_id(system, execution.plan_id)
    infrastructure_sync.follow_execution(
        system,
        execution,
        has_begun=job.started_at is not None,
        is_whole=job.status is JobStatus.SUCCESS and plan is not None and not plan.targets,
    )


def _become_servers(execution: TerraformExecution) -> None:
    """Bring the servers to what the state says now, whether the run ended well or not."""
    actor = Actor.system(execution.tenant_id, execution.initiated_by)
    project = queries_executions.project_of(actor, execution)
    sync_servers(actor, project, execution.workspace, execution_uuid=execution.uuid)


def _take(execution: TerraformExecution) -> bool:
    taken = db.session.execute(
        update(TerraformExecution)
        .where(
            TerraformExecution.tenant_id == execution.tenant_id,
            TerraformExecution.id == execution.id,
            TerraformExecution.followed_at.is_(None),
        )
        .values(followed_at=database_now())
        .execution_options(synchronize_session=False)
    )
    db.session.expire(execution)
    return cast(CursorResult[Any], taken).rowcount == 1


# --- plans


def _follow_plan(system: Actor, plan: TerraformExecution, job: Job) -> None:
    def part(name: str) -> bytes | None:
        return artifacts.read(plan.tenant_id, job.run_id, name)

    text = (part("plan_text") or b"").decode("utf-8", "replace")
    if text:
        plan.plan_output = text if len(text) <= MAX_PLAN_OUTPUT else text[:MAX_PLAN_OUTPUT] + _CUT
        artifacts.remove(plan.tenant_id, job.run_id, "plan_text")
    summary = json.loads(part("summary") or b"{}")
    if summary:
        plan.changes_summary = {name: int(summary.get(name, 0)) for name in _PLAN_KEYS}
    sealed = part("plan")
    if job.status is not JobStatus.SUCCESS or plan.is_speculative or sealed is None or not _changes(plan):
        plan_binding.forget_bytes(plan)
        db.session.flush()
        return
    base = json.loads(part("plan_base") or b"{}")
    plan.base_serial, plan.base_lineage = base.get("serial"), base.get("lineage")
    plan.plan_hash = sha256_hex(sealed)
    plan.review = Review.WAITING
    db.session.flush()
    details = {"workspace": plan.workspace, "plan_hash": plan.plan_hash, "changes": plan.changes_summary}
    audit.record(system, "terraform_plan:wait", execution_resource(plan), action="UPDATE", details=details)
    project = queries_executions.project_of(system, plan)
    if reason := plan_binding.moved_since(system, project, plan):
        plan_binding.end_plan(plan, Review.VOID, reason)
    elif _is_automatic(project, plan):
        _apply(plan)


def _changes(plan: TerraformExecution) -> bool:
    """Say whether a plan does anything: to resources, outputs, or to what the state says (a refresh-only one)."""
    summary = plan.changes_summary or {}
    names = ("add", "change", "destroy", "import", "outputs", *(["drift"] if plan.is_refresh_only else []))
    return any(summary.get(name, 0) for name in names)


def _is_automatic(project: TerraformProject, plan: TerraformExecution) -> bool:
    """The policy is about the project's own branch: what another one says is read by a person first."""
    policy = project.apply_policy
    if plan.is_destroy or plan.is_refresh_only or policy is ApplyPolicy.MANUAL:
        return False
    if plan.branch not in (None, project.git_branch):
        return False
    return policy is ApplyPolicy.AUTO or not plan_binding.destroys(plan)


def _apply(plan: TerraformExecution) -> None:
    """Apply by the project's policy, in the name of whoever asked for the plan."""
    try:
        with audit.savepoint():
            by_policy = Actor.system(plan.tenant_id, plan.initiated_by)
            service_executions.apply_plan(by_policy, plan.uuid, note="applied by the project's policy", source="policy")
    except AppError as error:  # it waits for a person then, who hears why
        log.info("terraform.no_automatic_apply", extra={"execution_id": plan.id, "why": error.message})


# --- applies


def _follow_apply(system: Actor, execution: TerraformExecution, job: Job) -> None:
    assert execution.plan_id is not None
    plan = queries_executions.execution_by_id(system, execution.plan_id)
    assert plan is not None
    if job.started_at is None:  # it ended before it began: the plan is as good as it was
        plan.review, plan.reviewed_by, plan.reviewed_at = Review.WAITING, None, None
        db.session.flush()
        return
    if salvage.take_up(system, execution, job.run_id):
        plan_binding.forget_bytes(plan)
        plan_binding.forget_bytes(execution)
    plan_binding.void_plans(
        execution.tenant_id, execution.project_id, plan_binding.STATE_MOVED, workspace=execution.workspace
    )


# --- the keeper's part


def ring_overdue(limit: int = 100) -> int:
    """The keeper's chore: ring again for executions whose job has ended and that nobody has followed up."""
    with system_scope("keeper: follow-ups"), unit_of_work(writes=False):
        since = database_now() - timedelta(seconds=OVERDUE_SECONDS)
        ids = db.session.scalars(
            select(TerraformExecution.id)
            .join(Job, (Job.tenant_id == TerraformExecution.tenant_id) & (Job.id == TerraformExecution.job_id))
            .where(TerraformExecution.followed_at.is_(None), Job.status.in_(list(JOB_FINAL)), Job.completed_at < since)
            .order_by(TerraformExecution.id)
            .limit(limit)
        ).all()
    return sum(queue.send(FOLLOW, execution_id=execution_id) for execution_id in ids)
