"""Large files encrypted piece by piece: AES-256-GCM after STREAM (Hoang, Reyhanitabar, Rogaway, Vizár 2015).

``MWSEALED1`` + 16 bytes of salt, then pieces of 1 MiB and their tags. The nonce is the piece's number and whether it
is the last one, so that pieces cannot be swapped, left out or cut off; the key is derived from the key file and the
salt, so that each file has its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.operations.errors import OperationStopped

MAGIC = b"MWSEALED1"
PIECE = 1_048_576
TAG = 16
SALT = 16
MINIMUM_KEY = 32  # characters, as of the platform's own keys


def read_key(path: Path) -> bytes:
    """Return the key in a file (surrounding white space aside). OperationStopped when it is too short."""
    try:
        text = path.read_bytes().strip()
    except OSError as error:
        raise OperationStopped(f"The key file {path} cannot be read: {error.strerror}.") from error
    if len(text) < MINIMUM_KEY:
        raise OperationStopped(f"{path} needs at least {MINIMUM_KEY} characters; `openssl rand -hex 32` makes some.")
    return text


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"millwright backup").derive(key))


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\1" if is_last else b"\0")


class SealedWriter:
    """A file-like object that encrypts what is written to it; whole only after ``close``."""

    def __init__(self, target: IO[bytes], key: bytes) -> None:
        salt = secrets.token_bytes(SALT)
        self._target, self._cipher = target, _cipher(key, salt)
        self._buffer, self._number = bytearray(), 0
        target.write(MAGIC + salt)

    def write(self, data: bytes) -> int:
        """Take some bytes."""
        self._buffer += data
        while len(self._buffer) > PIECE:  # never the last one
            self._put(bytes(self._buffer[:PIECE]), is_last=False)
            del self._buffer[:PIECE]
        return len(data)

    def flush(self) -> None:
        """Do nothing: a piece is written when it is full."""

    def close(self) -> None:
        """Write the last piece; the target stays open."""
        self._put(bytes(self._buffer), is_last=True)

    def _put(self, piece: bytes, *, is_last: bool) -> None:
        self._target.write(self._cipher.encrypt(_nonce(self._number, is_last=is_last), piece, MAGIC))
        self._number += 1


def open_sealed(source: IO[bytes], key: bytes) -> Iterator[bytes]:
    """Yield the clear pieces; OperationStopped for another key or changed bytes."""
    head = source.read(len(MAGIC) + SALT)
    if not head.startswith(MAGIC) or len(head) != len(MAGIC) + SALT:
        raise OperationStopped("The file is not an encrypted backup.")
    cipher, number = _cipher(key, head[len(MAGIC) :]), 0
    piece = source.read(PIECE + TAG)
    while True:
        following = source.read(PIECE + TAG)
        try:
            yield cipher.decrypt(_nonce(number, is_last=not following), piece, MAGIC)
        except InvalidTag as error:
            raise OperationStopped("The backup was encrypted with another key, or was changed since.") from error
        if not following:
            return
        piece, number = following, number + 1
