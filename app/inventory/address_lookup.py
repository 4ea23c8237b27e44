"""Looking up the addresses of host names that an inventory gives without one; bounded in number and time."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor, wait

MAXIMUM_NAMES = 1_000
SECONDS = 10.0  # for all of them together
THREADS = 8
Lookup = Callable[[Collection[str]], dict[str, str]]


def look_up(names: Collection[str]) -> dict[str, str]:
    """Return the first address of each name that the resolver of this machine knows; names without one are missing.

    At most 1,000 names and 10 seconds; what took longer is missing too.
    """
    wanted = list(names)[:MAXIMUM_NAMES]
    if not wanted:
        return {}
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="lookup")
    try:
        asked = {name: pool.submit(_first, name) for name in wanted}
        wait(asked.values(), timeout=SECONDS)
        answers = {name: future.result() for name, future in asked.items() if future.done()}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return {name: address for name, address in answers.items() if address is not None}


def _first(name: str) -> str | None:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return None
    return str(found[0][4][0]) if found else None
