"""Commands on the values of a variable set; sensitive ones are written and never read back."""

from __future__ import annotations

import re
from typing import Any, TypedDict

from sqlalchemy.exc import IntegrityError

from app.audit import service as audit
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict, InvalidInput
from app.core.permissions import Permission, require
from app.core.table import new_uuid
from app.core.versioning import check_version
from app.terraform import environment_rules, set_values
from app.terraform import queries_variable_sets as reads
from app.terraform.models_variable_sets import Category, TerraformSetVariable, TerraformVariableSet
from app.terraform.trail import set_resource

MAX_VARIABLES = 200  # of a set
MAX_DESCRIPTION = 1000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,199}\Z")  # terraform's identifiers, as far as they are ASCII
_HIDDEN = "(sensitive value)"


class SetVariableInput(TypedDict, total=False):
    """What people set on a variable of a set. ``value`` is JSON data; that of an environment variable is a text."""

    name: str
    category: Category
    description: str | None
    value: Any
    sensitive: bool


def add_variable(actor: Actor, set_uuid: str, given: SetVariableInput) -> TerraformSetVariable:
    """Add a value. Without ``sensitive`` those of the environment are, others are not.

    Raises InvalidInput by field, NotFound, Conflict for a name that the set has, or too many.
    """
    require(actor, Permission.TERRAFORM_SET_EDIT)
    variable_set = reads.get_set(actor, set_uuid)
    category = given.get("category", Category.TERRAFORM)
    name = given.get("name", "")
    if category is Category.ENVIRONMENT:
        environment_rules.check_name(name)
    elif not _NAME.match(name):
        raise InvalidInput(name="Give the variable's name as configurations declare it.")
    if "value" not in given:
        raise InvalidInput(value="This is needed.")
    if reads.counts(actor, [variable_set.id])[variable_set.id][0] >= MAX_VARIABLES:
        raise Conflict(f"A set has at most {MAX_VARIABLES} variables. Make another one.")
    made = TerraformSetVariable(
        tenant_id=actor.tenant_id,
        uuid=new_uuid(),
        set_id=variable_set.id,
        category=category,
        name=name,
        sensitive=given.get("sensitive", category is Category.ENVIRONMENT),
        description=_description(given),
    )
    _keep(made, given["value"])
    try:
        with db.session.begin_nested():
            db.session.add(made)
    except IntegrityError:
        raise Conflict(f"This set has a value for {name} already. Change that one.", error="name_taken") from None
    db.session.refresh(made)
    _record(actor, variable_set, made, "create", {"value": _shown(made)})
    return made


def change_variable(
    actor: Actor, set_uuid: str, variable_uuid: str, given: SetVariableInput, *, version: int | None = None
) -> TerraformSetVariable:
    """Change the given fields. A sensitive value may be replaced, never shown: making it plain needs a new one.

    Raises InvalidInput by field, NotFound, VersionConflict.
    """
    require(actor, Permission.TERRAFORM_SET_EDIT)
    variable_set = reads.get_set(actor, set_uuid)
    found = reads.get_set_variable(actor, variable_set, variable_uuid)
    check_version(found, version)
    if given.get("name", found.name) != found.name or given.get("category", found.category) != found.category:
        raise InvalidInput(name="A variable keeps its name and what it is for. Add another one and remove this.")
    sensitive = given.get("sensitive", found.sensitive)
    if found.sensitive and not sensitive and "value" not in given:
        raise InvalidInput(value="The stored value stays secret. Give the value that is to be shown from now on.")
    before = _shown(found)
    if "description" in given:
        found.description = _description(given)
    is_same = sensitive == found.sensitive
    value = given.get("value", found.value)
    found.sensitive = sensitive
    if "value" in given or not is_same:
        _keep(found, value)
    db.session.flush()
    db.session.refresh(found)
    _record(actor, variable_set, found, "update", {"value": [before, _shown(found)]})
    return found


def remove_variable(actor: Actor, set_uuid: str, variable_uuid: str) -> None:
    """Take a value away from every project that has the set. Raises NotFound."""
    require(actor, Permission.TERRAFORM_SET_EDIT)
    variable_set = reads.get_set(actor, set_uuid)
    found = reads.get_set_variable(actor, variable_set, variable_uuid)
    _record(actor, variable_set, found, "delete", {"value": _shown(found)})
    db.session.delete(found)
    db.session.flush()


def _keep(variable: TerraformSetVariable, value: Any) -> None:
    if variable.category is Category.ENVIRONMENT:
        if not isinstance(value, str):
            raise InvalidInput(value="The environment holds texts only.")
        environment_rules.check_value(value, sensitive=variable.sensitive)
    set_values.keep(variable, value)


def _description(given: SetVariableInput) -> str | None:
    text = (given.get("description") or "").strip()
    if len(text) > MAX_DESCRIPTION:
        raise InvalidInput(description=f"At most {MAX_DESCRIPTION} characters.")
    return text or None


def _shown(variable: TerraformSetVariable) -> Any:
    return _HIDDEN if variable.sensitive else variable.value


def _record(
    actor: Actor, variable_set: TerraformVariableSet, variable: TerraformSetVariable, verb: str, details: Any
) -> None:
    audit.record(
        actor,
        f"terraform_set_variable:{verb}",
        set_resource(variable_set),
        details={"set": variable_set.name, "name": variable.name, "category": variable.category.value, **details},
    )
