"""The environment of executions as a run gets it: opened, for a worker only."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import undefer

from app.core.crypto import Keyring
from app.core.db import db
from app.core.runtime import settings
from app.terraform import set_values
from app.terraform.models_environment import TerraformEnvironment
from app.terraform.models_variable_sets import Category


def secret_context(row: TerraformEnvironment) -> str:
    """Return what the encrypted value of a row is bound to."""
    return f"terraform_environment|secret_value|{row.uuid}|{row.tenant_id}"


def environment_of_run(tenant_id: int, project_id: int) -> tuple[dict[str, str], dict[str, str]]:
    """Return the plain and the sensitive ones, name -> value, opened: a project's own, and those of its sets.

    Raises DecryptionError.
    """
    keyring = Keyring(settings().master_key.get_secret_value())
    rows = db.session.scalars(
        select(TerraformEnvironment)
        .where(TerraformEnvironment.tenant_id == tenant_id, TerraformEnvironment.project_id == project_id)
        .options(undefer(TerraformEnvironment.secret_value))
        .order_by(TerraformEnvironment.name)
    )
    plain: dict[str, str] = {}
    secret: dict[str, str] = {}
    for row in rows:
        if row.sensitive:
            secret[row.name] = keyring.decrypt(secret_context(row), row.secret_value or "")
        else:
            plain[row.name] = row.value or ""
    for found, value in set_values.values_of_sets(tenant_id, project_id, Category.ENVIRONMENT, {*plain, *secret}):
        (secret if found.variable.sensitive else plain)[found.variable.name] = str(value)
    return plain, secret
