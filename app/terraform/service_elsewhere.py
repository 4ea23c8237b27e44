"""Commands on states that live elsewhere: register one, change how it is reached, let go of it, bring it here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from app.audit import service as audit
from app.core.actor import Actor
from app.core.crypto import DecryptionError
from app.core.db import db
from app.core.db_time import database_now
from app.core.errors import Conflict, InvalidInput, NotFound, VersionConflict
from app.core.permissions import Permission, require
from app.core.runtime import settings
from app.terraform import elsewhere_config, plan_binding
from app.terraform.elsewhere_kinds import checked, location, secret_names
from app.terraform.elsewhere_reading import is_busy
from app.terraform.models_state import StateBackend, TerraformState
from app.terraform.state_heads import active_project, check_workspace, find_head, made_head
from app.terraform.state_locks import lock_of
from app.terraform.trail import state_resource

LEAST_MINUTES, MOST_MINUTES = 5, 10_080  # between two readings: a week at most


def register_state(
    actor: Actor,
    project_uuid: str,
    workspace: str,
    backend: str,
    config: Mapping[str, Any],
    *,
    read_every_minutes: int | None = None,
) -> TerraformState:
    """Say that the state of a workspace lives elsewhere; from now on it is only read here.

    Raises InvalidInput by field, NotFound, Conflict for a workspace that has a state or a lock here, or is at work.
    """
    require(actor, Permission.TERRAFORM_EDIT)
    project = active_project(actor, project_uuid)
    wanted = checked(backend, config, settings().terraform_local_state_roots)
    _check_minutes(actor, read_every_minutes)
    head = made_head(actor, project, check_workspace(workspace))
    if head.is_elsewhere:
        raise Conflict(f"{workspace} is registered already: it lives in {head.backend_location}.", error="registered")
    if head.state_file_id is not None or lock_of(head) is not None:
        raise Conflict(
            f"{workspace} has a state of its own here. Choose another name for the one that lives elsewhere.",
            error="has_state",
        )
    _check_rest(actor, head)
    plan_binding.void_plans(head.tenant_id, head.project_id, plan_binding.STATE_MOVED, workspace=head.workspace)
    head.backend, head.backend_version = backend, 1
    head.backend_config, head.backend_location = elsewhere_config.sealed(head, wanted), location(backend, wanted)
    _schedule(actor, head, read_every_minutes)
    db.session.flush()
    _record(actor, head, "register", "CREATE", fields=sorted(wanted), read_every_minutes=read_every_minutes)
    return head


def change_registration(
    actor: Actor,
    project_uuid: str,
    workspace: str,
    *,
    version: int | None,
    config: Mapping[str, Any] | None = None,
    schedule: tuple[int | None] | None = None,
) -> TerraformState:
    """Change how a state is reached, and how often it is read by itself (``schedule``: that in a tuple, if it changes).

    ``config`` takes the place of what is shown; a secret that it does not have stays, an empty one goes, and all go
    with another endpoint: they are not for whoever listens there. ``version`` is the one the change was made from
    (None: do not compare). Raises InvalidInput by field, NotFound, VersionConflict, Conflict while it is read.
    """
    require(actor, Permission.TERRAFORM_EDIT)
    head = _registered(actor, project_uuid, workspace)
    if version is not None and version != head.backend_version:
        raise VersionConflict
    _check_rest(actor, head)
    before = head.backend_location
    fields: list[str] = []
    if config is not None:
        kept = _secrets(head, config)
        wanted = checked(head.backend, {**kept, **config}, settings().terraform_local_state_roots)
        head.backend_config, head.backend_location = (
            elsewhere_config.sealed(head, wanted),
            location(head.backend, wanted),
        )
        fields = sorted(wanted)
    if schedule is not None:
        _check_minutes(actor, schedule[0])
        _schedule(actor, head, schedule[0])
    head.backend_version += 1
    if head.backend_location != before:
        head.read_at = head.read_error = head.read_note = None
    db.session.flush()
    _record(
        actor, head, "reregister", "UPDATE", before=before, fields=fields, read_every_minutes=head.read_every_minutes
    )
    return head


def remove_registration(actor: Actor, project_uuid: str, workspace: str) -> None:
    """Let go of a state that lives elsewhere: nothing changes there. What was read stays as versions, none in force.

    Raises NotFound, Conflict while it is read.
    """
    require(actor, Permission.TERRAFORM_EDIT)
    head = _registered(actor, project_uuid, workspace)
    _check_rest(actor, head)
    _record(actor, head, "unregister", "DELETE")
    if not head.state_version:
        db.session.delete(head)
        db.session.flush()
        return
    _settle(head)
    head.state_file_id = head.serial = head.lineage = head.state_file_hash = head.terraform_version = None
    head.resources_count, head.last_updated = 0, database_now()
    db.session.flush()


def bring_here(actor: Actor, project_uuid: str, workspace: str) -> TerraformState:
    """Make what was read last the platform's own state: from now on it is written here, and not read elsewhere.

    Raises NotFound, Conflict before the first reading, after one that failed, and while it is read.
    """
    require(actor, Permission.TERRAFORM_EDIT)
    require(actor, Permission.TERRAFORM_STATE_WRITE)
    head = _registered(actor, project_uuid, workspace)
    _check_rest(actor, head)
    if head.state_file_id is None:
        raise Conflict("Nothing was read yet. Read it first.", error="not_read")
    if head.read_error is not None or head.read_at is None:
        raise Conflict(
            "The last reading failed, so what is here may be older than what is there. Read it again first. If it can "
            "no longer be read, remove the registration and put a version back.",
            error="not_read",
        )
    _record(actor, head, "bring_here", "UPDATE", version=head.state_version, serial=head.serial)
    _settle(head)
    db.session.flush()
    return head


def _registered(actor: Actor, project_uuid: str, workspace: str) -> TerraformState:
    head = None
    if workspace.isascii():  # names are kept in ASCII, and MySQL refuses to compare others with them
        head = find_head(actor, active_project(actor, project_uuid), workspace, for_update=True)
    if head is None or not head.is_elsewhere:
        raise NotFound("A state of this name that lives elsewhere")
    return head


def _settle(head: TerraformState) -> None:
    """Make a workspace the platform's own again."""
    head.backend, head.backend_config, head.backend_location = StateBackend.PLATFORM.value, None, None
    head.backend_version += 1
    head.read_every_minutes = head.read_by = head.next_read_at = None
    head.read_at = head.read_error = head.read_note = None


def _secrets(head: TerraformState, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the secrets that stay with another configuration."""
    try:
        config = elsewhere_config.opened(head)
    except DecryptionError:
        return {}  # what is given takes the place of all of it
    if _endpoints(config) != _endpoints(given):
        return {}
    return {name: config[name] for name in secret_names(head.backend) & config.keys()}


def _endpoints(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name.startswith("endpoint_") and value}


def _check_rest(actor: Actor, head: TerraformState) -> None:
    if is_busy(actor, head):
        raise Conflict(
            f"An execution of {head.workspace} is waiting or at work. Wait for its end, or cancel it first.",
            error="still_open",
        )


def _check_minutes(actor: Actor, minutes: int | None) -> None:
    if minutes is None:
        return
    if not LEAST_MINUTES <= minutes <= MOST_MINUTES:
        raise InvalidInput(read_every_minutes=f"Between {LEAST_MINUTES} and {MOST_MINUTES} minutes, or nothing.")
    if actor.user_id is None:
        raise InvalidInput(read_every_minutes="Readings need a person or a key behind them.")


def _schedule(actor: Actor, head: TerraformState, minutes: int | None) -> None:
    head.read_every_minutes = minutes
    head.read_by = None if minutes is None else actor.user_id
    head.next_read_at = None if minutes is None else database_now() + timedelta(minutes=minutes)


def _record(actor: Actor, head: TerraformState, verb: str, action: str, **details: Any) -> None:
    told = {"workspace": head.workspace, "backend": head.backend, "location": head.backend_location}
    audit.record(actor, f"terraform_state:{verb}", state_resource(head), action=action, details={**told, **details})
