"""Keys that plans and salvaged states of an execution are sealed with: made with it, stored encrypted."""

from __future__ import annotations

import base64

from sqlalchemy import select

from app.core.crypto import Keyring
from app.core.db import db
from app.core.runtime import settings
from app.runners.sealed import new_key
from app.terraform.models_executions import TerraformExecution


def _context(tenant_id: int, uuid: str) -> str:
    return f"terraform_executions|artifact_key|{uuid}|{tenant_id}"


def make_key(tenant_id: int, uuid: str) -> str:
    """Return a new key as the row of this execution keeps it."""
    keyring = Keyring(settings().master_key.get_secret_value())
    return keyring.encrypt(_context(tenant_id, uuid), base64.b64encode(new_key()).decode("ascii"))


def key_of(execution: TerraformExecution) -> bytes | None:
    """Return an execution's key; None once it is gone. DecryptionError when it cannot be opened."""
    stored = db.session.scalar(
        select(TerraformExecution.artifact_key).where(
            TerraformExecution.tenant_id == execution.tenant_id, TerraformExecution.id == execution.id
        )
    )
    if stored is None:
        return None
    keyring = Keyring(settings().master_key.get_secret_value())
    return base64.b64decode(keyring.decrypt(_context(execution.tenant_id, execution.uuid), stored))
