"""Outputs of workspaces as values for launches: ``terraform://<project>/<workspace>/<output>``.

A project stands there by its name (percent-encoded where need be) or by its UUID. The value is that of the workspace's
newest state when the run is built.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, unquote
from uuid import UUID

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import AppError
from app.core.permissions import Permission, can
from app.core.tenancy import scoped
from app.jobs.references import Found, ReferenceRefused
from app.terraform import state_bytes
from app.terraform.models import TerraformProject
from app.terraform.models_configuration import TerraformOutput
from app.terraform.models_state import TerraformState, TerraformStateFile
from app.terraform.state_document import outputs
from app.terraform.state_heads import WORKSPACE

SCHEME = "terraform"
MOST_OFFERED = 500
_SHAPE = f"Write it as {SCHEME}://<project>/<workspace>/<output>."


def reference_to(project: TerraformProject, workspace: str, output: str) -> str:
    """Return the reference to an output, the project by its name."""
    return f"{SCHEME}://{quote(project.name, safe='')}/{workspace}/{quote(output, safe='')}"


class OutputSource:
    """The source of these references."""

    def check(self, actor: Actor, reference: str, *, must_exist: bool = True) -> bool:
        """Check one for a launch; sensitive outputs are for those who may read states."""
        if not can(actor, Permission.TERRAFORM_VIEW):
            raise ReferenceRefused("You have no right to see Terraform projects, so their outputs cannot be used.")
        allowed = can(actor, Permission.TERRAFORM_STATE_READ)
        try:
            found = _find(actor, reference)
        except _NotThere:
            if must_exist:
                raise
            return allowed
        if found.is_sensitive and not allowed:
            raise ReferenceRefused(
                f"{reference} is sensitive: using it needs the right to read states "
                f"({Permission.TERRAFORM_STATE_READ.value})."
            )
        return allowed

    def find(self, tenant_id: int, reference: str) -> Found:
        """Return the output's value in the newest state."""
        return _find(Actor.system(tenant_id), reference)

    def offered(self, actor: Actor) -> Sequence[str]:
        """Return declared outputs of root modules, for each workspace that has a state; one query."""
        if not can(actor, Permission.TERRAFORM_VIEW):
            return []
        statement = (
            scoped(actor, TerraformOutput)
            .with_only_columns(TerraformProject, TerraformState.workspace, TerraformOutput.name)
            .join(TerraformProject, TerraformProject.id == TerraformOutput.project_id)
            .join(TerraformState, TerraformState.project_id == TerraformOutput.project_id)
            .where(
                TerraformOutput.module_key == 0,
                TerraformOutput.missing_since.is_(None),
                TerraformState.state_file_id.is_not(None),
                TerraformProject.active_name.is_not(None),
            )
            .order_by(TerraformProject.name, TerraformState.workspace, TerraformOutput.name)
        )
        rows = db.session.execute(statement.limit(MOST_OFFERED))
        return [reference_to(project, workspace, name) for project, workspace, name in rows]


class _NotThere(ReferenceRefused):
    """What it names does not exist now, but might later."""


def _find(actor: Actor, reference: str) -> Found:
    place, workspace, name = _parts(reference)
    project = _project(actor, place)
    head = db.session.scalar(
        scoped(actor, TerraformState).where(
            TerraformState.project_id == project.id, TerraformState.workspace == workspace
        )
    )
    if head is None or head.state_file_id is None:
        raise _NotThere(
            f"{project.name} has no state in workspace '{workspace}' yet. Apply it first, then launch again."
        )
    file = db.session.scalars(
        scoped(actor, TerraformStateFile).where(TerraformStateFile.id == head.state_file_id)
    ).one()
    try:
        known = outputs(json.loads(state_bytes.load(file)), with_sensitive=True)
    except AppError as error:
        raise ReferenceRefused(f"{reference} cannot be read. {error.message}") from error
    if name not in known:
        raise _NotThere(
            f"The state of {project.name}, workspace '{workspace}', has no output '{name}'. "
            f"It has: {', '.join(sorted(known))[:500] or 'none'}."
        )
    return Found(known[name]["value"], bool(known[name]["sensitive"]))


def _parts(reference: str) -> tuple[str, str, str]:
    parts: list[Any] = [unquote(part) for part in reference.removeprefix(f"{SCHEME}://").split("/")]
    if len(parts) != 3 or not all(parts) or not WORKSPACE.match(parts[1]):
        raise ReferenceRefused(f"'{reference[:120]}' is no reference to an output. {_SHAPE}")
    return parts[0], parts[1], parts[2]


def _project(actor: Actor, place: str) -> TerraformProject:
    found = db.session.scalar(scoped(actor, TerraformProject).where(TerraformProject.active_name == place))
    if found is None and _is_uuid(place):
        found = db.session.scalar(
            scoped(actor, TerraformProject).where(
                TerraformProject.uuid == place.lower(), TerraformProject.active_name.is_not(None)
            )
        )
    if found is None:
        raise ReferenceRefused(f"There is no Terraform project named '{place[:120]}' in use. {_SHAPE}")
    return found


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return len(text) == 36
