"""Bytes that travel through spool and database and are read by nobody on the way: AES-256-GCM under a key of their run.

The key is made when a run is planned, handed to its supervisor with the spec, and kept encrypted by the kind of job.
Form: ``MW1``, 12 bytes of nonce, ciphertext with its tag (NIST SP 800-38D). Compressed first (zlib): states and plans
become a tenth or less.
"""

from __future__ import annotations

import os
import zlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
MAX_OPENED_BYTES = 536_870_912  # of one artifact: a compressed bomb ends here
_HEAD = b"MW1"
_NONCE = 12


class SealError(Exception):
    """These bytes were not sealed with this key, or were changed since."""


def new_key() -> bytes:
    """Return a key for one run."""
    return os.urandom(KEY_BYTES)


def seal(key: bytes, name: str, data: bytes) -> bytes:
    """Return ``data`` compressed and encrypted; ``name`` is what it is and has to be given again to open it."""
    nonce = os.urandom(_NONCE)
    return _HEAD + nonce + AESGCM(key).encrypt(nonce, zlib.compress(data, 6), name.encode())


def unseal(key: bytes, name: str, sealed: bytes) -> bytes:
    """Return what was sealed under that name; raises SealError."""
    if sealed[: len(_HEAD)] != _HEAD:
        raise SealError("these bytes are not sealed")
    rest = sealed[len(_HEAD) :]
    try:
        packed = AESGCM(key).decrypt(rest[:_NONCE], rest[_NONCE:], name.encode())
    except (InvalidTag, ValueError) as error:
        raise SealError("another key, another name, or changed bytes") from error
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(packed, MAX_OPENED_BYTES)
    if unpacker.unconsumed_tail:
        raise SealError(f"more than {MAX_OPENED_BYTES} bytes")
    return data
