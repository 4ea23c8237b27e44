"""The bytes of state versions: compressed, encrypted with a key of their own, kept in pieces.

The data key is wrapped by the master key and bound to its row (``core.crypto``): on rotation it is wrapped anew, and
the bytes stay as they are.
"""

from __future__ import annotations

import base64

from sqlalchemy import insert, select

from app.core.crypto import DecryptionError, Keyring
from app.core.db import db
from app.core.errors import Conflict
from app.core.runtime import settings
from app.runners.sealed import SealError, new_key, seal, unseal
from app.terraform.models_state import TerraformStateChunk, TerraformStateFile

PIECE_BYTES = 4_194_304  # a row has to fit into max_allowed_packet (16 MiB by default on MariaDB)


def _context(tenant_id: int, uuid: str) -> str:
    return f"terraform_state_files|state_data|{uuid}|{tenant_id}"


def wrap_key(tenant_id: int, uuid: str, key: bytes) -> str:
    """Return a version's data key as its row keeps it."""
    keyring = Keyring(settings().master_key.get_secret_value())
    return keyring.encrypt(_context(tenant_id, uuid), base64.b64encode(key).decode("ascii"))


def make_key(tenant_id: int, uuid: str) -> tuple[bytes, str]:
    """Return a new data key, and the same as its row keeps it."""
    key = new_key()
    return key, wrap_key(tenant_id, uuid, key)


def store(file: TerraformStateFile, key: bytes, data: bytes) -> None:
    """Insert the pieces of a version that was just flushed."""
    sealed = seal(key, file.uuid, data)
    pieces = [sealed[start : start + PIECE_BYTES] for start in range(0, len(sealed), PIECE_BYTES)]
    for number, piece in enumerate(pieces):  # one by one: together they may be more than a packet holds
        db.session.execute(
            insert(TerraformStateChunk),
            [{"tenant_id": file.tenant_id, "state_file_id": file.id, "piece": number, "data": piece}],
        )


class StateUnreadable(Conflict):
    """The bytes of a version cannot be opened with the master keys that there are."""

    def __init__(self, version: int, why: object) -> None:
        super().__init__(
            f"Version {version} of this state cannot be opened: {why}. Give the platform the master key that it was "
            "written with, or put back a version that can be opened.",
            error="state_unreadable",
        )


def load(file: TerraformStateFile) -> bytes:
    """Return the bytes of a version; StateUnreadable when they cannot be opened."""
    keyring = Keyring(settings().master_key.get_secret_value())
    wrapped = db.session.scalar(select(TerraformStateFile.state_data).where(TerraformStateFile.id == file.id))
    try:
        key = base64.b64decode(keyring.decrypt(_context(file.tenant_id, file.uuid), wrapped or ""))
    except DecryptionError as error:
        raise StateUnreadable(file.version, error) from error
    pieces = db.session.scalars(
        select(TerraformStateChunk.data)
        .where(TerraformStateChunk.tenant_id == file.tenant_id, TerraformStateChunk.state_file_id == file.id)
        .order_by(TerraformStateChunk.piece)
    )
    try:
        return unseal(key, file.uuid, b"".join(pieces))
    except SealError as error:
        raise StateUnreadable(file.version, error) from error
