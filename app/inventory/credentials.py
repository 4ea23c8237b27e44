"""Passwords of servers, sealed and opened: AES-256-GCM, bound to the server, the kind and the tenant."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from app.core.crypto import DecryptionError, Keyring
from app.core.db import db
from app.core.runtime import settings
from app.inventory.models_kept import CredentialKind, ServerCredential

MINIMUM = 8  # shorter ones cannot be masked in a log without hiding ordinary words
MAXIMUM = 1024


class CredentialLost(RuntimeError):
    """A stored password cannot be opened any more; the message says what to do."""


def _context(tenant_id: int, server_id: int, kind: str) -> str:
    return f"server_credentials|sealed|{server_id}|{kind}|{tenant_id}"


def _keyring() -> Keyring:
    return Keyring(settings().master_key.get_secret_value())


def check(password: str) -> None:
    """Raise ValueError with advice for a password that cannot be kept."""
    if not MINIMUM <= len(password) <= MAXIMUM:
        raise ValueError(f"{MINIMUM} to {MAXIMUM:,} characters: a shorter one could not be masked in the log.")
    if not password.isprintable():
        raise ValueError("Without line ends and control characters.")


def seal(tenant_id: int, server_id: int, kind: CredentialKind, password: str) -> str:
    """Return what is stored."""
    return _keyring().encrypt(_context(tenant_id, server_id, kind.value), password)


def open_all(tenant_id: int, server_ids: Collection[int]) -> dict[int, dict[str, str]]:
    """Return the passwords of some servers: server id -> kind -> text. For the worker; never shown.

    Raises CredentialLost when one was sealed with a master key that this process does not have.
    """
    rows = db.session.execute(
        select(ServerCredential.server_id, ServerCredential.kind, ServerCredential.sealed).where(
            ServerCredential.tenant_id == tenant_id, ServerCredential.server_id.in_(server_ids)
        )
    ).all()
    keyring, found = _keyring() if rows else None, dict[int, dict[str, str]]()
    for server_id, kind, sealed in rows:
        assert keyring is not None
        try:
            text = keyring.decrypt(_context(tenant_id, server_id, kind), sealed)
        except DecryptionError as error:
            raise CredentialLost(
                f"The stored {kind} password of server {server_id} cannot be opened: {error}. "
                "Set it again, or give this process the master key it was stored with."
            ) from error
        found.setdefault(server_id, {})[kind] = text
    return found
