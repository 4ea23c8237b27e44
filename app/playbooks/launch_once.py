"""Starting something by REST at most once per Idempotency-Key, and answering with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import request

from app.accounts.idempotency import once
from app.core.db import db
from app.core.flask_app import current_actor
from app.core.tenancy import scoped
from app.jobs.models import Launch

# For ``blueprint.doc(**KEY)``.
KEY: dict[str, Any] = {
    "parameters": [
        {
            "in": "header",
            "name": "Idempotency-Key",
            "required": False,
            "schema": {"type": "string", "maxLength": 200},
            "description": "Repeat a request with the same key and body: nothing is launched twice.",
        }
    ]
}


def launch_once(operation: str, body: Any, start: Callable[[], Launch]) -> tuple[Launch, dict[str, str]]:
    """Return the launch that ``start`` made, or that it made for the same key and body before, and its headers."""
    actor = current_actor()
    key = request.headers.get("Idempotency-Key")
    uuid, replayed = once(actor, key, operation, body, "launch", lambda: start().uuid)
    # One's own: no permission to read launches is asked for.
    launch = db.session.scalars(scoped(actor, Launch).where(Launch.uuid == uuid)).one()
    return launch, {"Location": f"/api/v1/launches/{uuid}", **({"Idempotent-Replayed": "true"} if replayed else {})}
