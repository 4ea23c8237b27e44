"""Values of variables as a run gets them: opened, for a worker only."""

from __future__ import annotations

import json
from typing import Any

from app.core.crypto import Keyring
from app.core.runtime import settings
from app.terraform import queries
from app.terraform.models_variables import TerraformVariable


def secret_context(variable: TerraformVariable) -> str:
    """Return what a variable's encrypted value is bound to."""
    return f"terraform_variables|secret_value|{variable.uuid}|{variable.tenant_id}"


def values_of_run(tenant_id: int, project_id: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the plain and the secret values of a project by name, opened, for a worker only.

    Raises DecryptionError.
    """
    keyring = Keyring(settings().master_key.get_secret_value())
    plain: dict[str, Any] = {}
    secret: dict[str, Any] = {}
    for variable in queries.variables_with_secrets(tenant_id, project_id):
        if not variable.is_set:
            continue  # declared, and left to its default
        if variable.sensitive:
            secret[variable.name] = json.loads(keyring.decrypt(secret_context(variable), variable.secret_value or ""))
        else:
            plain[variable.name] = variable.value
    return plain, secret
