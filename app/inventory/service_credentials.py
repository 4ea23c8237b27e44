"""Commands on the passwords of servers: set, replace, remove. Nobody can read one again."""

from __future__ import annotations

from app.audit import service as audit
from app.core.actor import Actor
from app.core.db import db
from app.core.db_time import database_now
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.inventory import credentials, queries
from app.inventory.models import Connection, Server
from app.inventory.models_kept import CredentialKind, ServerCredential
from app.inventory.trail import server_resource


def set_credential(actor: Actor, server_id: int, kind_name: str, password: str) -> ServerCredential:
    """Store or replace a password. Audited without it.

    ``kind_name`` is a CredentialKind. Raises NotFound; InvalidInput for one that is too short to be masked, too long or
    no plain text; Conflict for a sign-in password of a server that nobody signs in to (connection local).
    """
    require(actor, Permission.SERVER_ADMIN)
    server, kind = queries.get_server(actor, server_id), _kind(kind_name)
    try:
        credentials.check(password)
    except ValueError as error:
        raise InvalidInput(password=str(error)) from error
    if kind is CredentialKind.CONNECTION and server.connection is Connection.LOCAL:
        raise Conflict("Nobody signs in to a server with the connection 'local'. Change its connection first.")
    row = _find(actor, server_id, kind)
    is_new = row is None
    if row is None:
        row = ServerCredential(tenant_id=actor.tenant_id, server_id=server.id, kind=kind.value)
    row.sealed = credentials.seal(actor.tenant_id, server.id, kind, password)
    row.set_at, row.set_by = database_now(), actor.user_id
    db.session.add(row)
    db.session.flush()
    _record(actor, server, "set" if is_new else "replace", kind)
    return row


def remove_credential(actor: Actor, server_id: int, kind_name: str) -> None:
    """Forget a password; one that is not set is fine."""
    require(actor, Permission.SERVER_ADMIN)
    server, kind = queries.get_server(actor, server_id), _kind(kind_name)
    row = _find(actor, server_id, kind)
    if row is None:
        return
    db.session.delete(row)
    db.session.flush()
    _record(actor, server, "remove", kind)


def _kind(name: str) -> CredentialKind:
    try:
        return CredentialKind(name)
    except ValueError:
        raise NotFound("This kind of password") from None


def _find(actor: Actor, server_id: int, kind: CredentialKind) -> ServerCredential | None:
    return db.session.scalar(
        scoped(actor, ServerCredential).where(
            ServerCredential.server_id == server_id, ServerCredential.kind == kind.value
        )
    )


def _record(actor: Actor, server: Server, what: str, kind: CredentialKind) -> None:
    # Not under a name with "password": the log would mask the kind.
    details = {"kind": kind.value, "hostname": server.hostname}
    audit.record(actor, f"server_access:{what}", server_resource(server), action="UPDATE", details=details)
