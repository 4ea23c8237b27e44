"""Entries about refusals, and about people who have not signed in yet."""

from __future__ import annotations

import logging
from typing import Any

from app.accounts.identity import KeyRefused, Origin
from app.audit import service as audit
from app.audit.service import Resource
from app.core.actor import Actor, Role, Via
from app.core.errors import PermissionDenied
from app.core.tenancy import tenant_scope

log = logging.getLogger(__name__)

DEFAULT_TENANT = 1  # tries of people that nobody knows are recorded there


def stranger(origin: Origin, *, tenant_id: int = DEFAULT_TENANT, user_id: int | None = None) -> Actor:
    """Return an actor for entries about somebody who has not signed in."""
    return Actor(
        tenant_id=tenant_id,
        user_id=user_id,
        role=Role.VIEWER,
        label="anonymous",
        via=Via.SESSION,
        ip_address=origin.ip_address,
        user_agent=origin.user_agent,
        request_id=origin.request_id,
    )


def record_refusal(actor: Actor | None, error: Exception, details: dict[str, Any]) -> None:
    """Store a refusal (a permission, a known key) in a unit of its own. ``details`` say what was asked.

    A stranger without any credential is nobody's entry. A failure here is logged and changes no answer: the
    request was refused anyway.
    """
    if isinstance(error, PermissionDenied) and actor is not None:
        event, details = error.permission, {**details, "permission": error.permission, "role": actor.role.value}
    elif isinstance(error, KeyRefused):
        actor, event, details = error.actor, "api_key:use", {**details, "reason": error.reason}
    else:
        return
    resource = Resource("api_key" if isinstance(error, KeyRefused) else event.split(":")[0])
    try:
        with tenant_scope(actor.tenant_id):
            audit.record_refusal(actor, event, resource, details=details)
    except Exception:
        log.exception("a refusal could not be recorded")
