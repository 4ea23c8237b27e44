"""The bytes that the chain covers: one form of an entry, whichever database it comes back from."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.core.clock import iso

GENESIS = bytes(32)  # prev_hash of a tenant's first entry
# Everything that is stored, but the row's own number (it is not known before the INSERT) and the hashes.
FIELDS = (
    "tenant_id",
    "seq",
    "user_id",
    "action",
    "event",
    "outcome",
    "resource_type",
    "resource_id",
    "resource_uuid",
    "details",
    "via",
    "api_key_prefix",
    "request_id",
    "ip_address",
    "user_agent",
    "timestamp",
    "key_id",
)


def canonical(row: Mapping[str, Any]) -> bytes:
    """Return the JSON of FIELDS with sorted keys, no spaces, ASCII; ``timestamp`` as ISO with six digits.

    Built from parsed values: MySQL reorders the keys of a JSON column, MariaDB keeps the text. Floats are refused
    (ValueError): no two databases print them alike.
    """
    values = {name: row[name] for name in FIELDS}
    moment: datetime = values["timestamp"]
    values["timestamp"] = iso(moment)
    _refuse_floats(values["details"])
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise ValueError("an audit entry holds no floats; render them as text first")
    if isinstance(value, dict):
        for item in value.values():
            _refuse_floats(item)
    elif isinstance(value, list):
        for item in value:
            _refuse_floats(item)


class AuditKeys:
    """The audit keys of this process: one per line of the setting, the first one signs, all of them verify."""

    def __init__(self, setting: str) -> None:
        keys = [line.strip().encode() for line in setting.splitlines() if line.strip()]
        self._keys = {_fingerprint(key): key for key in keys}
        self.active = _fingerprint(keys[0])

    def link(self, previous: bytes, row: Mapping[str, Any]) -> bytes | None:
        """Return HMAC-SHA256(key, previous hash, canonical row), 32 bytes; None when ``row``'s key is not here."""
        key = self._keys.get(row["key_id"])
        if key is None:
            return None
        return hmac.digest(key, previous + canonical(row), hashlib.sha256)

    def seal(self, purpose: str, values: Mapping[str, Any], key_id: str | None = None) -> bytes | None:
        """Return HMAC-SHA256(key, purpose and ``values`` as JSON), 32 bytes; None when the key is not here.

        ``values`` are plain (numbers, text, None); ``key_id``: the active key when not given.
        """
        key = self._keys.get(key_id or self.active)
        if key is None:
            return None
        text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hmac.digest(key, f"millwright {purpose}:{text}".encode(), hashlib.sha256)


def _fingerprint(key: bytes) -> str:
    return hashlib.sha256(b"millwright audit key id:" + key).hexdigest()[:16]
