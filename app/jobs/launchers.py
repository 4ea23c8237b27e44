"""Ways to launch what a slice has saved, for slices beside it: connected at start, looked up by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from app.core.actor import Actor
from app.jobs.models import Launch
from app.jobs.service import Origin

SAVED = "saved_launch"


class Launcher(Protocol):
    """Launches what is saved under a UUID on some servers. A service: raises AppErrors."""

    def __call__(self, actor: Actor, saved_uuid: str, server_ids: Sequence[int], origin: Origin) -> Launch:
        """Launch it."""


class Titles(Protocol):
    """Says what can be launched so: UUID -> name for people."""

    def __call__(self, actor: Actor) -> dict[str, str]:
        """Return what the actor may launch."""


launchers: dict[str, Launcher] = {}
titles: dict[str, Titles] = {}
