"""From a version of a state to the rows of its instances: made, changed, marked as destroyed; a step of its own.

``infrastructure_at`` of a state is the truth, the message a doorbell, and the keeper rings again for what nobody heard.
A version is taken by compare-and-set, in the transaction that writes the rows: an older one never comes after a newer.
What changed is found by comparing with the version before, so nothing secret is kept to compare with.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, Table, bindparam, case, insert, null, select, update

from app.core import queue
from app.core.actor import Actor
from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.table import new_uuid
from app.core.tenancy import scoped, system_scope, tenant_scope
from app.terraform import infrastructure_parts, infrastructure_status, output_values, state_bytes
from app.terraform.infrastructure_facts import Facts, facts_of, kept_address
from app.terraform.infrastructure_status import move
from app.terraform.models_configuration import TerraformProvider, TerraformResource
from app.terraform.models_executions import TerraformExecution
from app.terraform.models_infrastructure import InfrastructureResource, InfrastructureStatus
from app.terraform.models_state import DEFAULT_WORKSPACE, TerraformState, TerraformStateFile
from app.terraform.resource_status import declared_address
from app.terraform.state_document import Instance, instances

log = logging.getLogger(__name__)

MOST_RUNG = 100  # the keeper rings for the others
FOLLOW_STATE = "terraform.follow_state"  # the doorbell
S = InfrastructureStatus
_LINK = "terraform_resource_id"
_KEPT = ("type", "name", "cloud_id", "region", "tags", "terraform_state", _LINK)
Parsed = Mapping[str, Any]


def follow_soon(head: TerraformState) -> None:
    """Make a state due whose newest version was just written, in its transaction; ring once that is committed."""
    head.infrastructure_at = None
    queue.send_after_commit(FOLLOW_STATE, state_id=head.id)


def follow_again(tenant_id: int, *which: ColumnElement[bool]) -> None:
    """Make the states due once more that have these instances: prices or declarations moved, not they."""
    of_them = select(InfrastructureResource.state_id).where(InfrastructureResource.tenant_id == tenant_id, *which)
    db.session.execute(
        update(TerraformState)
        .where(TerraformState.tenant_id == tenant_id, TerraformState.id.in_(of_them))
        .values(infrastructure_at=None)
        .execution_options(synchronize_session=False)
    )


def follow_project(tenant_id: int, project_id: int) -> None:
    """Make a project's states due once more after its files were read: instances find what declares them."""
    which = (
        TerraformState.tenant_id == tenant_id,
        TerraformState.project_id == project_id,
        TerraformState.state_file_id.is_not(None),
    )
    db.session.execute(
        update(TerraformState).where(*which).values(infrastructure_at=None).execution_options(synchronize_session=False)
    )
    for state_id in db.session.scalars(select(TerraformState.id).where(*which).limit(MOST_RUNG)):
        queue.send_after_commit(FOLLOW_STATE, state_id=state_id)


def follow_state(state_id: int) -> bool:
    """Answer a doorbell; False when there is nothing to do (any more)."""
    with system_scope("follow state"), unit_of_work(writes=False):
        tenant_id = db.session.scalar(
            select(TerraformState.tenant_id).where(
                TerraformState.id == state_id, TerraformState.infrastructure_at.is_(None)
            )
        )
    if tenant_id is None:
        return False
    with tenant_scope(tenant_id), unit_of_work():
        system = Actor.system(tenant_id)
        head = db.session.scalar(scoped(system, TerraformState).where(TerraformState.id == state_id))
        return head is not None and bring_up(system, head)


def bring_up(system: Actor, head: TerraformState) -> bool:
    """Bring the rows of a state's instances to its newest version; False when they are of it already."""
    if head.infrastructure_at is not None:
        return False
    base, version = head.infrastructure_version, head.state_version
    try:
        file, now = _version(system, head, version if head.state_file_id is not None else 0)
    except state_bytes.StateUnreadable:
        log.warning("terraform.state_unreadable", extra={"state_id": head.id})
        _take(head, base, base)
        return False
    if file is None and head.state_file_id is not None:
        return False  # written after this transaction began: still due
    before = now if base == version and file is not None else _before(system, head, base)
    if not _take(head, base, version):
        return False
    _Rows(system, head, version, file, before, now).apply()
    return True


def follow_execution(system: Actor, execution: TerraformExecution, *, has_begun: bool, is_whole: bool) -> None:
    """Bring the instances of an execution's workspace up to date at its end; nothing of it stays pending."""
    which = scoped(system, TerraformState).where(
        TerraformState.project_id == execution.project_id, TerraformState.workspace == execution.workspace
    )
    db.session.execute(which.with_only_columns(TerraformState.id).with_for_update())
    head = db.session.scalar(which)
    if head is not None:
        bring_up(system, head)
    infrastructure_status.end(system, execution, has_begun=has_begun, is_whole=is_whole)


def _version(system: Actor, head: TerraformState, version: int) -> tuple[TerraformStateFile | None, Parsed]:
    file = db.session.scalar(
        scoped(system, TerraformStateFile).where(
            TerraformStateFile.state_id == head.id, TerraformStateFile.version == version
        )
    )
    return (None, {}) if file is None else (file, json.loads(state_bytes.load(file)))


def _before(system: Actor, head: TerraformState, version: int) -> Parsed | None:
    """Return the version that the rows are of; None when nobody can open it any more."""
    try:
        return _version(system, head, version)[1]
    except state_bytes.StateUnreadable:
        return None


def _take(head: TerraformState, base: int, version: int) -> bool:
    """Say that the rows, of version ``base`` until now, are of ``version``; False when somebody else moved them."""
    written = head.state_version
    taken = db.session.execute(
        update(TerraformState)
        .where(
            TerraformState.tenant_id == head.tenant_id,
            TerraformState.id == head.id,
            TerraformState.infrastructure_at.is_(None),
            TerraformState.infrastructure_version == base,
        )
        .values(
            infrastructure_version=version,
            infrastructure_at=case((TerraformState.state_version == written, database_now()), else_=null()),
        )
        .execution_options(synchronize_session=False)
    )
    db.session.expire(head, ["infrastructure_version", "infrastructure_at"])
    return cast(CursorResult[Any], taken).rowcount == 1


class _Rows:
    def __init__(
        self,
        system: Actor,
        head: TerraformState,
        version: int,
        file: TerraformStateFile | None,
        before: Parsed | None,
        now: Parsed,
    ) -> None:
        self.system, self.head, self.version, self.before, self.now = system, head, version, before, now
        self.run_uuid = file.run_uuid if file is not None else None
        self.written_at = file.created_at if file is not None else database_now()

    def apply(self) -> None:
        old = _managed(self.before or {})
        new = _managed(self.now)
        regions, declared = self._regions(), self._declared()
        facts = {address: facts_of(one, regions) for address, one in new.items()}
        rows = {
            row.address: row
            for row in db.session.execute(
                scoped(self.system, InfrastructureResource)
                .where(InfrastructureResource.state_id == self.head.id)
                .with_only_columns(
                    InfrastructureResource.id,
                    InfrastructureResource.address,
                    InfrastructureResource.status,
                    *(getattr(InfrastructureResource, name) for name in _KEPT),
                )
            )
        }
        cause = {"execution_uuid": self._execution(), "changed_version": self.version}
        added: list[dict[str, Any]] = []
        moves: dict[InfrastructureStatus, set[int]] = {status: set() for status in S}
        changed: list[dict[str, Any]] = []
        for address, one in facts.items():
            kept = _kept(one, declared.get(declared_address(new[address].address)))
            row = rows.get(address)
            if row is None:
                status = S.FAILED if one.is_tainted else S.CREATED
                added.append({**self._identity(), "address": address, "status": status, **kept, **cause})
                continue
            is_same = all(getattr(row, name) == value for name, value in kept.items() if name != _LINK)
            if not is_same or getattr(row, _LINK) != kept[_LINK]:
                changed.append({"row_id": row.id, **{f"new_{name}": value for name, value in kept.items()}})
            if self.before is not None:  # else nobody can say what its other attributes were
                is_same = address in old and old[address].attributes == new[address].attributes
            if to := _next(row.status, one, is_same=is_same):
                moves[to].add(row.id)
        moves[S.DESTROYED] |= {
            row.id
            for address, row in rows.items()
            if address not in facts and row.status not in (S.DESTROYED, S.PENDING) and not _never_was(row)
        }
        if added:
            db.session.execute(insert(InfrastructureResource), added)
        self._rewrite(changed)
        for status, ids in moves.items():
            move(self.system.tenant_id, ids, status, **cause)
        infrastructure_parts.write(self.system, self.head, list(facts.values()), self.written_at)
        if self.head.workspace == DEFAULT_WORKSPACE:
            output_values.take(self.system, self.head.project_id, self.now)

    def _identity(self) -> dict[str, Any]:
        return {
            "tenant_id": self.system.tenant_id,
            "uuid": new_uuid(),
            "project_id": self.head.project_id,
            "state_id": self.head.id,
        }

    def _rewrite(self, changed: list[dict[str, Any]]) -> None:
        if changed:
            table = cast(Table, InfrastructureResource.__table__)
            db.session.connection().execute(
                update(table)
                .where(
                    table.c.tenant_id == self.system.tenant_id,
                    table.c.id == bindparam("row_id"),
                )
                .values({name: bindparam(f"new_{name}", type_=table.c[name].type) for name in _KEPT}),
                changed,
            )

    def _execution(self) -> str | None:
        if self.run_uuid is None:
            return None
        return db.session.scalar(
            scoped(self.system, TerraformExecution)
            .where(TerraformExecution.run_uuid == self.run_uuid)
            .with_only_columns(TerraformExecution.uuid)
            .limit(1)
        )

    def _declared(self) -> dict[str, int]:
        rows = db.session.execute(
            scoped(self.system, TerraformResource)
            .where(TerraformResource.project_id == self.head.project_id)
            .with_only_columns(TerraformResource.terraform_address, TerraformResource.id)
        )
        return {row.terraform_address: row.id for row in rows}

    def _regions(self) -> dict[tuple[str, str], str]:
        rows = db.session.execute(
            scoped(self.system, TerraformProvider)
            .where(TerraformProvider.project_id == self.head.project_id)
            .with_only_columns(TerraformProvider.name, TerraformProvider.alias, TerraformProvider.region)
        )
        return {(row.name, row.alias): row.region for row in rows if row.region and "$" not in row.region}


def _managed(parsed: Parsed) -> dict[str, Instance]:
    return {kept_address(one.address): one for one in instances(parsed) if one.mode == "managed" and not one.is_deposed}


def _kept(one: Facts, declared: int | None) -> dict[str, Any]:
    return {
        "type": one.type,
        "name": one.name,
        "cloud_id": one.cloud_id,
        "region": one.region,
        "tags": one.tags or None,
        "terraform_state": one.shown or None,
        "terraform_resource_id": declared,
    }


def _never_was(row: Any) -> bool:
    """Say whether a failed instance was never made: it stays as what an apply did not get to."""
    return bool(row.status is S.FAILED and row.cloud_id is None)


def _next(status: InfrastructureStatus, one: Facts, *, is_same: bool) -> InfrastructureStatus | None:
    """Return where an instance that the state has goes; None when it stays as it is."""
    if one.is_tainted:
        return None if status is S.FAILED else S.FAILED
    if status in (S.CREATED, S.UPDATED):
        return None if is_same else S.UPDATED
    return S.CREATED


# --- the keeper's part


def ring_overdue(limit: int = 100) -> int:
    """The keeper's chore: ring again for states whose newest version nobody has followed."""
    with system_scope("keeper: states to follow"), unit_of_work(writes=False):
        ids = db.session.scalars(
            select(TerraformState.id)
            .where(TerraformState.infrastructure_at.is_(None))
            .order_by(TerraformState.id)
            .limit(limit)
        ).all()
    return sum(queue.send(FOLLOW_STATE, state_id=state_id) for state_id in ids)
