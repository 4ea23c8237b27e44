"""Commands on host keys: a person accepts or revokes what was seen; nothing is ever accepted by itself."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import update

from app.audit import service as audit
from app.core.actor import Actor
from app.core.db import db
from app.core.db_time import database_now
from app.core.errors import Conflict, InvalidInput, NotFound
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


def replace_host_keys(actor: Actor, server_id: int, key_ids: Sequence[int]) -> list[HostKey]:
    """Trust exactly these waiting keys of a reinstalled server; every key accepted before is revoked. Audited.

    ``key_ids`` are those that the person compared. Raises NotFound for a key of another server, Conflict for one that
    is not waiting any more, InvalidInput for none.
    """
    require(actor, Permission.SERVER_ADMIN)
    server = queries.get_server(actor, server_id)
    if not key_ids:
        raise InvalidInput(key_ids="Name the keys that the server shows now. Test the connection to see them.")
    keys = [_load(actor, server_id, key_id)[1] for key_id in dict.fromkeys(key_ids)]
    if any(key.revoked_at is not None or key.accepted_at is not None for key in keys):
        raise Conflict("One of these keys is not waiting any more. Look at the page again.", error="host_key_settled")
    now = database_now()
    old = [key for key in queries.list_host_keys(actor, server_id) if key.accepted_at and not key.revoked_at]
    for key in old:
        key.revoked_at = now
    for key in keys:
        key.accepted_at, key.accepted_by = now, actor.user_id
    db.session.flush()
    details = {
        "hostname": server.hostname,
        "fingerprints": [[key.fingerprint for key in old], [key.fingerprint for key in keys]],
    }
    audit.record(actor, "host_key:replace", server_resource(server), action="APPROVE", details=details)
    return keys
