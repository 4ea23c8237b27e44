"""Writes that a caller may safely repeat: the same Idempotency-Key and body lead to the same resource."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import IntegrityError

from app.accounts.models import IdempotencyKey
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict, InvalidInput
from app.core.tenancy import scoped

# Visible ASCII, as a structured-field string needs it (draft-ietf-httpapi-idempotency-key-header).
_KEY = re.compile(r"[\x21-\x7e]{1,200}\Z")


def body_digest(operation: str, body: Any) -> bytes:
    """Return the SHA-256 of an operation's name and its loaded input (plain data)."""
    return hashlib.sha256(json.dumps([operation, body], sort_keys=True, default=str).encode()).digest()


def once(
    actor: Actor, key: str | None, operation: str, body: Any, resource_type: str, start: Callable[[], str]
) -> tuple[str, bool]:
    """Call ``start`` (it returns the new resource's UUID) unless this user's key did so before.

    Returns (UUID, whether it is a repetition). Without a key ``start`` is always called. Raises InvalidInput for a
    malformed key or one used with another body, Conflict when a twin of this request got there first.
    """
    if key is None:
        return start(), False
    if not _KEY.match(key):
        raise InvalidInput("The Idempotency-Key must be 1 to 200 visible ASCII characters, for example a UUID.")
    digest = body_digest(operation, body)
    found = db.session.scalar(
        scoped(actor, IdempotencyKey).where(IdempotencyKey.user_id == actor.user_id, IdempotencyKey.key == key)
    )
    if found is not None:
        if found.body_hash != digest:
            raise InvalidInput("This Idempotency-Key was used for another request. Use a new key for a new request.")
        return found.resource_uuid, True
    uuid = start()
    row = IdempotencyKey(
        tenant_id=actor.tenant_id,
        user_id=actor.user_id,
        key=key,
        body_hash=digest,
        resource_type=resource_type,
        resource_uuid=uuid,
    )
    try:
        with db.session.begin_nested():
            db.session.add(row)
    except IntegrityError as error:
        # The whole unit of work is rolled back, the launch with it: the twin's stays.
        raise Conflict(
            "The same request is being worked on. Send it again to see its result.", error="in_progress"
        ) from error
    return uuid, False
