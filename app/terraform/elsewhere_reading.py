"""Reading a state that lives elsewhere: what its run is told, what becomes of what came, and when it is read again."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from sqlalchemy import select, true

from app.accounts.models import Tenant, User
from app.core.actor import Actor
from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.errors import AppError
from app.core.runtime import settings
from app.core.tenancy import scoped, system_scope, tenant_scope
from app.jobs import artifacts
from app.jobs.models import Job
from app.jobs.status import JobStatus
from app.runners.sealed import SealError, unseal
from app.runners.terraform_elsewhere import ARTIFACT
from app.terraform import artifact_keys, elsewhere_config, plan_binding, queries_executions, state_store
from app.terraform.elsewhere_kinds import block, secret_names
from app.terraform.models import TerraformProject
from app.terraform.models_executions import ExecutionType, TerraformExecution
from app.terraform.models_state import StateSource, TerraformState, TerraformStateFile
from app.terraform.service_executions import ExecutionRequest, execute
from app.terraform.state_document import StateDocument, parse_state
from app.terraform.state_heads import find_head

log = logging.getLogger(__name__)
UNREADABLE = "What was read arrived in pieces, or cannot be opened. Read it again."


def what_to_read(actor: Actor, project: TerraformProject, execution: TerraformExecution) -> dict[str, Any] | None:
    """Return the runner's ``elsewhere`` for an execution that reads; None for any other. Raises DecryptionError."""
    if execution.execution_type is not ExecutionType.REFRESH:
        return None
    head = find_head(actor, project, execution.workspace)
    if head is None or not head.is_elsewhere:
        return None
    config = elsewhere_config.opened(head)
    return {
        "backend": head.backend,
        "block": block(head.backend, config),
        "secrets": [str(config[name]) for name in sorted(secret_names(head.backend) & config.keys())],
        "roots": settings().terraform_local_state_roots,
        "max_bytes": settings().state_max_bytes,
    }


def take_up(system: Actor, execution: TerraformExecution, job: Job) -> None:
    """Keep what an execution has read as a version, or say why there is nothing; other executions are left alone."""
    if execution.execution_type is not ExecutionType.REFRESH:
        return
    actor = Actor.system(execution.tenant_id, execution.initiated_by)
    project = queries_executions.project_of(system, execution)
    head = find_head(system, project, execution.workspace, for_update=True)
    if head is None or not head.is_elsewhere:
        return
    try:
        document = _document(execution, job)
    except AppError as error:
        said: str | None = error.message
    else:
        said = None if document else (job.error_message or f"The reading ended as {job.status.value}.")
    head.read_at, head.read_error, head.read_note = database_now(), said[:2000] if said else None, None
    if said is None and document is not None:
        newest = state_store.newest_of(actor, head)
        if newest is None or newest.sha256 != document.sha256:
            head.read_note = _oddness(newest, document)
            place = head.backend_location
            state_store.keep(actor, head, document, StateSource.IMPORT, execution.run_uuid, read_from=place)
    artifacts.remove(execution.tenant_id, job.run_id, ARTIFACT)
    plan_binding.forget_bytes(execution)
    db.session.flush()


def _document(execution: TerraformExecution, job: Job) -> StateDocument | None:
    if job.status is not JobStatus.SUCCESS:
        return None
    sealed = artifacts.read(execution.tenant_id, job.run_id, ARTIFACT)
    try:
        return parse_state(unseal(artifact_keys.key_of(execution) or b"", ARTIFACT, sealed or b""))
    except (SealError, ValueError, RuntimeError) as error:
        log.error("terraform.reading_lost", extra={"execution_id": execution.id, "why": str(error)})
        raise AppError(UNREADABLE) from error


def _oddness(newest: TerraformStateFile | None, document: StateDocument) -> str | None:
    """Say what is unusual about a state that follows another: it is a copy, so it is taken all the same."""
    if newest is None:
        return None
    if newest.lineage != document.lineage:
        return (
            f"What was read is of another lineage ({document.lineage}) than before ({newest.lineage}): it was replaced."
        )
    if document.serial < newest.serial:
        return (
            f"What was read has serial {document.serial}, before it was {newest.serial}: an older state was put back."
        )
    if document.serial == newest.serial:
        return f"What was read differs from before under the same serial {document.serial}: it was changed by hand."
    return None


# --- the keeper's part


def read_due(limit: int = 20) -> int:
    """The keeper's chore: ask for the reading of states that are due; return for how many."""
    with system_scope("keeper: states elsewhere"), unit_of_work(writes=False):
        rows = db.session.execute(
            select(TerraformState.id, TerraformState.tenant_id)
            .join(
                TerraformProject,
                (TerraformProject.tenant_id == TerraformState.tenant_id)
                & (TerraformProject.id == TerraformState.project_id),
            )
            .join(Tenant, Tenant.id == TerraformState.tenant_id)
            .where(
                TerraformState.next_read_at <= database_now(),
                TerraformProject.is_active == true(),
                Tenant.is_active == true(),
            )
            .order_by(TerraformState.next_read_at, TerraformState.id)
            .limit(limit)
        ).all()
    return sum(_read_one(tenant_id, state_id) for state_id, tenant_id in rows)


def _read_one(tenant_id: int, state_id: int) -> bool:
    with tenant_scope(tenant_id), unit_of_work():
        system = Actor.system(tenant_id)
        head = db.session.scalar(scoped(system, TerraformState).where(TerraformState.id == state_id).with_for_update())
        now = database_now()
        if head is None or head.next_read_at is None or head.next_read_at > now or head.read_every_minutes is None:
            return False
        head.next_read_at = now + timedelta(minutes=head.read_every_minutes)
        if is_busy(system, head):
            return False
        owner = db.session.scalar(select(User.id).where(User.id == head.read_by, User.is_active == true()))
        if owner is None:
            head.read_error = "It is not read by itself any more: who asked for that has left. Save its settings again."
            head.next_read_at = None
            return False
        project = db.session.scalars(
            scoped(system, TerraformProject).where(TerraformProject.id == head.project_id)
        ).one()
        wanted = ExecutionRequest(execution_type=ExecutionType.REFRESH, workspace=head.workspace)
        execute(Actor.system(tenant_id, owner), project.uuid, wanted, source="schedule")
        return True


def is_busy(actor: Actor, head: TerraformState) -> bool:
    """Say whether an execution of this workspace has not come to its end yet, speculative plans aside."""
    found = (
        scoped(actor, TerraformExecution)
        .where(
            TerraformExecution.project_id == head.project_id,
            TerraformExecution.workspace == head.workspace,
            TerraformExecution.followed_at.is_(None),
            TerraformExecution.is_speculative != true(),
        )
        .limit(1)
    )
    return db.session.scalar(found) is not None
