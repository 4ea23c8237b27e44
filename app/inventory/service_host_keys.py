"""Commands on host keys: a person accepts or revokes what was seen; nothing is ever accepted by itself."""

from __future__ import annotations

from sqlalchemy import update

from app.audit import service as audit
from app.core.actor import Actor
from app.core.db import db
from app.core.db_time import database_now
from app.core.errors import Conflict, NotFound
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.inventory import queries
from app.inventory.models import HostKey, Server
from app.inventory.trail import server_resource


def _load(actor: Actor, server_id: int, key_id: int) -> tuple[Server, HostKey]:
    server = queries.get_server(actor, server_id)
    key = None
    if key_id <= queries.MAXIMUM_ID:
        key = db.session.scalar(scoped(actor, HostKey).where(HostKey.id == key_id, HostKey.server_id == server_id))
    if key is None:
        raise NotFound("This host key")
    return server, key


def accept_host_key(actor: Actor, server_id: int, key_id: int) -> HostKey:
    """Trust a key from now on; accepted ones of the same type are revoked. Twice is fine.

    Raises NotFound, Conflict for a revoked key (a person withdrew it: it has to be seen anew as another one).
    """
    require(actor, Permission.SERVER_ADMIN)
    server, key = _load(actor, server_id, key_id)
    if key.revoked_at is not None:
        raise Conflict(
            "This key was revoked and cannot be accepted again. Give the server a new host key "
            "(ssh-keygen -A after removing the old one), then test the connection.",
            error="host_key_revoked",
        )
    if key.accepted_at is not None:
        return key
    now = database_now()
    replaced = update(HostKey).where(
        HostKey.tenant_id == actor.tenant_id,
        HostKey.server_id == server_id,
        HostKey.key_type == key.key_type,
        HostKey.accepted_at.is_not(None),
        HostKey.revoked_at.is_(None),
    )
    db.session.execute(replaced.values(revoked_at=now).execution_options(synchronize_session=False))
    key.accepted_at, key.accepted_by = now, actor.user_id
    db.session.flush()
    details = {"fingerprint": key.fingerprint, "key_type": key.key_type, "hostname": server.hostname}
    audit.record(actor, "host_key:accept", server_resource(server), action="APPROVE", details=details)
    return key


def revoke_host_key(actor: Actor, server_id: int, key_id: int) -> HostKey:
    """Trust a key no longer; a waiting one is turned down. Runs refuse the server until another is accepted."""
    require(actor, Permission.SERVER_ADMIN)
    server, key = _load(actor, server_id, key_id)
    if key.revoked_at is not None:
        return key
    key.revoked_at = database_now()
    db.session.flush()
    details = {"fingerprint": key.fingerprint, "key_type": key.key_type, "hostname": server.hostname}
    audit.record(actor, "host_key:revoke", server_resource(server), action="UPDATE", details=details)
    return key
