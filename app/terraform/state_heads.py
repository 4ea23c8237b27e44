"""Heads of states: the row of a workspace, found, made on first use, locked for whoever writes."""

from __future__ import annotations

import re

from sqlalchemy.exc import IntegrityError

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import InvalidInput, NotFound
from app.core.tenancy import scoped
from app.terraform.models import TerraformProject
from app.terraform.models_state import TerraformState

WORKSPACE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,89}\Z")  # a part of an address


def check_workspace(workspace: str) -> str:
    """Return a workspace's name; raises InvalidInput for one that cannot be."""
    if not WORKSPACE.match(workspace):
        raise InvalidInput(
            workspace="A workspace's name has 1 to 90 letters, digits, dots, dashes and underscores, no dot first."
        )
    return workspace


def active_project(actor: Actor, uuid: str) -> TerraformProject:
    """Return a project that is in use; raises NotFound."""
    project = db.session.scalar(scoped(actor, TerraformProject).where(TerraformProject.uuid == uuid))
    if project is None or not project.is_active:
        raise NotFound("This Terraform project")
    return project


def find_head(
    actor: Actor, project: TerraformProject, workspace: str, *, for_update: bool = False
) -> TerraformState | None:
    """Return the row of a workspace, None before its first use."""
    statement = scoped(actor, TerraformState).where(
        TerraformState.project_id == project.id, TerraformState.workspace == workspace
    )
    return db.session.scalar(statement.with_for_update() if for_update else statement)


def made_head(actor: Actor, project: TerraformProject, workspace: str) -> TerraformState:
    """Return the workspace's row, locked; it is made on first use."""
    head = find_head(actor, project, workspace, for_update=True)
    if head is not None:
        return head
    try:
        with db.session.begin_nested():
            db.session.add(TerraformState(tenant_id=actor.tenant_id, project_id=project.id, workspace=workspace))
    except IntegrityError:
        pass  # somebody made it at the same moment
    made = find_head(actor, project, workspace, for_update=True)
    assert made is not None
    return made
