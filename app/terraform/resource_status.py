"""Status of declared resources: set out by what an execution is about to do, brought back by what the state says.

Every move goes by the transition table. What follows an execution always brings back what it set, however the execution
ended: nothing stays planning, applying or updating.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable

from sqlalchemy import select, update

from app.core.actor import Actor
from app.core.db import db
from app.core.state_machine import Transitions, transition
from app.core.tenancy import scoped
from app.terraform import state_bytes
from app.terraform.models_configuration import ResourceStatus, TerraformResource
from app.terraform.models_executions import ExecutionType, TerraformExecution
from app.terraform.models_state import TerraformState, TerraformStateFile
from app.terraform.state_document import address_of

S = ResourceStatus
_RESTING = frozenset({S.CREATED, S.DESTROYED, S.ERROR, S.UNKNOWN})
TRANSITIONS: Transitions[ResourceStatus] = {
    S.UNKNOWN: frozenset({S.PLANNING, S.APPLYING, S.CREATED, S.ERROR}),
    S.PLANNING: _RESTING | {S.APPLYING, S.UPDATING},
    S.APPLYING: _RESTING,
    S.UPDATING: _RESTING,
    S.CREATED: frozenset({S.PLANNING, S.UPDATING, S.APPLYING, S.DESTROYED, S.ERROR, S.UNKNOWN}),
    S.ERROR: frozenset({S.PLANNING, S.APPLYING, S.UPDATING, S.CREATED, S.DESTROYED, S.UNKNOWN}),
    S.DESTROYED: frozenset({S.PLANNING, S.APPLYING, S.CREATED, S.ERROR, S.UNKNOWN}),
}
_CHUNK = 500  # addresses of one statement
# What a plan's kind of change makes of a resource while it is carried out.
_DOING = {"create": S.APPLYING, "update": S.UPDATING, "replace": S.UPDATING, "delete": S.APPLYING}


def declared_address(address: str) -> str:
    """Return the address of a resource as the files declare it: without instance keys, of modules neither."""
    made, inside, quoted = [], 0, False
    for character in address:
        if inside and character == '"':
            quoted = not quoted
        if character == "[" and not quoted:
            inside += 1
        elif character == "]" and not quoted:
            inside -= 1
        elif not inside:
            made.append(character)
    return "".join(made)


def set_out(execution: TerraformExecution, changes: Iterable[tuple[str, str]]) -> None:
    """Mark what an execution is about to do: everything for a plan, the (address, kind) of its plan for an apply."""
    if execution.is_speculative or execution.execution_type in (ExecutionType.INIT, ExecutionType.REFRESH):
        return
    if execution.execution_type is ExecutionType.PLAN:
        _move(execution, S.PLANNING, None)
        return
    wanted: dict[ResourceStatus, set[str]] = {}
    for address, kind in changes:
        if kind in _DOING:
            wanted.setdefault(_DOING[kind], set()).add(declared_address(address))
    for status, addresses in wanted.items():
        _move(execution, status, addresses)


def bring_back(actor: Actor, execution: TerraformExecution, failed: Collection[str]) -> None:
    """Set every resource of the project to what its state says now; ``failed`` are addresses that an error named."""
    if execution.is_speculative:
        return
    known = _in_state(actor, execution)
    bad = {declared_address(address) for address in failed}
    rows = db.session.execute(
        select(
            TerraformResource.id,
            TerraformResource.terraform_address,
            TerraformResource.status,
            TerraformResource.state_id,
        ).where(
            TerraformResource.tenant_id == execution.tenant_id,
            TerraformResource.project_id == execution.project_id,
        )
    ).all()
    there = {row.terraform_address: row for row in rows}
    _move(execution, S.ERROR, bad & there.keys())
    _move(execution, S.CREATED, (known.keys() - bad) & there.keys())
    gone = {address for address, row in there.items() if address not in known and address not in bad}
    had = {address for address in gone if there[address].status not in (S.UNKNOWN, S.PLANNING)}
    _move(execution, S.DESTROYED, had)
    _move(execution, S.UNKNOWN, gone - had)
    for address, state_id in known.items():
        if address in there and there[address].state_id != state_id:
            db.session.execute(
                update(TerraformResource)
                .where(TerraformResource.tenant_id == execution.tenant_id, TerraformResource.id == there[address].id)
                .values(state_id=state_id)
                .execution_options(synchronize_session=False)
            )


def _in_state(actor: Actor, execution: TerraformExecution) -> dict[str, str | None]:
    """Return the declared addresses that the newest state has instances of, with the id of the first one."""
    head = db.session.scalar(
        scoped(actor, TerraformState).where(
            TerraformState.project_id == execution.project_id, TerraformState.workspace == execution.workspace
        )
    )
    if head is None or head.state_file_id is None:
        return {}
    file = db.session.scalars(
        scoped(actor, TerraformStateFile).where(TerraformStateFile.id == head.state_file_id)
    ).one()
    found: dict[str, str | None] = {}
    for resource in json.loads(state_bytes.load(file)).get("resources") or ():
        instances = [one for one in resource.get("instances") or () if isinstance(one, dict)]
        if instances:
            attributes = instances[0].get("attributes")
            own = attributes.get("id") if isinstance(attributes, dict) else None
            found[declared_address(address_of(resource))] = str(own)[:500] if own else None
    return found


def _move(execution: TerraformExecution, to: ResourceStatus, addresses: Collection[str] | None) -> None:
    """Move the project's resources, those of ``addresses`` or all, as far as the table allows it."""
    own = (
        TerraformResource.tenant_id == execution.tenant_id,
        TerraformResource.project_id == execution.project_id,
        TerraformResource.missing_since.is_(None) if to is S.PLANNING else TerraformResource.id > 0,
    )
    if addresses is None:
        transition(TerraformResource.status, TRANSITIONS, to, *own)
        return
    listed = sorted(address for address in addresses if address.isascii())
    for start in range(0, len(listed), _CHUNK):
        part = TerraformResource.terraform_address.in_(listed[start : start + _CHUNK])
        transition(TerraformResource.status, TRANSITIONS, to, *own, part)
