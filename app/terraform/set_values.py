"""Values of variable sets: how secret ones are kept, and which of several counts.

The first that has a value wins: the project itself, the sets that it has in their order, the global sets by name, the
default of the files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select, true
from sqlalchemy.orm import undefer

from app.core.crypto import Keyring
from app.core.db import db
from app.core.runtime import settings
from app.terraform import value_rules
from app.terraform.models_variable_sets import (
    Category,
    TerraformProjectVariableSet,
    TerraformSetVariable,
    TerraformVariableSet,
)


@dataclass(frozen=True, slots=True)
class AppliedSet:
    """A set that a project has; unless ``is_attached`` because it is global."""

    variable_set: TerraformVariableSet
    is_attached: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value that a set has for a name."""

    variable_set: TerraformVariableSet
    variable: TerraformSetVariable


def secret_context(variable: TerraformSetVariable) -> str:
    """Return what the encrypted value of a row is bound to."""
    return f"terraform_set_variables|secret_value|{variable.uuid}|{variable.tenant_id}"


def keep(variable: TerraformSetVariable, value: Any) -> None:
    """Set a row's value, in clear or encrypted as ``sensitive`` says. Raises InvalidInput."""
    text = value_rules.as_json(value)
    if variable.sensitive:
        keyring = Keyring(settings().master_key.get_secret_value())
        variable.value, variable.secret_value = None, keyring.encrypt(secret_context(variable), text)
    else:
        variable.value, variable.secret_value = value, None


def opened(variable: TerraformSetVariable, keyring: Keyring) -> Any:
    """Return a row's value, decrypted when it is sensitive. Raises DecryptionError."""
    if not variable.sensitive:
        return variable.value
    return json.loads(keyring.decrypt(secret_context(variable), variable.secret_value or ""))


def sets_of_project(tenant_id: int, project_id: int) -> Sequence[AppliedSet]:
    """Return the sets of a project, the first that counts first; one query."""
    link = TerraformProjectVariableSet
    rows = db.session.execute(
        select(TerraformVariableSet, link.position)
        .outerjoin(
            link,
            (link.tenant_id == TerraformVariableSet.tenant_id)
            & (link.set_id == TerraformVariableSet.id)
            & (link.project_id == project_id),
        )
        .where(
            TerraformVariableSet.tenant_id == tenant_id,
            or_(TerraformVariableSet.is_global == true(), link.id.is_not(None)),
        )
    ).all()
    attached = sorted((row for row in rows if row[1] is not None), key=lambda row: (row[1], row[0].id))
    everywhere = sorted(
        (row for row in rows if row[1] is None), key=lambda row: (row[0].name.casefold(), row[0].name, row[0].id)
    )
    return [AppliedSet(row[0], row[1] is not None) for row in (*attached, *everywhere)]


def candidates(
    applied: Sequence[AppliedSet], category: Category, *, with_secrets: bool = False
) -> Mapping[str, Sequence[Candidate]]:
    """Return what sets have for each name, the first that counts first; one query at most."""
    if not applied:
        return {}
    statement = select(TerraformSetVariable).where(
        TerraformSetVariable.tenant_id == applied[0].variable_set.tenant_id,
        TerraformSetVariable.set_id.in_([one.variable_set.id for one in applied]),
        TerraformSetVariable.category == category,
    )
    if with_secrets:
        statement = statement.options(undefer(TerraformSetVariable.secret_value))
    by_set: dict[int, list[TerraformSetVariable]] = {}
    for row in db.session.scalars(statement.order_by(TerraformSetVariable.name)):
        by_set.setdefault(row.set_id, []).append(row)
    found: dict[str, list[Candidate]] = {}
    for one in applied:
        for row in by_set.get(one.variable_set.id, ()):
            found.setdefault(row.name, []).append(Candidate(one.variable_set, row))
    return found


def values_of_sets(
    tenant_id: int, project_id: int, category: Category, own: Iterable[str]
) -> Sequence[tuple[Candidate, Any]]:
    """Return what a project has from its sets, opened; ``own`` names have better values. Raises DecryptionError."""
    keyring = Keyring(settings().master_key.get_secret_value())
    taken = frozenset(own)
    applied = sets_of_project(tenant_id, project_id)
    return [
        (found[0], opened(found[0].variable, keyring))
        for name, found in candidates(applied, category, with_secrets=True).items()
        if name not in taken
    ]
