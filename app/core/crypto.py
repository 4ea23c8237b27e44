"""Secrets: keyed digests, and envelope encryption with AES-256-GCM.

Stored form: ``v1.<key id>.<nonce>.<wrapped data key>.<ciphertext>``, the last three base64url. The data key is
random per value and wrapped by the master key; both layers carry ``context`` (table|column|row|tenant) as
associated data, so that a value copied to another row does not decrypt. The key id is the fingerprint of the
master key. Only data keys are wrapped anew on rotation.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12  # NIST SP 800-38D, 5.2.1.1: 96-bit nonces for GCM


class DecryptionError(RuntimeError):
    """The value cannot be opened: unknown key, changed bytes, or moved to another row."""


def keyed_digest(key: str, text: str) -> bytes:
    """Return HMAC-SHA256 (32 bytes) of ``text``; for API keys and session ids."""
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()


def random_token(size: int = 32) -> str:
    """Return ``size`` random bytes as base64url text without padding."""
    return secrets.token_urlsafe(size)


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Keyring:
    """The master keys of this process: one per line of the setting, the first one encrypts."""

    def __init__(self, setting: str) -> None:
        self._keys: dict[str, bytes] = {}
        for line in setting.splitlines():
            if line.strip():
                key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"millwright master key").derive(
                    line.strip().encode()
                )
                self._keys[hashlib.sha256(key).hexdigest()[:16]] = key
        self.active = next(iter(self._keys))

    def encrypt(self, context: str, text: str) -> str:
        """Encrypt ``text`` for the row that ``context`` names."""
        data_key, nonce, wrap_nonce = (
            secrets.token_bytes(32),
            secrets.token_bytes(12),
            secrets.token_bytes(12),
        )
        aad = f"v1|{self.active}|{context}".encode()
        wrapped = wrap_nonce + AESGCM(self._keys[self.active]).encrypt(wrap_nonce, data_key, aad)
        body = AESGCM(data_key).encrypt(nonce, text.encode(), aad)
        return f"v1.{self.active}.{_b64(nonce)}.{_b64(wrapped)}.{_b64(body)}"

    def decrypt(self, context: str, stored: str) -> str:
        """Open what ``encrypt`` made with the same context; DecryptionError says why it cannot be."""
        try:
            version, key_id, nonce, wrapped, body = stored.split(".")
        except ValueError as error:
            raise DecryptionError("not an encrypted value") from error
        key = self._keys.get(key_id)
        if version != "v1" or key is None:
            raise DecryptionError(f"encrypted with key {key_id}, which this process does not have")
        aad = f"v1|{key_id}|{context}".encode()
        try:
            raw = _unb64(wrapped)
            data_key = AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], aad)
            return AESGCM(data_key).decrypt(_unb64(nonce), _unb64(body), aad).decode()
        except (InvalidTag, ValueError) as error:
            raise DecryptionError("the value was changed, or belongs to another row") from error
