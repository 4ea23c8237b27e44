"""A state that terraform could not hand over: kept as the newest version, or said to be lying in the way of nobody."""

from __future__ import annotations

import json
import logging

from sqlalchemy import delete, select

from app.audit import service as audit
from app.core.actor import Actor
from app.core.crypto import DecryptionError
from app.core.db import db
from app.core.errors import AppError, Conflict, NotFound
from app.core.permissions import Permission, require
from app.core.table import new_uuid
from app.jobs import artifacts
from app.runners.sealed import SealError, unseal
from app.terraform import artifact_keys, queries_executions, state_store
from app.terraform.models_executions import TerraformExecution
from app.terraform.models_state import StateSource, TerraformState, TerraformStateLock
from app.terraform.state_heads import active_project, find_head
from app.terraform.state_locks import lock_of
from app.terraform.trail import execution_resource

log = logging.getLogger(__name__)


def salvaged_state(execution: TerraformExecution, run_id: int) -> bytes | None:
    """Return what terraform could not hand over in an execution, opened; None when there is nothing.

    Raises DecryptionError when its key is of no use any more.
    """
    sealed = artifacts.read(execution.tenant_id, run_id, "state")
    if sealed is None:
        return None
    holder = execution
    if execution.plan_id is not None:  # an apply works with its plan's key
        holder = db.session.scalars(
            select(TerraformExecution).where(
                TerraformExecution.tenant_id == execution.tenant_id, TerraformExecution.id == execution.plan_id
            )
        ).one()
    try:
        return unseal(artifact_keys.key_of(holder) or b"", "state", sealed)
    except (SealError, ValueError) as error:
        raise DecryptionError(f"what was salvaged cannot be opened: {error}") from error


def read_salvaged(actor: Actor, execution_uuid: str) -> bytes:
    """Return what was salvaged and not taken up; writes an audit entry. Raises NotFound."""
    require(actor, Permission.TERRAFORM_STATE_READ)
    execution = queries_executions.get_execution(actor, execution_uuid)
    try:
        data = salvaged_state(execution, queries_executions.job_of(actor, execution).run_id)
    except DecryptionError as error:
        raise Conflict(f"It is there, but {error}.", error="state_unreadable") from error
    if data is None:
        raise NotFound("A salvaged state of this execution")
    audit.record(
        actor,
        "terraform_state:read_salvaged",
        execution_resource(execution),
        action="READ",
        details={"workspace": execution.workspace},
    )
    return data


def take_up(system: Actor, execution: TerraformExecution, run_id: int) -> bool:
    """Store what an execution could not hand over; False when that is refused, and it has to stay where it is."""
    try:
        data = salvaged_state(execution, run_id)
    except DecryptionError as error:
        log.error("terraform.salvage_failed", extra={"execution_id": execution.id, "why": str(error)})
        return False
    if data is None:
        return True
    project = queries_executions.project_of(system, execution)
    return keep_salvaged(system, project.uuid, execution, data)


def keep_salvaged(system: Actor, project_uuid: str, execution: TerraformExecution, data: bytes) -> bool:
    """Store what a run left in ``errored.tfstate`` and give back the lock that it still holds; False when refused.

    The state store's own rules hold: of this lineage, newer than what there is, no lock of another. A refusal leaves
    everything as it is and is an entry of the audit log.
    """
    head = find_head(system, active_project(system, project_uuid), execution.workspace, for_update=True)
    lock = None if head is None else lock_of(head)
    held = lock if lock is not None and lock.run_uuid == execution.run_uuid else None
    try:
        with audit.savepoint():
            file = state_store.write_state(
                system,
                project_uuid,
                execution.workspace,
                _with_lineage(data, head),
                lock_id=held.lock_id if held else None,
                source=StateSource.SALVAGE,
                run_uuid=execution.run_uuid,
            )
    except AppError as error:
        audit.record(
            system,
            "terraform_state:salvage",
            execution_resource(execution),
            action="ALERT",
            details={"workspace": execution.workspace, "refused": error.message},
            outcome="failed",
        )
        return False
    if held is not None:
        db.session.execute(
            delete(TerraformStateLock).where(
                TerraformStateLock.tenant_id == held.tenant_id, TerraformStateLock.id == held.id
            ),
            execution_options={"synchronize_session": False},
        )
    audit.record(
        system,
        "terraform_state:salvage",
        execution_resource(execution),
        action="UPDATE",
        details={"workspace": execution.workspace, "version": file.version, "serial": file.serial},
    )
    return True


def _with_lineage(data: bytes, head: TerraformState | None) -> bytes:
    """Return the state with a lineage: terraform gives one only when it first hands a state over."""
    try:
        parsed = json.loads(data)
    except ValueError:
        return data  # the store says what is wrong with it
    if not isinstance(parsed, dict) or parsed.get("lineage"):
        return data
    parsed["lineage"] = (head.lineage if head is not None else None) or new_uuid()
    return json.dumps(parsed, indent=2).encode()
