"""How the graph shows a project, its modules and its resources: where they lie, colors, icons, labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import update

from app.audit import service as audit
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import InvalidInput, NotFound
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.terraform import queries, queries_configuration
from app.terraform.models import TerraformProject
from app.terraform.models_configuration import TerraformResource
from app.terraform.models_modules import TerraformModule
from app.terraform.trail import project_resource

KEYS = ("position", "zoom", "color", "icon", "collapsed", "labels")
MAX_BYTES = 4096
Given = Mapping[str, Any]


def change_project(actor: Actor, project_uuid: str, given: Given) -> dict[str, Any]:
    """Change the given keys of a project's metadata (None takes one away); return all. Its version stays."""
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, project_uuid)
    return _change(actor, project, project, given, {})


def change_module(actor: Actor, project_uuid: str, module_uuid: str, given: Given) -> dict[str, Any]:
    """Change the given keys of a module's metadata; raises NotFound."""
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, project_uuid)
    found = db.session.scalar(
        scoped(actor, TerraformModule).where(
            TerraformModule.project_id == project.id, TerraformModule.uuid == module_uuid
        )
    )
    if found is None:
        raise NotFound("This module")
    return _change(actor, project, found, given, {"module": found.terraform_address})


def change_resource(actor: Actor, project_uuid: str, resource_uuid: str, given: Given) -> dict[str, Any]:
    """Change the given keys of a declared resource's metadata; raises NotFound."""
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, project_uuid)
    found = queries_configuration.get_resource(actor, project, resource_uuid)
    return _change(actor, project, found, given, {"resource": found.terraform_address})


def _change(
    actor: Actor,
    project: TerraformProject,
    row: TerraformProject | TerraformModule | TerraformResource,
    given: Given,
    which: Mapping[str, str],
) -> dict[str, Any]:
    if wrong := sorted(given.keys() - set(KEYS)):
        raise InvalidInput(**{wrong[0]: f"Only {', '.join(KEYS)} are kept."})
    before = dict(row.metadata_ or {})
    after = {name: value for name, value in {**before, **given}.items() if value is not None}
    if len(json.dumps(after)) > MAX_BYTES:
        raise InvalidInput(labels=f"All of it together has at most {MAX_BYTES} characters.")
    changed = sorted(name for name in given if before.get(name) != after.get(name))
    if not changed:
        return before
    # Past the row's version: moving a box must not refuse somebody's edit of the project.
    db.session.execute(
        update(type(row))
        .where(type(row).tenant_id == actor.tenant_id, type(row).id == row.id)
        .values({type(row).metadata_: after or None})
        .execution_options(synchronize_session=False)
    )
    db.session.expire(row)
    details = {**which, **audit.changes(before, after, changed)}
    audit.record(actor, "terraform_project:metadata", project_resource(project), action="UPDATE", details=details)
    return after
