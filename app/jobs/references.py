"""Values that are looked up when a run is built: slices beside each other offer them to one another here.

A reference is a text ``<scheme>://...``. Its source is registered at start under the scheme. What it stands for is read
anew for each run and never stored with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from app.core.actor import Actor

MAX_REFERENCE = 500  # characters


class ReferenceRefused(Exception):
    """A reference cannot be followed; its text says why and what to do, for people."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a reference stands for now: JSON data. ``is_sensitive``: it must not be shown nor stored."""

    value: Any
    is_sensitive: bool


class ValueSource(Protocol):
    """Follows references of one scheme."""

    def check(self, actor: Actor, reference: str, *, must_exist: bool = True) -> bool:
        """Say whether a launch of this actor may be given the value even when it is sensitive.

        ``must_exist`` False: what is not there yet may come. Raises ReferenceRefused for a text that is none, for what
        is not there, and for what the actor may not have.
        """
        ...

    def find(self, tenant_id: int, reference: str) -> Found:
        """Return the value, for a run of the tenant that was allowed to have it; raises ReferenceRefused."""
        ...

    def offered(self, actor: Actor) -> Sequence[str]:
        """Return references that the actor may choose from, by text; none without the right to see them."""
        ...


sources: dict[str, ValueSource] = {}


def is_reference(value: Any) -> bool:
    """Say whether a value is looked up rather than meant as it stands."""
    return isinstance(value, str) and _source(value) is not None


def _source(text: str) -> ValueSource | None:
    scheme, sign, _ = text.partition("://")
    return sources.get(scheme) if sign else None


def check(actor: Actor, reference: str, *, must_exist: bool = True) -> bool:
    """Check a reference; see ``ValueSource.check``."""
    source = _source(reference)
    if source is None or len(reference) > MAX_REFERENCE:
        raise ReferenceRefused(f"This is no reference of at most {MAX_REFERENCE} characters that is known here.")
    return source.check(actor, reference, must_exist=must_exist)


def find(tenant_id: int, reference: str, *, may_be_sensitive: bool) -> Found:
    """Return what a reference stands for; ReferenceRefused too for a sensitive value that was not allowed."""
    source = _source(reference)
    if source is None:
        raise ReferenceRefused(f"This worker cannot look up {reference[:MAX_REFERENCE]}. Upgrade it.")
    found = source.find(tenant_id, reference)
    if found.is_sensitive and not may_be_sensitive:
        raise ReferenceRefused(
            f"{reference} is sensitive, and whoever launched this has no right to such values. "
            "Somebody who may read them launches it, or saves the launch."
        )
    return found


def offered(actor: Actor) -> list[str]:
    """Return the references that the actor may choose from, of all sources."""
    return [text for source in sources.values() for text in source.offered(actor)]
