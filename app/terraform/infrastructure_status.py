"""Status of instances: moves by the transition table, and what an apply sets out to create.

The document's arrows are pending to created and failed, created to updated and destroyed, updated to updated. Added:
updated and failed things are destroyed too; what was destroyed is made again; what is tainted has failed, and a failed
thing is created by the next apply; an apply that never began leaves what had been destroyed as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert, select

from app.core.actor import Actor
from app.core.db import db
from app.core.state_machine import Transitions, transition
from app.core.table import new_uuid
from app.core.tenancy import scoped
from app.terraform.infrastructure_facts import kept_address
from app.terraform.models import TerraformProject
from app.terraform.models_executions import TerraformExecution
from app.terraform.models_infrastructure import InfrastructureResource, InfrastructureStatus
from app.terraform.models_state import TerraformState
from app.terraform.state_heads import made_head

S = InfrastructureStatus
TRANSITIONS: Transitions[InfrastructureStatus] = {
    S.PENDING: frozenset({S.CREATED, S.FAILED, S.DESTROYED}),
    S.CREATED: frozenset({S.UPDATED, S.DESTROYED, S.FAILED}),
    S.UPDATED: frozenset({S.UPDATED, S.DESTROYED, S.FAILED}),
    S.DESTROYED: frozenset({S.PENDING, S.CREATED, S.FAILED}),
    S.FAILED: frozenset({S.PENDING, S.CREATED, S.DESTROYED}),
}
CHUNK = 500  # ids or addresses of one statement


def move(tenant_id: int, ids: Iterable[int], to: InfrastructureStatus, **values: Any) -> int:
    """Move instances to a status as far as the table allows it; return how many."""
    listed, moved = sorted(ids), 0
    for start in range(0, len(listed), CHUNK):
        moved += transition(
            InfrastructureResource.status,
            TRANSITIONS,
            to,
            InfrastructureResource.tenant_id == tenant_id,
            InfrastructureResource.id.in_(listed[start : start + CHUNK]),
            **values,
        )
    return moved


def set_out(
    actor: Actor, project: TerraformProject, execution: TerraformExecution, changes: Sequence[Mapping[str, Any]]
) -> None:
    """Note what an apply is about to create: each instance is pending until the state has it."""
    wanted = {kept_address(str(one["address"])): one for one in changes if one.get("kind") == "create"}
    if not wanted:
        return
    head = made_head(actor, project, execution.workspace)
    rows = db.session.execute(
        select(InfrastructureResource.address, InfrastructureResource.id).where(
            InfrastructureResource.tenant_id == actor.tenant_id, InfrastructureResource.state_id == head.id
        )
    )
    known = {row.address: row.id for row in rows}
    move(actor.tenant_id, (known[a] for a in wanted if a in known), S.PENDING, execution_uuid=execution.uuid)
    new = [
        {
            "tenant_id": actor.tenant_id,
            "uuid": new_uuid(),
            "project_id": project.id,
            "state_id": head.id,
            "type": str(one.get("type", ""))[:200],
            "name": str(one.get("name", ""))[:200],
            "address": address,
            "status": S.PENDING,
            "execution_uuid": execution.uuid,
        }
        for address, one in wanted.items()
        if address not in known
    ]
    if new:
        db.session.execute(insert(InfrastructureResource), new)


def end(system: Actor, execution: TerraformExecution, *, has_begun: bool, is_whole: bool) -> None:
    """Let nothing stay pending after an apply: what no state has got has failed, or was never tried.

    ``is_whole``: the apply carried out all that the files want, so what earlier ones did not get to is wanted no more.
    """
    of_state = scoped(system, InfrastructureResource).where(InfrastructureResource.project_id == execution.project_id)
    rows = db.session.execute(
        of_state.where(
            InfrastructureResource.execution_uuid == execution.uuid, InfrastructureResource.status == S.PENDING
        ).with_only_columns(InfrastructureResource.id, InfrastructureResource.changed_version)
    ).all()
    if has_begun:
        move(system.tenant_id, (row.id for row in rows), S.FAILED)
    else:
        move(system.tenant_id, (row.id for row in rows if row.changed_version is not None), S.DESTROYED)
        _forget(system, S.PENDING, (row.id for row in rows if row.changed_version is None))
    if is_whole:
        left = of_state.join(
            TerraformState,
            (TerraformState.tenant_id == InfrastructureResource.tenant_id)
            & (TerraformState.id == InfrastructureResource.state_id),
        ).where(
            TerraformState.tenant_id == system.tenant_id,
            TerraformState.workspace == execution.workspace,
            InfrastructureResource.status == S.FAILED,
            InfrastructureResource.changed_version.is_(None),
        )
        _forget(system, S.FAILED, db.session.scalars(left.with_only_columns(InfrastructureResource.id)))


def _forget(system: Actor, status: InfrastructureStatus, ids: Iterable[int]) -> None:
    """Remove rows of what never was in any state."""
    listed = sorted(ids)
    for start in range(0, len(listed), CHUNK):
        db.session.execute(
            delete(InfrastructureResource)
            .where(
                InfrastructureResource.tenant_id == system.tenant_id,
                InfrastructureResource.id.in_(listed[start : start + CHUNK]),
                InfrastructureResource.status == status,
            )
            .execution_options(synchronize_session=False)
        )
