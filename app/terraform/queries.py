"""Reads of Terraform projects and their states."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import undefer

from app.accounts.models import User
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.core.pagination import Page, paginate
from app.core.permissions import Permission, require
from app.core.searching import escaped
from app.core.sorting import SortKeys
from app.core.tenancy import scoped
from app.terraform.models import TerraformProject
from app.terraform.models_environment import TerraformEnvironment
from app.terraform.models_git import GitBranch
from app.terraform.models_state import TerraformState, TerraformStateFile, TerraformStateLock
from app.terraform.models_variables import TerraformVariable

SORT = SortKeys("name", {"name": TerraformProject.name, "created": TerraformProject.id})
MOST_WORKSPACES = 500  # of one project that are listed


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace of a project: its state, and who holds its lock."""

    state: TerraformState
    lock: TerraformStateLock | None


def get_project(actor: Actor, uuid: str) -> TerraformProject:
    """Return a project, active or not; raises NotFound."""
    require(actor, Permission.TERRAFORM_VIEW)
    found = db.session.scalar(scoped(actor, TerraformProject).where(TerraformProject.uuid == uuid))
    if found is None:
        raise NotFound("This Terraform project")
    return found


def project_by_id(actor: Actor, project_id: int) -> TerraformProject:
    """Return a project by its number, active or not; raises NotFound."""
    require(actor, Permission.TERRAFORM_VIEW)
    found = db.session.scalar(scoped(actor, TerraformProject).where(TerraformProject.id == project_id))
    if found is None:
        raise NotFound("This Terraform project")
    return found


def list_projects(
    actor: Actor,
    *,
    text: str | None = None,
    is_active: bool | None = True,
    page: int = 1,
    page_size: int = 50,
    after: int | None = None,
    sort: str | None = None,
) -> Page[TerraformProject]:
    """Return projects; ``text`` is looked for in their names, ``is_active`` None is all."""
    require(actor, Permission.TERRAFORM_VIEW)
    statement = scoped(actor, TerraformProject)
    if text:
        statement = statement.where(TerraformProject.name.like(f"%{escaped(text)}%", escape="\\"))
    if is_active is not None:
        statement = statement.where(TerraformProject.is_active == is_active)
    return paginate(statement, TerraformProject.id, page=page, page_size=page_size, after=after, sort=SORT.pick(sort))


def count_workspaces(actor: Actor, project_ids: Collection[int]) -> dict[int, int]:
    """Return how many workspaces these projects have, by id; one query."""
    require(actor, Permission.TERRAFORM_VIEW)
    if not project_ids:
        return {}
    rows = db.session.execute(
        select(TerraformState.project_id, func.count())
        .where(TerraformState.tenant_id == actor.tenant_id, TerraformState.project_id.in_(project_ids))
        .group_by(TerraformState.project_id)
    )
    return {row[0]: row[1] for row in rows}


def owner_of(actor: Actor, project: TerraformProject) -> str | None:
    """Return the name of whom a project belongs to."""
    require(actor, Permission.TERRAFORM_VIEW)
    return db.session.scalar(select(User.username).where(User.tenant_id == actor.tenant_id, User.id == project.user_id))


def list_workspaces(actor: Actor, project: TerraformProject) -> Sequence[Workspace]:
    """Return the workspaces of a project by name, with their locks; two queries."""
    require(actor, Permission.TERRAFORM_VIEW)
    states = db.session.scalars(
        scoped(actor, TerraformState)
        .where(TerraformState.project_id == project.id)
        .order_by(TerraformState.workspace)
        .limit(MOST_WORKSPACES)
    ).all()
    locks = {
        lock.state_id: lock
        for lock in db.session.scalars(
            scoped(actor, TerraformStateLock).where(
                TerraformStateLock.state_id.in_(
                    select(TerraformState.id).where(
                        TerraformState.tenant_id == actor.tenant_id, TerraformState.project_id == project.id
                    )
                )
            )
        )
    }
    return [Workspace(state, locks.get(state.id)) for state in states]


def get_workspace(actor: Actor, project: TerraformProject, name: str) -> Workspace:
    """Return one workspace; raises NotFound for one that has never had a state nor a lock."""
    require(actor, Permission.TERRAFORM_VIEW)
    state = db.session.scalar(scoped(actor, TerraformState).where(TerraformState.id == _state_id(actor, project, name)))
    if state is None:
        raise NotFound("This workspace")
    lock = db.session.scalar(scoped(actor, TerraformStateLock).where(TerraformStateLock.state_id == state.id))
    return Workspace(state, lock)


def lock_of_workspace(actor: Actor, project: TerraformProject, name: str) -> Mapping[str, Any] | None:
    """Return who holds a workspace's lock, as ``lock_data``; None for nobody."""
    require(actor, Permission.TERRAFORM_VIEW)
    state_id = _state_id(actor, project, name)
    return lock_data(
        db.session.scalar(scoped(actor, TerraformStateLock).where(TerraformStateLock.state_id == state_id))
    )


def list_versions(
    actor: Actor,
    project: TerraformProject,
    name: str,
    *,
    branch: str | None = None,
    page: int = 1,
    page_size: int = 50,
    after: int | None = None,
) -> Page[TerraformStateFile]:
    """Return the versions of a workspace's state, the newest first; none for a workspace that had no state yet.

    ``branch``: only those that runs of this branch have written.
    """
    require(actor, Permission.TERRAFORM_VIEW)
    state_id = _state_id(actor, project, name)
    statement = scoped(actor, TerraformStateFile).where(TerraformStateFile.state_id == state_id)
    if branch is not None:
        wanted = select(GitBranch.id).where(
            GitBranch.tenant_id == actor.tenant_id,
            GitBranch.project_id == project.id,
            GitBranch.name == (branch if branch.isascii() else ""),  # as with workspaces
        )
        statement = statement.where(TerraformStateFile.branch_id.in_(wanted))
    return paginate(statement, TerraformStateFile.version, page=page, page_size=page_size, after=after)


def _state_id(actor: Actor, project: TerraformProject, name: str) -> int:
    found = None
    if name.isascii():  # names are kept in ASCII, and MySQL refuses to compare others with them
        found = db.session.scalar(
            scoped(actor, TerraformState)
            .where(TerraformState.project_id == project.id, TerraformState.workspace == name)
            .with_only_columns(TerraformState.id)
        )
    return found or 0


def lock_data(lock: TerraformStateLock | None) -> Mapping[str, Any] | None:
    """Return what people see of a lock: who, for what, since when, by which run."""
    if lock is None:
        return None
    return {
        "lock_id": lock.lock_id,
        "who": str(lock.info.get("Who") or ""),
        "operation": str(lock.info.get("Operation") or "").removeprefix("OperationType").lower(),
        "info": str(lock.info.get("Info") or ""),
        "version": str(lock.info.get("Version") or ""),
        "acquired_at": lock.acquired_at,
        "run_uuid": lock.run_uuid,
    }


def list_variables(actor: Actor, project: TerraformProject) -> Sequence[TerraformVariable]:
    """Return the root module's variables by name, declared or given a value; secret ones without their value."""
    require(actor, Permission.TERRAFORM_VIEW)
    return db.session.scalars(
        scoped(actor, TerraformVariable)
        .where(TerraformVariable.project_id == project.id, TerraformVariable.module_id.is_(None))
        .order_by(TerraformVariable.name)
    ).all()


def list_environment(actor: Actor, project: TerraformProject) -> Sequence[TerraformEnvironment]:
    """Return the environment variables of a project's executions by name, without their values."""
    require(actor, Permission.TERRAFORM_VIEW)
    return db.session.scalars(
        scoped(actor, TerraformEnvironment)
        .where(TerraformEnvironment.project_id == project.id)
        .order_by(TerraformEnvironment.name)
    ).all()


def count_variables(actor: Actor, project: TerraformProject) -> int:
    """Return how many variables the root module of a project has here."""
    require(actor, Permission.TERRAFORM_VIEW)
    statement = scoped(actor, TerraformVariable).where(
        TerraformVariable.project_id == project.id, TerraformVariable.module_id.is_(None)
    )
    return db.session.scalar(select(func.count()).select_from(statement.subquery())) or 0


def variables_with_secrets(tenant_id: int, project_id: int) -> Sequence[TerraformVariable]:
    """Return a project's variables with their encrypted values, for building a run."""
    return db.session.scalars(
        select(TerraformVariable)
        .where(
            TerraformVariable.tenant_id == tenant_id,
            TerraformVariable.project_id == project_id,
            TerraformVariable.module_id.is_(None),
        )
        .options(undefer(TerraformVariable.secret_value))
        .order_by(TerraformVariable.name)
    ).all()
