"""What an audit entry is about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """A thing by kind and key, e.g. ``Resource("server", server.id)``; flush first, so that a new row has its id.

    ``id`` and ``uuid`` may both be missing: a sign-in with an unknown name is about no row.
    """

    type: str
    id: int | None = None
    uuid: str | None = None
