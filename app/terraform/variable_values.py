"""Values of variables as a run gets them: opened, for a worker only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.core.crypto import Keyring
from app.core.runtime import settings
from app.terraform import queries, set_values
from app.terraform.models_variable_sets import Category
from app.terraform.models_variables import TerraformVariable


def secret_context(variable: TerraformVariable) -> str:
    """Return what a variable's encrypted value is bound to."""
    return f"terraform_variables|secret_value|{variable.uuid}|{variable.tenant_id}"


@dataclass(frozen=True, slots=True)
class Given:
    """A value that a run gets. ``set_name``: of the set that it is from, None for the project's own."""

    name: str
    value: Any
    is_secret: bool
    set_name: str | None


def values_of_run(tenant_id: int, project_id: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the plain and the secret values of a project by name, opened, for a worker only.

    Raises DecryptionError.
    """
    found = given_values(tenant_id, project_id, queries.variables_with_secrets(tenant_id, project_id))
    plain = {one.name: one.value for one in found if not one.is_secret}
    return plain, {one.name: one.value for one in found if one.is_secret}


def given_values(tenant_id: int, project_id: int, rows: Sequence[TerraformVariable]) -> list[Given]:
    """Return a project's own values among its ``rows``, and those of its sets for other names, opened.

    What the files declare as sensitive is secret wherever it is from. Raises DecryptionError.
    """
    keyring = Keyring(settings().master_key.get_secret_value())
    found = []
    for row in rows:
        if row.is_set and row.sensitive:
            value = json.loads(keyring.decrypt(secret_context(row), row.secret_value or ""))
            found.append(Given(row.name, value, True, None))
        elif row.is_set:
            found.append(Given(row.name, row.value, False, None))
    hidden = {row.name for row in rows if row.declared_sensitive}
    shared = set_values.values_of_sets(tenant_id, project_id, Category.TERRAFORM, {one.name for one in found})
    for candidate, value in shared:
        name = candidate.variable.name
        is_secret = candidate.variable.sensitive or name in hidden
        found.append(Given(name, value, is_secret, candidate.variable_set.name))
    return found
