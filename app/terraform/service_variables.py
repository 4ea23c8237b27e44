"""Commands on the values of a project's input variables; sensitive ones are written and never read back."""

from __future__ import annotations

import re
from typing import Any, TypedDict

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
from app.core.versioning import check_version
from app.terraform import queries, value_rules, values_check, variable_rules, variable_values
from app.terraform.models import TerraformProject
from app.terraform.models_variables import TerraformVariable
from app.terraform.trail import project_resource

MAX_VARIABLES = 1000  # of a project
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,199}\Z")  # terraform's identifiers, as far as they are ASCII
_HIDDEN = "(sensitive value)"


class VariableInput(TypedDict, total=False):
    """What people set on a variable. ``value`` is JSON data, ``rules`` what each value has to keep."""

    name: str
    description: str | None
    value: Any
    sensitive: bool
    rules: dict[str, Any] | None


def add_variable(actor: Actor, project_uuid: str, given: VariableInput) -> TerraformVariable:
    """Give a variable a value, declared by the files or not (yet).

    Raises InvalidInput by field, NotFound, Conflict for one that has a value.
    """
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, project_uuid)
    name = given.get("name", "")
    if not _NAME.match(name):
        raise InvalidInput(name="Give the variable's name as the configuration declares it.")
    if "value" not in given:
        raise InvalidInput(value="This is needed.")
    declared = _of_name(actor, project, name)
    if declared is not None and not declared.is_set:
        declared.sensitive = bool(given.get("sensitive")) or declared.declared_sensitive
        declared.description = given.get("description") or declared.description
        _set_rules(declared, given)
        _set_value(declared, given["value"])
        declared.version += 1
        db.session.flush()
        db.session.refresh(declared)
        _record(actor, project, declared, "create", {"value": _shown(declared)})
        return declared
    if queries.count_variables(actor, project) >= MAX_VARIABLES:
        raise Conflict(f"A project has at most {MAX_VARIABLES} variables here.")
    made = TerraformVariable(
        tenant_id=actor.tenant_id,
        uuid=new_uuid(),
        project_id=project.id,
        name=name,
        sensitive=bool(given.get("sensitive")),
    )
    made.description = given.get("description") or None
    _set_rules(made, given)
    _set_value(made, given["value"])
    try:
        with db.session.begin_nested():
            db.session.add(made)
    except IntegrityError:
        raise Conflict(f"This project has a value for {name} already. Change that one.", error="name_taken") from None
    db.session.refresh(made)
    _record(actor, project, made, "create", {"value": _shown(made)})
    return made


def change_variable(
    actor: Actor, project_uuid: str, variable_uuid: str, given: VariableInput, *, version: int | None = None
) -> TerraformVariable:
    """Change the given fields. A sensitive value may be replaced, never shown: making it plain needs a new one.

    Raises InvalidInput by field, NotFound, VersionConflict.
    """
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, project_uuid)
    found = get_variable(actor, project, variable_uuid)
    check_version(found, version)
    if given.get("name", found.name) != found.name:
        raise InvalidInput(name="A variable keeps its name. Add another one and remove this.")
    sensitive = bool(given.get("sensitive", found.sensitive))
    if found.declared_sensitive and not sensitive:
        raise InvalidInput(sensitive="The configuration declares this variable as sensitive.")
    before = _shown(found)
    if found.has_secret and not sensitive and "value" not in given:
        raise InvalidInput(value="The stored value stays secret. Give the value that is to be shown from now on.")
    if "description" in given:
        found.description = given["description"] or None
    rules_before = variable_rules.rules_of(found)
    _set_rules(found, given)
    value = given.get("value", found.value)
    if "value" in given or sensitive != found.sensitive:
        found.sensitive = sensitive
        if "value" in given or found.is_set:
            _set_value(found, value)
    db.session.flush()
    db.session.refresh(found)
    rules = variable_rules.rules_of(found)
    changed = {"rules": [rules_before, rules]} if rules != rules_before else {}
    _record(actor, project, found, "update", {"value": [before, _shown(found)], **changed})
    return found


def remove_variable(actor: Actor, project_uuid: str, variable_uuid: str) -> None:
    """Take a value away; what the files declare stays. Raises NotFound, Conflict for one that has none."""
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, project_uuid)
    found = get_variable(actor, project, variable_uuid)
    if not found.is_set:
        raise Conflict("The configuration declares this variable, and it has no value here.", error="no_value")
    _record(actor, project, found, "delete", {"value": _shown(found)})
    if found.is_declared:
        found.value = found.secret_value = None
        found.sensitive = found.declared_sensitive
        found.version += 1
    else:
        db.session.delete(found)
    db.session.flush()


def get_variable(actor: Actor, project: TerraformProject, uuid: str) -> TerraformVariable:
    """Return a variable of a project; raises NotFound."""
    require(actor, Permission.TERRAFORM_VIEW)
    found = db.session.scalar(
        scoped(actor, TerraformVariable).where(
            TerraformVariable.project_id == project.id,
            TerraformVariable.module_id.is_(None),
            TerraformVariable.uuid == uuid,
        )
    )
    if found is None:
        raise NotFound("This variable")
    return found


def _of_name(actor: Actor, project: TerraformProject, name: str) -> TerraformVariable | None:
    return db.session.scalar(
        scoped(actor, TerraformVariable).where(
            TerraformVariable.project_id == project.id,
            TerraformVariable.module_id.is_(None),
            TerraformVariable.name == name,
        )
    )


def _shown(variable: TerraformVariable) -> Any:
    return _HIDDEN if variable.sensitive else variable.value


def _set_rules(variable: TerraformVariable, given: VariableInput) -> None:
    if "rules" in given:
        wanted = variable_rules.checked(given["rules"])
        variable.validation_rules = variable_rules.together(variable_rules.declared_rules(variable), wanted)


def _set_value(variable: TerraformVariable, value: Any) -> None:
    text = value_rules.as_json(value)
    if misfit := values_check.misfit_of(variable, value, hides_keys=variable.sensitive):
        said = f"{variable.name}{misfit}."
        raise InvalidInput(value=f"{said} The files declare the type {' '.join((variable.type or '').split())[:200]}.")
    if broken := variable_rules.broken_rule(variable_rules.rules_of(variable), value):
        raise InvalidInput(value=f"{variable.name} {broken}.")
    if variable.sensitive:
        keyring = Keyring(settings().master_key.get_secret_value())
        variable.value, variable.secret_value = None, keyring.encrypt(variable_values.secret_context(variable), text)
    else:
        variable.value, variable.secret_value = value, None


def _record(actor: Actor, project: TerraformProject, variable: TerraformVariable, verb: str, details: Any) -> None:
    audit.record(
        actor,
        f"terraform_variable:{verb}",
        project_resource(project),
        details={"project": project.name, "name": variable.name, **details},
    )
