"""Commands on executions: plan, look, apply exactly what was planned, discard."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import select

from app.audit import service as audit
from app.core.actor import Actor
from app.core.db import db
from app.core.db_time import database_now
from app.core.errors import Conflict, InvalidInput
from app.core.permissions import Permission, require
from app.core.runtime import settings
from app.core.state_machine import transition
from app.core.table import new_uuid
from app.jobs import service as jobs
from app.jobs.kinds import PREPARE
from app.jobs.models import Job, Run
from app.jobs.service import Submission
from app.jobs.status import JOB_FINAL, LockMode
from app.sources.git_address import check_branch
from app.terraform import (
    artifact_keys,
    elsewhere_config,
    infrastructure_status,
    plan_binding,
    queries,
    queries_executions,
    resource_status,
    tag_policy,
    values_check,
)
from app.terraform.models import ProjectSource, TerraformProject
from app.terraform.models_executions import ExecutionType, Review, TerraformExecution
from app.terraform.state_heads import check_workspace, find_head
from app.terraform.trail import execution_resource

KIND = "terraform"
SUBJECT = "terraform_project"
MAX_ADDRESSES, MAX_ADDRESS = 100, 700
_ADDRESS = re.compile(r"[A-Za-z_][^\x00-\x1f\x7f]*\Z")
_ASKED = (ExecutionType.INIT, ExecutionType.PLAN, ExecutionType.REFRESH)


@dataclass(frozen=True, slots=True)
class ExecutionRequest:
    """What is asked for: init, plan or refresh; applies are asked for by their plan."""

    execution_type: ExecutionType = ExecutionType.PLAN
    workspace: str = "default"
    is_destroy: bool = False
    is_refresh_only: bool = False
    is_speculative: bool = False
    targets: Sequence[str] = ()
    replaces: Sequence[str] = ()
    note: str | None = None
    branch: str | None = None  # of a project from git; None: its own


def execute(actor: Actor, project_uuid: str, wanted: ExecutionRequest, *, source: str = "web") -> TerraformExecution:
    """Submit an init, plan or refresh of the files in force; a project from git is read before it runs.

    Raises InvalidInput by field, NotFound, Conflict for a project that is out of use, has no files, is protected
    against the destroy that is asked for, or has values that cannot be planned with.
    """
    require(actor, Permission.TERRAFORM_PLAN)
    project = _project(actor, project_uuid)
    _check(project, wanted)
    if _lives_elsewhere(actor, project, wanted):
        return _submit(actor, project, replace(wanted, branch=None), revision_id=None, source=source, needs_files=False)
    if wanted.execution_type is not ExecutionType.INIT:
        values_check.check_values(actor, project, None if project.source is ProjectSource.GIT else project.revision_id)
    if project.source is ProjectSource.GIT:
        wanted = replace(wanted, branch=wanted.branch or project.git_branch)
        return _submit(actor, project, wanted, revision_id=None, source=source)
    if project.revision_id is None:
        raise Conflict("This project has no files yet. Upload an archive, or write the first file.", error="no_files")
    return _submit(actor, project, wanted, revision_id=project.revision_id, source=source)


def apply_plan(actor: Actor, plan_uuid: str, *, note: str | None = None, source: str = "web") -> TerraformExecution:
    """Submit the apply (or destroy) of exactly this saved plan; it can be asked for once.

    Raises Conflict saying which of plan, files, state or settings moved since, and for what destroy protection forbids
    or tags are missing on.
    """
    require(actor, Permission.TERRAFORM_APPLY)
    plan = queries_executions.get_execution(actor, plan_uuid)
    project = queries.project_by_id(actor, plan.project_id)
    if not project.is_active:
        raise Conflict("This project is out of use. Take it back into use first.", error="inactive")
    plan_binding.check_plan(actor, project, plan)
    tag_policy.check(actor, project, plan)
    moved = transition(
        TerraformExecution.review,
        plan_binding.REVIEW_TRANSITIONS,
        Review.APPLIED,
        TerraformExecution.tenant_id == actor.tenant_id,
        TerraformExecution.id == plan.id,
        reviewed_by=actor.user_id,
        reviewed_at=database_now(),
    )
    if not moved:
        raise Conflict("This plan was applied or discarded a moment ago. Look at it again.", error="not_waiting")
    db.session.expire(plan)
    wanted = ExecutionRequest(
        execution_type=ExecutionType.DESTROY if plan.is_destroy else ExecutionType.APPLY,
        workspace=plan.workspace,
        is_destroy=plan.is_destroy,
        note=note,
        branch=plan.branch,
    )
    made = _submit(actor, project, wanted, revision_id=plan.revision_id, source=source, plan=plan)
    details = {"project": project.name, "workspace": plan.workspace, "plan_hash": plan.plan_hash, "apply": made.uuid}
    audit.record(actor, "terraform_plan:apply", execution_resource(plan), action="APPROVE", details=details)
    return made


def discard_plan(actor: Actor, plan_uuid: str, *, note: str | None = None) -> TerraformExecution:
    """Say that a plan is not to be applied; its bytes and its key go. Raises Conflict when it does not wait."""
    require(actor, Permission.TERRAFORM_APPLY)
    plan = queries_executions.get_execution(actor, plan_uuid)
    moved = plan_binding.end_plan(plan, Review.DISCARDED, note, user_id=actor.user_id)
    if not moved:
        raise Conflict("Only a plan that waits for its review can be discarded.", error="not_waiting")
    details = {"workspace": plan.workspace, "plan_hash": plan.plan_hash, **({"note": note} if note else {})}
    audit.record(actor, "terraform_plan:discard", execution_resource(plan), action="REJECT", details=details)
    return plan


def repeat(actor: Actor, launch_uuid: str) -> TerraformExecution:
    """Ask for the same again, with the files of today. An apply is asked for by a new plan, so it is refused."""
    require(actor, Permission.TERRAFORM_PLAN)
    old = queries_executions.of_launch(actor, launch_uuid)
    if queries_executions.status_of(actor, old) not in JOB_FINAL:
        raise Conflict("This execution is not finished yet. Wait for its end, or cancel it first.", error="still_open")
    if old.execution_type not in _ASKED:
        raise Conflict(
            "What was applied once is not applied again. Make a new plan and apply that.", error="needs_plan"
        )
    project = queries.project_by_id(actor, old.project_id)
    wanted = ExecutionRequest(
        old.execution_type,
        old.workspace,
        old.is_destroy,
        old.is_refresh_only,
        old.is_speculative,
        old.targets or (),
        old.replaces or (),
        old.note,
        old.branch if project.source is ProjectSource.GIT else None,
    )
    return execute(actor, project.uuid, wanted, source="relaunch")


def _project(actor: Actor, uuid: str) -> TerraformProject:
    project = queries.get_project(actor, uuid)
    if not project.is_active:
        raise Conflict("This project is out of use. Take it back into use first.", error="inactive")
    return project


def _check(project: TerraformProject, wanted: ExecutionRequest) -> None:
    check_workspace(wanted.workspace)
    if wanted.branch is not None:
        if project.source is not ProjectSource.GIT:
            raise InvalidInput(branch="Only a project from git has branches.")
        check_branch(wanted.branch, field="branch")
    kind = wanted.execution_type
    if kind not in _ASKED:
        raise InvalidInput(execution_type="Ask for init, plan or refresh. An apply is asked for by its plan.")
    flags = {"is_destroy": wanted.is_destroy, "is_refresh_only": wanted.is_refresh_only}
    flags |= {"is_speculative": wanted.is_speculative}
    flags |= {"targets": bool(wanted.targets), "replaces": bool(wanted.replaces)}
    if kind is not ExecutionType.PLAN and any(flags.values()):
        raise InvalidInput(**{next(name for name, given in flags.items() if given): "Only a plan has this."})
    if wanted.is_destroy and wanted.is_refresh_only:
        raise InvalidInput(is_refresh_only="A plan either destroys or only looks what changed outside.")
    if wanted.replaces and (wanted.is_destroy or wanted.is_refresh_only):
        raise InvalidInput(replaces="What is destroyed or only looked at cannot be replaced.")
    if wanted.is_destroy and project.is_destroy_protected and not wanted.is_speculative:
        raise plan_binding.protected(project)
    for field, addresses in (("targets", wanted.targets), ("replaces", wanted.replaces)):
        if len(addresses) > MAX_ADDRESSES:
            raise InvalidInput(**{field: f"At most {MAX_ADDRESSES} addresses."})
        for address in addresses:
            if len(address) > MAX_ADDRESS or not _ADDRESS.match(address):
                raise InvalidInput(**{field: f"{address[:80]!a} is no resource's address, such as aws_instance.web."})
    if wanted.note and len(wanted.note) > 500:
        raise InvalidInput(note="At most 500 characters.")


def _lives_elsewhere(actor: Actor, project: TerraformProject, wanted: ExecutionRequest) -> bool:
    """Say whether a refresh means the reading of a state elsewhere; Conflict for what would write there."""
    is_refresh = wanted.execution_type is ExecutionType.REFRESH
    head = find_head(actor, project, wanted.workspace, for_update=is_refresh)
    if head is None or not head.is_elsewhere:
        return False
    if wanted.execution_type is ExecutionType.PLAN and not wanted.is_speculative:
        raise Conflict(
            f"{elsewhere_config.words(head)} A speculative plan shows what would change by what was read last.",
            error="state_elsewhere",
        )
    return is_refresh


def _title(project: TerraformProject, wanted: ExecutionRequest) -> str:
    word = wanted.execution_type.value
    if wanted.execution_type is ExecutionType.PLAN and wanted.is_destroy:
        word = "plan to destroy"
    return f"{word} {project.name}" + ("" if wanted.workspace == "default" else f" ({wanted.workspace})")


def _submit(
    actor: Actor,
    project: TerraformProject,
    wanted: ExecutionRequest,
    *,
    revision_id: int | None,
    source: str,
    plan: TerraformExecution | None = None,
    needs_files: bool = True,
) -> TerraformExecution:
    if actor.user_id is None:
        raise InvalidInput("An execution needs a person or a key behind it.")
    uuid = new_uuid()
    asked = {"execution": uuid, "type": wanted.execution_type.value, "workspace": wanted.workspace}
    asked |= {"branch": wanted.branch} if wanted.branch else {}
    launch = jobs.submit(
        actor,
        Submission(
            kind=KIND,
            subject_type=SUBJECT,
            subject_id=project.id,
            title=_title(project, wanted),
            inputs={**asked, **({PREPARE: "git"} if revision_id is None and needs_files else {})},
            targets=(),
            engine=f"{project.program.value}-{project.terraform_version}",
            lock_mode=LockMode.SHARED,
            lock_name=None if wanted.is_speculative else f"terraform/{project.uuid}/{wanted.workspace}",
            timeout_seconds=project.timeout_seconds or settings().job_timeout_seconds,
            is_check=wanted.is_speculative,
            source=source,
            noted=asked,
        ),
    )
    job_id, run_uuid = db.session.execute(
        select(Job.id, Run.uuid)
        .join(Run, (Run.tenant_id == Job.tenant_id) & (Run.id == Job.run_id))
        .where(Job.tenant_id == actor.tenant_id, Job.launch_id == launch.id)
    ).one()
    made = TerraformExecution(
        tenant_id=actor.tenant_id,
        uuid=uuid,
        project_id=project.id,
        job_id=job_id,
        run_uuid=run_uuid,
        revision_id=revision_id,
        branch=wanted.branch,
        branch_id=plan.branch_id if plan else None,
        plan_id=plan.id if plan else None,
        workspace=wanted.workspace,
        working_directory=plan.working_directory if plan else project.working_directory,
        execution_type=wanted.execution_type,
        initiated_by=actor.user_id,
        is_destroy=wanted.is_destroy,
        is_refresh_only=wanted.is_refresh_only,
        is_speculative=wanted.is_speculative,
        targets=list(wanted.targets) or None,
        replaces=list(wanted.replaces) or None,
        note=wanted.note,
        artifact_key=artifact_keys.make_key(actor.tenant_id, uuid),
    )
    db.session.add(made)
    db.session.flush()
    db.session.refresh(made)
    changes = [] if plan is None else queries_executions.changes_of(actor, plan)
    # This order everywhere: the state, its instances, what is declared. Another one would meet it in a deadlock.
    infrastructure_status.set_out(actor, project, made, changes)
    resource_status.set_out(made, [(str(one["address"]), str(one["kind"])) for one in changes])
    return made
