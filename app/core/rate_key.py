"""For whom requests are counted by the general limit: the API key when it is a good one, else the address."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

from flask import request
from flask_limiter.util import get_remote_address

REMEMBERED = 10_000  # good keys per process
_good: OrderedDict[str, None] = OrderedDict()
_lock = threading.Lock()


def _given_key() -> str | None:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not request.path.startswith("/api/"):
        return None
    return hashlib.sha256(text.strip().encode("utf-8", "replace")).hexdigest()


def remember_good_key() -> None:
    """Note that this request's key opened an account, so that its next requests count for the key."""
    digest = _given_key()
    if digest is None:
        return
    with _lock:
        _good[digest] = None
        _good.move_to_end(digest)
        while len(_good) > REMEMBERED:
            _good.popitem(last=False)


def rate_key() -> str:
    """Return whom this request counts for.

    A key that was never seen to be good counts for the address: invented keys open no new account of requests.
    """
    digest = _given_key()
    return f"key {digest}" if digest is not None and digest in _good else get_remote_address()
