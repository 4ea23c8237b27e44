"""Shapes of variable sets, shared by the REST API and the forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import fields, validate

from app.core.clock import iso
from app.core.schemas import Schema, Strict
from app.core.sort_field import sort_field
from app.terraform.models_environment import TerraformEnvironment
from app.terraform.models_variable_sets import Category, TerraformSetVariable, TerraformVariableSet
from app.terraform.models_variables import TerraformVariable
from app.terraform.queries_variable_sets import InForce, ProjectValues
from app.terraform.service_set_variables import MAX_DESCRIPTION
from app.terraform.service_variable_sets import MAX_ATTACHED
from app.terraform.set_values import AppliedSet

NUMBER = validate.Range(1, 2**31 - 1)


class TerraformVariableSetFields(Strict):
    """What people set on a set of variables."""

    name = fields.String(validate=validate.Length(1, 200), metadata={"example": "AWS, staging"})
    description = fields.String(validate=validate.Length(max=10_000), allow_none=True)
    is_global = fields.Boolean(metadata={"description": "Every project has it, without being attached."})


class TerraformVariableSetCreate(TerraformVariableSetFields):
    """A new set."""

    name = fields.String(required=True, validate=validate.Length(1, 200), metadata={"example": "AWS, staging"})


class TerraformVariableSetEdit(TerraformVariableSetFields):
    """Changes; ``version`` is the one they were made from (If-Match says the same)."""

    version = fields.Integer(strict=True, validate=NUMBER)


class TerraformVariableSetQuery(Strict):
    """Filters, order and paging of the list."""

    q = fields.String(validate=validate.Length(max=200), metadata={"description": "Part of the name."})
    is_global = fields.Boolean()
    page = fields.Integer(load_default=1, validate=validate.Range(1, 1_000_000))
    page_size = fields.Integer(load_default=50, validate=validate.Range(1, 100))
    after = fields.Integer(validate=validate.Range(0, 2**31 - 1))
    sort = sort_field("name", "created")


class TerraformVariableSetOut(Schema):
    """A set, with how many variables and projects it has."""

    id = fields.String(metadata={"description": "Its UUID."})
    number = fields.Integer()
    name = fields.String()
    description = fields.String(allow_none=True)
    is_global = fields.Boolean()
    variables = fields.Integer()
    projects = fields.Integer(metadata={"description": "To which it is attached."})
    created_at = fields.String()
    updated_at = fields.String()
    version = fields.Integer()


class TerraformSetProjectOut(Schema):
    """A project that a set is attached to."""

    id = fields.String()
    name = fields.String()
    is_active = fields.Boolean()


class TerraformAppliedSetOut(Schema):
    """A set that a project has."""

    id = fields.String()
    name = fields.String()
    is_global = fields.Boolean()
    is_attached = fields.Boolean(metadata={"description": "False: the project has it because it is global."})


class TerraformSetOrder(Strict):
    """The sets that a project is to have."""

    set_ids = fields.List(
        fields.UUID(),
        required=True,
        validate=validate.Length(max=MAX_ATTACHED),
        metadata={"description": "The first that has a value for a name counts.", "example": []},
    )


class TerraformSetVariableFields(Strict):
    """What people set on a variable of a set."""

    description = fields.String(allow_none=True, validate=validate.Length(max=MAX_DESCRIPTION))
    value = fields.Raw(metadata={"description": "Any JSON data; a text for the environment.", "example": "eu-west-1"})
    sensitive = fields.Boolean(
        metadata={"description": "Stored encrypted, never shown, masked in logs. Default: for the environment."}
    )


class TerraformSetVariableCreate(TerraformSetVariableFields):
    """A new value."""

    name = fields.String(required=True, validate=validate.Length(1, 200), metadata={"example": "region"})
    category = fields.Enum(
        Category,
        by_value=True,
        load_default=Category.TERRAFORM,
        metadata={"description": "terraform: an input variable; environment: what providers find around them."},
    )
    value = fields.Raw(required=True, metadata={"description": "Any JSON data.", "example": "eu-west-1"})


class TerraformSetVariableEdit(TerraformSetVariableFields):
    """Changes; ``version`` is the one they were made from."""

    version = fields.Integer(strict=True, validate=NUMBER)


class TerraformSetVariableOut(Schema):
    """A variable of a set; the value of a sensitive one is null."""

    id = fields.String()
    name = fields.String()
    category = fields.String()
    description = fields.String(allow_none=True)
    value = fields.Raw(allow_none=True)
    sensitive = fields.Boolean()
    updated_at = fields.String()
    version = fields.Integer()


class TerraformValueInForceOut(Schema):
    """What a project's executions get for a name, and from where."""

    name = fields.String()
    category = fields.String()
    source = fields.String(metadata={"description": "project, set, default, or none: it has no value."})
    set_id = fields.String(allow_none=True)
    set_name = fields.String(allow_none=True)
    value = fields.Raw(allow_none=True, metadata={"description": "null when it is sensitive."})
    sensitive = fields.Boolean()
    overridden = fields.List(fields.String(), metadata={"description": "Names of sets whose value does not count."})


def set_data(found: TerraformVariableSet, counts: Mapping[int, tuple[int, int]]) -> dict[str, Any]:
    """Return a set as the API shows it."""
    variables, projects = counts.get(found.id, (0, 0))
    return {
        "id": found.uuid,
        "number": found.id,
        "name": found.name,
        "description": found.description,
        "is_global": found.is_global,
        "variables": variables,
        "projects": projects,
        "created_at": iso(found.created_at),
        "updated_at": iso(found.updated_at),
        "version": found.version,
    }


def applied_data(found: AppliedSet) -> dict[str, Any]:
    """Return a set of a project as the API shows it."""
    one = found.variable_set
    return {"id": one.uuid, "name": one.name, "is_global": one.is_global, "is_attached": found.is_attached}


def set_variable_data(row: TerraformSetVariable) -> dict[str, Any]:
    """Return a variable of a set as the API shows it."""
    return {
        "id": row.uuid,
        "name": row.name,
        "category": row.category.value,
        "description": row.description,
        "value": row.value,
        "sensitive": row.sensitive,
        "updated_at": iso(row.updated_at),
        "version": row.version,
    }


def in_force_data(found: ProjectValues) -> list[dict[str, Any]]:
    """Return what counts for each name as the API shows it."""
    return [
        _in_force(one, category)
        for category, rows in ((Category.TERRAFORM, found.variables), (Category.ENVIRONMENT, found.environment))
        for one in rows
    ]


def _in_force(one: InForce, category: Category) -> dict[str, Any]:
    data: dict[str, Any] = {
        "name": one.name,
        "category": category.value,
        "source": "none",
        "set_id": None,
        "set_name": None,
        "value": None,
        "sensitive": False,
        "overridden": [passed.name for passed in one.overridden],
    }
    own, chosen = one.own, one.chosen
    if isinstance(own, TerraformEnvironment):
        return {**data, "source": "project", "value": own.value, "sensitive": own.sensitive}
    is_secret = own is not None and own.declared_sensitive
    if chosen is not None:
        row, is_secret = chosen.variable, is_secret or chosen.variable.sensitive
        data |= {"source": "set", "set_id": chosen.variable_set.uuid, "set_name": chosen.variable_set.name}
        return {**data, "value": None if is_secret else row.value, "sensitive": is_secret}
    assert isinstance(own, TerraformVariable)
    if own.is_set:
        return {**data, "source": "project", "value": own.value, "sensitive": own.sensitive}
    if own.is_declared and not own.is_required:
        return {**data, "source": "default", "value": own.default_value, "sensitive": is_secret}
    return {**data, "sensitive": is_secret}
