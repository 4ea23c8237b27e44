"""Reads of states that live elsewhere."""

from __future__ import annotations

from app.core.actor import Actor
from app.core.errors import NotFound
from app.core.permissions import Permission, require
from app.terraform import queries
from app.terraform.models import TerraformProject
from app.terraform.models_state import TerraformState


def get_elsewhere(actor: Actor, project: TerraformProject, workspace: str) -> TerraformState:
    """Return the state of a workspace that lives elsewhere; raises NotFound for any other."""
    require(actor, Permission.TERRAFORM_VIEW)
    found = queries.get_workspace(actor, project, workspace).state
    if not found.is_elsewhere:
        raise NotFound("A state of this name that lives elsewhere")
    return found
