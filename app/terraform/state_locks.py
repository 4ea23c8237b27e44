"""Locks of states, as terraform takes and gives them back: one holder, named; taken away only by a right of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from app.audit import service as audit
from app.core.actor import Actor
from app.core.db import db
from app.core.db_time import database_now
from app.core.errors import Conflict, InvalidInput, Locked
from app.core.permissions import Permission, require
from app.terraform import elsewhere_config
from app.terraform.models import TerraformProject
from app.terraform.models_state import TerraformState, TerraformStateLock
from app.terraform.state_heads import active_project, check_workspace, find_head, made_head
from app.terraform.trail import state_resource

MAX_LOCK_BYTES = 16_384
_KEPT = ("ID", "Operation", "Info", "Who", "Version", "Created", "Path")  # statemgr.LockInfo
_MOST = 1000  # characters of each


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a state's lock, in terraform's own words and in ours."""

    info: Mapping[str, Any]
    acquired_at: datetime
    run_uuid: str | None

    @property
    def who(self) -> str:
        """A name for people."""
        return str(self.info.get("Who") or "somebody")


class StateLocked(Locked):
    """Somebody else holds the lock; ``holder`` says who."""

    def __init__(self, holder: Holder) -> None:
        operation = str(holder.info.get("Operation") or "something").removeprefix("OperationType").lower()
        super().__init__(
            f"The state is locked by {holder.who} for {operation} since {holder.acquired_at:%Y-%m-%d %H:%M:%S} UTC. "
            "Wait for its end; if nothing is under way there any more, unlock it on the project's page.",
            error="state_locked",
        )
        self.holder = holder


class HeldElsewhere(StateLocked):
    """The state lives elsewhere: nobody takes its lock here.

    Of the holder terraform prints the ID alone (``internal/backend/remote-state/http/client.go``), so that says it.
    """

    def __init__(self, head: TerraformState) -> None:
        told = elsewhere_config.words(head)
        info = {"ID": told, "Who": f"nobody: it lives in {head.backend_location}", "Info": told}
        super().__init__(Holder({**info, "Operation": "reading only"}, head.updated_at, None))
        self.message, self.error = told, "state_elsewhere"


def lock_of(head: TerraformState) -> TerraformStateLock | None:
    """Return the lock of a state."""
    return db.session.scalar(
        select(TerraformStateLock).where(
            TerraformStateLock.tenant_id == head.tenant_id, TerraformStateLock.state_id == head.id
        )
    )


def holder_of(lock: TerraformStateLock) -> Holder:
    """Return who holds a lock."""
    return Holder(lock.info, lock.acquired_at, lock.run_uuid)


def holder_sentence(actor: Actor, project: TerraformProject, workspace: str) -> str:
    """Return who holds a workspace's state and what to do about it, as StateLocked says it; empty for nobody."""
    require(actor, Permission.TERRAFORM_VIEW)
    head = find_head(actor, project, workspace)
    lock = None if head is None else lock_of(head)
    return "" if lock is None else StateLocked(holder_of(lock)).message


def check_lock(head: TerraformState, lock_id: str | None) -> None:
    """Raise StateLocked or Conflict unless whoever writes holds the lock that there is (None: there is none)."""
    elsewhere_config.refuse_change(head)
    lock = lock_of(head)
    if lock is not None and lock.lock_id != lock_id:
        raise StateLocked(holder_of(lock))
    if lock is None and lock_id is not None:
        raise Conflict(
            "The lock of this write was taken away, so it is refused: somebody else may have written since. "
            "What terraform left in errored.tfstate can be imported on the project's page.",
            error="lock_lost",
        )


def lock_state(
    actor: Actor, project_uuid: str, workspace: str, info: Mapping[str, Any], *, run_uuid: str | None = None
) -> None:
    """Take a state's lock; asking again with the same id is fine. Raises StateLocked with the holder."""
    require(actor, Permission.TERRAFORM_STATE_LOCK)
    head = made_head(actor, active_project(actor, project_uuid), check_workspace(workspace))
    if head.is_elsewhere:
        raise HeldElsewhere(head)
    kept = _checked_info(actor, info)
    lock = lock_of(head)
    if lock is not None:
        if lock.lock_id == kept["ID"]:
            return
        raise StateLocked(holder_of(lock))
    db.session.add(
        TerraformStateLock(
            tenant_id=actor.tenant_id,
            state_id=head.id,
            lock_id=kept["ID"],
            info=kept,
            acquired_at=database_now(),
            user_id=actor.user_id,
            run_uuid=run_uuid,
        )
    )
    db.session.flush()
    audit.record(
        actor,
        "terraform_state:lock",
        state_resource(head),
        action="UPDATE",
        details={"workspace": head.workspace, "lock": kept["ID"], "operation": kept.get("Operation")},
    )


def _checked_info(actor: Actor, info: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: str(info[name])[:_MOST] for name in _KEPT if info.get(name) not in (None, "")}
    if not 1 <= len(kept.get("ID", "")) <= 100:
        raise InvalidInput("A lock needs an ID of 1 to 100 characters.")
    said = kept.get("Who", "")
    kept["Who"] = f"{actor.label} ({said})" if said else actor.label  # what a program says of itself proves nothing
    return kept


def unlock_state(actor: Actor, project_uuid: str, workspace: str, lock_id: str | None) -> None:
    """Give a lock back; without an id by force (``terraform force-unlock`` sends none), which is a right of its own.

    No lock is fine. Raises StateLocked when it is another's.
    """
    require(actor, Permission.TERRAFORM_STATE_LOCK if lock_id else Permission.TERRAFORM_STATE_UNLOCK)
    head = find_head(actor, active_project(actor, project_uuid), check_workspace(workspace), for_update=True)
    lock = None if head is None else lock_of(head)
    if head is None or lock is None:
        return
    if lock_id and lock.lock_id != lock_id:
        raise StateLocked(holder_of(lock))
    _remove(actor, head, lock, by_force=not lock_id)


def take_away(actor: Actor, project_uuid: str, workspace: str, *, run_uuid: str) -> None:
    """Take away, by force, the lock that this run left; no lock is fine. Raises StateLocked when it is another's."""
    require(actor, Permission.TERRAFORM_STATE_UNLOCK)
    head = find_head(actor, active_project(actor, project_uuid), check_workspace(workspace), for_update=True)
    lock = None if head is None else lock_of(head)
    if head is None or lock is None:
        return
    if lock.run_uuid != run_uuid:
        raise StateLocked(holder_of(lock))
    _remove(actor, head, lock, by_force=True)


def _remove(actor: Actor, head: TerraformState, lock: TerraformStateLock, *, by_force: bool) -> None:
    db.session.execute(
        delete(TerraformStateLock).where(
            TerraformStateLock.tenant_id == head.tenant_id, TerraformStateLock.id == lock.id
        ),
        execution_options={"synchronize_session": False},
    )
    db.session.expunge(lock)
    audit.record(
        actor,
        "terraform_state:force_unlock" if by_force else "terraform_state:unlock",
        state_resource(head),
        action="ALERT" if by_force else "UPDATE",
        details={"workspace": head.workspace, "lock": lock.lock_id, "holder": lock.info.get("Who")},
    )
