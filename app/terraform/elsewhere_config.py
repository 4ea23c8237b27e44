"""How a state that lives elsewhere is reached: kept encrypted, opened for workers, shown without its secrets."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select

from app.core.crypto import DecryptionError, Keyring
from app.core.db import db
from app.core.errors import Conflict
from app.core.runtime import settings
from app.terraform.elsewhere_kinds import Config, secret_names
from app.terraform.models_state import TerraformState


def _context(head: TerraformState) -> str:
    return f"terraform_states|backend_config|{head.uuid}|{head.tenant_id}"


def sealed(head: TerraformState, config: Config) -> str:
    """Return a configuration as the row of a state keeps it."""
    return Keyring(settings().master_key.get_secret_value()).encrypt(_context(head), json.dumps(config))


def opened(head: TerraformState) -> Config:
    """Return the configuration of a state's backend with its secrets. Raises DecryptionError."""
    stored = db.session.scalar(
        select(TerraformState.backend_config).where(
            TerraformState.tenant_id == head.tenant_id, TerraformState.id == head.id
        )
    )
    found: Config = json.loads(Keyring(settings().master_key.get_secret_value()).decrypt(_context(head), stored or ""))
    return found


def shown(head: TerraformState) -> dict[str, Any] | None:
    """Return {"config": without secrets, "secrets": names of those that are stored}; None when it cannot be opened."""
    try:
        config = opened(head)
    except DecryptionError:
        return None
    hidden = secret_names(head.backend)
    return {
        "config": {name: value for name, value in sorted(config.items()) if name not in hidden},
        "secrets": sorted(hidden & config.keys()),
    }


def refuse_change(head: TerraformState) -> None:
    """Raise Conflict, with what to do instead, for a state that lives elsewhere and is only read here."""
    if head.is_elsewhere:
        raise Conflict(words(head), error="state_elsewhere")


def words(head: TerraformState) -> str:
    """Say where a state lives, and how it comes here."""
    return (
        f"The state of {head.workspace} lives in {head.backend_location} and is read-only here. Change it where it "
        "lives, or bring it here first: 'Bring it here' on the workspace's page."
    )
