"""What a saved plan is bound to: its own bytes, the files, the state. Whatever moves makes it void."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select, update

from app.core.actor import Actor
from app.core.db import db
from app.core.db_time import database_now
from app.core.errors import Conflict
from app.core.state_machine import Transitions, transition
from app.core.tenancy import scoped
from app.jobs import artifacts
from app.jobs.models import Job, Run
from app.terraform.models import ProjectSource, TerraformProject
from app.terraform.models_executions import ExecutionType, Review, TerraformExecution
from app.terraform.models_files import TerraformRevision
from app.terraform.models_git import GitBranch
from app.terraform.models_provider_settings import TerraformProviderSettings
from app.terraform.models_state import TerraformState

REVIEW_TRANSITIONS: Transitions[Review] = {
    Review.NONE: frozenset({Review.WAITING, Review.VOID}),
    Review.WAITING: frozenset({Review.APPLIED, Review.DISCARDED, Review.VOID}),
    Review.APPLIED: frozenset({Review.WAITING, Review.VOID}),  # its apply ended before it began
}
STATE_MOVED = "The state was changed after it was made."
FILES_MOVED = "The project's files were changed after it was made."
SETTINGS_MOVED = "The settings of a provider were changed after it was made."
SOURCE_MOVED = "The project's source was changed after it was made."
_NOT_WAITING = {
    Review.NONE: "This execution has no plan that waits for a review.",
    Review.APPLIED: "This plan was applied already, and a plan is applied once. Make a new one.",
    Review.DISCARDED: "This plan was discarded. Make a new one.",
}


def check_plan(actor: Actor, project: TerraformProject, plan: TerraformExecution) -> None:
    """Raise Conflict, saying what moved, unless this plan can be applied now."""
    if plan.execution_type is not ExecutionType.PLAN:
        raise Conflict("Only a plan can be applied.", error="no_plan")
    if plan.review is Review.VOID:
        raise Conflict(f"This plan is void: {plan.review_note} Make a new one.", error="plan_void")
    if plan.review is not Review.WAITING:
        raise Conflict(_NOT_WAITING[plan.review], error="not_waiting")
    if reason := moved_since(actor, project, plan):
        raise Conflict(f"This plan is void: {reason} Make a new one.", error="plan_void")
    if project.is_destroy_protected and destroys(plan):
        raise protected(project)


def destroys(plan: TerraformExecution) -> bool:
    """Say whether a plan destroys or replaces anything."""
    return plan.is_destroy or int((plan.changes_summary or {}).get("destroy", 0)) > 0


def protected(project: TerraformProject) -> Conflict:
    """Return the error of destroy protection."""
    return Conflict(
        f"{project.name} is protected: nothing of it may be destroyed or replaced. Somebody who may edit the project "
        "can take the protection away on its page.",
        error="destroy_protected",
    )


def moved_since(actor: Actor, project: TerraformProject, plan: TerraformExecution) -> str | None:
    """Return what changed since a plan was made, as a sentence; None when it still holds."""
    if _files_moved(actor, project, plan):
        return FILES_MOVED
    head = db.session.scalar(
        scoped(actor, TerraformState).where(
            TerraformState.project_id == project.id, TerraformState.workspace == plan.workspace
        )
    )
    now = (head.serial, head.lineage) if head is not None and head.state_file_id is not None else (None, None)
    if now != (plan.base_serial, plan.base_lineage):
        return STATE_MOVED
    made = db.session.execute(
        select(Run.engine, Run.claimed_at)
        .join(Job, (Job.tenant_id == Run.tenant_id) & (Job.run_id == Run.id))
        .where(Run.tenant_id == plan.tenant_id, Job.id == plan.job_id)
    ).one_or_none()  # none: retention took the run
    if made is None or made.engine != f"{project.program.value}-{project.terraform_version}":
        return "The project uses another version of terraform than the one that made it."
    return SETTINGS_MOVED if _settings_moved(actor, project, made.claimed_at) else None


def _settings_moved(actor: Actor, project: TerraformProject, since: datetime | None) -> bool:
    """Say whether settings of a provider were made or changed since a run was prepared: while it ran, for instance."""
    changed = db.session.scalar(
        scoped(actor, TerraformProviderSettings)
        .where(TerraformProviderSettings.project_id == project.id)
        .with_only_columns(func.max(TerraformProviderSettings.updated_at))
    )
    return changed is not None and since is not None and changed >= since


def _files_moved(actor: Actor, project: TerraformProject, plan: TerraformExecution) -> bool:
    """Compare a plan's files with those in force; those of a project from git are in force branch by branch."""
    now = project.revision_id
    if project.source is ProjectSource.GIT and plan.branch is not None:
        now = db.session.scalar(
            select(GitBranch.revision_id).where(
                GitBranch.tenant_id == actor.tenant_id,
                GitBranch.project_id == project.id,
                GitBranch.name == plan.branch,
            )
        )
    if now == plan.revision_id:
        return False
    rows = db.session.scalars(
        scoped(actor, TerraformRevision).where(TerraformRevision.id.in_([now or 0, plan.revision_id or 0]))
    ).all()
    return len(rows) != 2 or rows[0].manifest_hash != rows[1].manifest_hash


def void_moved(actor: Actor, project: TerraformProject) -> int:
    """Make every plan void that waits and was made of other files than are in force now; return how many."""
    waiting = db.session.scalars(
        scoped(actor, TerraformExecution)
        .where(TerraformExecution.project_id == project.id, TerraformExecution.review == Review.WAITING)
        .order_by(TerraformExecution.id)
    ).all()
    return sum(end_plan(plan, Review.VOID, FILES_MOVED) for plan in waiting if _files_moved(actor, project, plan))


def end_plan(plan: TerraformExecution, review: Review, note: str | None, *, user_id: int | None = None) -> bool:
    """Let a plan that waits end as discarded or void: its bytes and its key go. False when it does not wait."""
    moved = transition(
        TerraformExecution.review,
        REVIEW_TRANSITIONS,
        review,
        TerraformExecution.tenant_id == plan.tenant_id,
        TerraformExecution.id == plan.id,
        TerraformExecution.review == Review.WAITING,
        review_note=note[:500] if note else None,
        reviewed_by=user_id,
        reviewed_at=database_now(),
    )
    if moved:
        forget_bytes(plan)
        db.session.expire(plan)
    return bool(moved)


def forget_bytes(plan: TerraformExecution) -> None:
    """Remove the sealed plan of an execution, and the key that opens it."""
    run_id = db.session.scalar(select(Job.run_id).where(Job.tenant_id == plan.tenant_id, Job.id == plan.job_id))
    if run_id is not None:
        artifacts.remove(plan.tenant_id, run_id, "plan", "state")
    db.session.execute(
        update(TerraformExecution)
        .where(TerraformExecution.tenant_id == plan.tenant_id, TerraformExecution.id == plan.id)
        .values(artifact_key=None)
        .execution_options(synchronize_session=False)
    )


def void_plans(tenant_id: int, project_id: int, reason: str, *, workspace: str | None = None) -> int:
    """Make every plan void that still waits, of one workspace or of all; return how many."""
    statement = select(TerraformExecution).where(
        TerraformExecution.tenant_id == tenant_id,
        TerraformExecution.project_id == project_id,
        TerraformExecution.review == Review.WAITING,
    )
    if workspace is not None:
        statement = statement.where(TerraformExecution.workspace == workspace)
    waiting = db.session.scalars(statement.order_by(TerraformExecution.id)).all()
    return sum(end_plan(plan, Review.VOID, reason) for plan in waiting)
