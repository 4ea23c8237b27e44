"""The state store: read, write, lock, unlock, restore. What terraform's HTTP backend asks for, and what people do.

A write is a new version. It is refused unless it holds the lock that there is, is of the same lineage, and its serial
is higher than the newest one's; the same bytes again are no new version. The head row serialises writers.
Protocol: https://developer.hashicorp.com/terraform/language/backend/http and ``internal/backend/remote-state/http``.
"""

from __future__ import annotations

import json
from typing import Any

from app.audit import service as audit
from app.core.actor import Actor
from app.core.db import db
from app.core.db_time import database_now
from app.core.errors import Conflict, NotFound
from app.core.permissions import Permission, require
from app.core.table import new_uuid
from app.core.tenancy import scoped
from app.terraform import branches, infrastructure_sync, plan_binding, state_bytes
from app.terraform.models_state import StateSource, TerraformState, TerraformStateFile
from app.terraform.state_document import Difference, StateDocument, compare, outputs, parse_state
from app.terraform.state_heads import active_project, check_workspace, find_head, made_head
from app.terraform.state_locks import check_lock
from app.terraform.trail import state_resource

# --- reading


def read_state(actor: Actor, project_uuid: str, workspace: str) -> bytes | None:
    """Return the newest version's bytes, None before the first; writes an audit entry."""
    require(actor, Permission.TERRAFORM_STATE_READ)
    project = active_project(actor, project_uuid)
    head = find_head(actor, project, check_workspace(workspace))
    if head is None or head.state_file_id is None:
        return None
    file = db.session.scalars(
        scoped(actor, TerraformStateFile).where(TerraformStateFile.id == head.state_file_id)
    ).one()
    return _audited_bytes(actor, head, file)


def read_version(actor: Actor, project_uuid: str, workspace: str, version: int) -> bytes:
    """Return the bytes of one version; writes an audit entry."""
    require(actor, Permission.TERRAFORM_STATE_READ)
    head, file = _version(actor, project_uuid, workspace, version)
    return _audited_bytes(actor, head, file)


def read_outputs(
    actor: Actor, project_uuid: str, workspace: str, *, with_sensitive: bool = False
) -> dict[str, dict[str, Any]]:
    """Return the outputs of the newest state by name: {value, type, sensitive}; none before the first state.

    Sensitive values are hidden, unless asked for: that needs the right to read states, and leaves an audit entry.
    """
    require(actor, Permission.TERRAFORM_STATE_READ if with_sensitive else Permission.TERRAFORM_VIEW)
    head = find_head(actor, active_project(actor, project_uuid), check_workspace(workspace))
    if head is None or head.state_file_id is None:
        return {}
    file = db.session.scalars(
        scoped(actor, TerraformStateFile).where(TerraformStateFile.id == head.state_file_id)
    ).one()
    data = _audited_bytes(actor, head, file) if with_sensitive else state_bytes.load(file)
    return outputs(json.loads(data), with_sensitive=with_sensitive)


def _version(
    actor: Actor, project_uuid: str, workspace: str, version: int
) -> tuple[TerraformState, TerraformStateFile]:
    head = find_head(actor, active_project(actor, project_uuid), check_workspace(workspace))
    file = None
    if head is not None:
        file = db.session.scalar(
            scoped(actor, TerraformStateFile).where(
                TerraformStateFile.state_id == head.id, TerraformStateFile.version == version
            )
        )
    if head is None or file is None:
        raise NotFound("This version of the state")
    return head, file


def _audited_bytes(actor: Actor, head: TerraformState, file: TerraformStateFile) -> bytes:
    audit.record(
        actor,
        "terraform_state:read",
        state_resource(head),
        action="READ",
        details={"workspace": head.workspace, "version": file.version, "serial": file.serial},
    )
    return state_bytes.load(file)


# --- writing


def write_state(
    actor: Actor,
    project_uuid: str,
    workspace: str,
    data: bytes,
    *,
    lock_id: str | None = None,
    source: StateSource = StateSource.CLI,
    run_uuid: str | None = None,
) -> TerraformStateFile:
    """Keep a state as the newest version; the same bytes again change nothing.

    Raises InvalidInput for what is no state, StateLocked when another holds the lock, Conflict for a lock that was
    taken away, another lineage or a serial that is not higher.
    """
    require(actor, Permission.TERRAFORM_STATE_WRITE)
    project = active_project(actor, project_uuid)
    document = parse_state(data)
    head = made_head(actor, project, check_workspace(workspace))
    check_lock(head, lock_id)
    newest = newest_of(actor, head)
    if newest is not None:
        if newest.sha256 == document.sha256:
            return newest
        _check_follows(newest, document)
    return keep(actor, head, document, source, run_uuid)


def newest_of(actor: Actor, head: TerraformState) -> TerraformStateFile | None:
    """Return the newest version of a state."""
    if head.state_file_id is None:
        return None
    return db.session.scalar(scoped(actor, TerraformStateFile).where(TerraformStateFile.id == head.state_file_id))


def _check_follows(newest: TerraformStateFile, document: StateDocument) -> None:
    if newest.lineage != document.lineage:
        raise Conflict(
            f"This state is of another lineage ({document.lineage}) than the one here ({newest.lineage}): it belongs "
            "to another configuration or workspace.",
            error="wrong_lineage",
        )
    if document.serial <= newest.serial:
        raise Conflict(
            f"This state has serial {document.serial}, and version {newest.version} here already has serial "
            f"{newest.serial}. Read the newest one and apply again; an older one is put back with 'restore'.",
            error="stale_serial",
        )


def keep(
    actor: Actor,
    head: TerraformState,
    document: StateDocument,
    source: StateSource,
    run_uuid: str | None,
    *,
    read_from: str | None = None,
) -> TerraformStateFile:
    """Make a checked state the newest version of a locked head; whether it may be one is the caller's matter."""
    uuid = new_uuid()
    key, wrapped = state_bytes.make_key(actor.tenant_id, uuid)
    head.state_version += 1
    file = TerraformStateFile(
        tenant_id=actor.tenant_id,
        uuid=uuid,
        project_id=head.project_id,
        state_id=head.id,
        version=head.state_version,
        terraform_version=document.terraform_version,
        serial=document.serial,
        lineage=document.lineage,
        state_data=wrapped,
        sha256=document.sha256,
        size=len(document.data),
        resources_count=document.resources_count,
        source=source,
        created_by=actor.user_id,
        run_uuid=run_uuid,
        read_from=read_from,
        branch_id=branches.branch_of_run(head.tenant_id, run_uuid),
    )
    db.session.add(file)
    db.session.flush()
    state_bytes.store(file, key, document.data)
    head.state_file_id, head.serial, head.lineage = file.id, file.serial, file.lineage
    head.resources_count, head.terraform_version = file.resources_count, file.terraform_version
    head.state_file_hash, head.last_updated = file.sha256, database_now()
    infrastructure_sync.follow_soon(head)
    db.session.flush()
    plan_binding.void_plans(head.tenant_id, head.project_id, plan_binding.STATE_MOVED, workspace=head.workspace)
    audit.record(
        actor,
        "terraform_state:write",
        state_resource(head),
        action="UPDATE",
        details={
            "workspace": head.workspace,
            "version": file.version,
            "serial": file.serial,
            "resources": file.resources_count,
            "source": source.value,
            **({"run": run_uuid} if run_uuid else {}),
            **({"read_from": read_from} if read_from else {}),
        },
    )
    return file


def restore_version(actor: Actor, project_uuid: str, workspace: str, version: int) -> TerraformStateFile:
    """Make an older version the newest: its content with a serial above all others, as a version of its own.

    Nothing in the world changes by it; the next plan says what would. Raises StateLocked while somebody holds the lock.
    """
    require(actor, Permission.TERRAFORM_STATE_WRITE)
    head, file = _version(actor, project_uuid, workspace, version)
    head = made_head(actor, active_project(actor, project_uuid), head.workspace)
    check_lock(head, None)
    parsed = json.loads(state_bytes.load(file))
    parsed["serial"] = (head.serial or 0) + 1
    parsed["lineage"] = head.lineage or file.lineage
    document = parse_state(json.dumps(parsed, indent=2).encode())
    return keep(actor, head, document, StateSource.RESTORE, None)


def import_state(actor: Actor, project_uuid: str, workspace: str, data: bytes) -> TerraformStateFile:
    """Take over a state that lived elsewhere; only into a workspace that has none, or as its next version."""
    require(actor, Permission.TERRAFORM_STATE_WRITE)
    return write_state(actor, project_uuid, workspace, data, source=StateSource.IMPORT)


def forget_state(actor: Actor, project_uuid: str, workspace: str, *, lock_id: str | None = None) -> None:
    """Begin anew in a workspace whose state has no resources any more; its versions stay. Terraform's DELETE.

    Raises Conflict while it has resources, StateLocked.
    """
    require(actor, Permission.TERRAFORM_STATE_WRITE)
    head = find_head(actor, active_project(actor, project_uuid), check_workspace(workspace), for_update=True)
    if head is None or head.state_file_id is None:
        return
    check_lock(head, lock_id)
    if head.resources_count:
        raise Conflict(
            f"This state still has {head.resources_count} resources. Destroy them first; without their state nothing "
            "here could find them again.",
            error="has_resources",
        )
    head.state_file_id = head.serial = head.lineage = head.state_file_hash = None
    head.last_updated = database_now()
    infrastructure_sync.follow_soon(head)
    audit.record(
        actor, "terraform_state:forget", state_resource(head), action="DELETE", details={"workspace": head.workspace}
    )


def compare_versions(actor: Actor, project_uuid: str, workspace: str, before: int, after: int) -> list[Difference]:
    """Return how two versions differ by address, sensitive values hidden; raises NotFound."""
    require(actor, Permission.TERRAFORM_VIEW)
    documents = []
    for version in (before, after):
        _head_row, file = _version(actor, project_uuid, workspace, version)
        documents.append(json.loads(state_bytes.load(file)))
    return compare(*documents)
