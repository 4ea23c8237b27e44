"""Commands on the environment of a project's executions: what providers sign in with. Written, never read back."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError

from app.audit import service as audit
from app.core.actor import Actor
from app.core.crypto import Keyring
from app.core.db import db
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.permissions import Permission, require
from app.core.runtime import settings
from app.core.table import new_uuid
from app.core.tenancy import scoped
from app.terraform import environment_rules, environment_values, queries
from app.terraform.models import TerraformProject
from app.terraform.models_environment import TerraformEnvironment
from app.terraform.trail import project_resource

MAX_NAMES = 100


def set_environment(
    actor: Actor, project_uuid: str, name: str, value: str, *, description: str | None = None, sensitive: bool = True
) -> TerraformEnvironment:
    """Give executions of a project this environment variable, or another value for it.

    Raises InvalidInput by field, NotFound, Conflict for too many.
    """
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, project_uuid)
    _check(name, value, description, sensitive=sensitive)
    found = _find(actor, project, name)
    is_new = found is None
    if found is None:
        if len(queries.list_environment(actor, project)) >= MAX_NAMES:
            raise Conflict(f"A project has at most {MAX_NAMES} of them.")
        found = TerraformEnvironment(
            tenant_id=actor.tenant_id, uuid=new_uuid(), project_id=project.id, name=name, description=description
        )
    keyring = Keyring(settings().master_key.get_secret_value())
    found.sensitive = sensitive
    found.value = None if sensitive else value
    found.secret_value = keyring.encrypt(environment_values.secret_context(found), value) if sensitive else None
    if description is not None:
        found.description = description or None
    try:
        with db.session.begin_nested():
            db.session.add(found)
    except IntegrityError:
        raise Conflict(f"Somebody else set {name} a moment ago. Look at it and set it again.") from None
    db.session.refresh(found)
    _record(actor, project, name, "create" if is_new else "update")
    return found


def remove_environment(actor: Actor, project_uuid: str, name: str) -> None:
    """Take an environment variable away. Raises NotFound."""
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, project_uuid)
    found = _find(actor, project, name)
    if found is None:
        raise NotFound("This environment variable")
    db.session.delete(found)
    db.session.flush()
    _record(actor, project, name, "delete")


def _find(actor: Actor, project: TerraformProject, name: str) -> TerraformEnvironment | None:
    if not name.isascii():  # names are kept in ASCII, and MySQL refuses to compare others with them
        return None
    return db.session.scalar(
        scoped(actor, TerraformEnvironment).where(
            TerraformEnvironment.project_id == project.id, TerraformEnvironment.name == name
        )
    )


def _check(name: str, value: str, description: str | None, *, sensitive: bool) -> None:
    environment_rules.check_name(name)
    environment_rules.check_value(value, sensitive=sensitive)
    if description is not None and len(description) > 500:
        raise InvalidInput(description="At most 500 characters.")


def _record(actor: Actor, project: TerraformProject, name: str, verb: str) -> None:
    audit.record(
        actor,
        f"terraform_environment:{verb}",
        project_resource(project),
        details={"project": project.name, "name": name},
    )
