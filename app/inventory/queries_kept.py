"""Reads of what is kept beside servers: which passwords are set, facts, last jobs."""

from __future__ import annotations

from collections.abc import Sequence

from app.core.actor import Actor
from app.core.db import db
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.inventory.models_kept import ServerCredential


def credentials_of(actor: Actor, server_id: int) -> Sequence[ServerCredential]:
    """Return which passwords of a server are set, by kind; the passwords themselves are not loaded."""
    require(actor, Permission.SERVER_VIEW)
    return db.session.scalars(
        scoped(actor, ServerCredential).where(ServerCredential.server_id == server_id).order_by(ServerCredential.kind)
    ).all()
