"""Values of the outputs that the root module declares, as the newest state of the workspace ``default`` has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from app.core.actor import Actor
from app.core.db import db
from app.core.tenancy import scoped
from app.terraform.models_configuration import TerraformOutput
from app.terraform.state_document import outputs

MAX_VALUE = 16_384  # characters of a value as JSON; longer ones stand in the state only


def take(system: Actor, project_id: int, parsed: Mapping[str, Any]) -> None:
    """Keep the values that a state has; never one that the files or the state say is sensitive."""
    known = outputs(parsed)
    rows = db.session.scalars(
        scoped(system, TerraformOutput).where(TerraformOutput.project_id == project_id, TerraformOutput.module_key == 0)
    )
    for row in rows:
        found = known.get(row.name)
        is_open = found is not None and not found["sensitive"] and not row.sensitive
        value = found["value"] if found is not None and is_open else None
        if value is not None and len(json.dumps(value)) > MAX_VALUE:
            value = None
        if json.dumps(row.value) != json.dumps(value):  # 1 and true differ
            row.value = value
    db.session.flush()
