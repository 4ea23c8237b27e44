"""Edits carry the version they were made from: a stale one is refused, never a lost update."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from app.core.errors import VersionConflict


class Versioned:
    """Mixin: ``version`` starts at 1 and grows with every edit."""

    version: Mapped[int] = mapped_column(nullable=False, default=1, server_default="1")


def check_version(row: Versioned, seen: int | None) -> None:
    """Raise VersionConflict when ``seen`` (None: the caller does not care) is not the row's; then count up."""
    if seen is not None and seen != row.version:
        raise VersionConflict
    row.version += 1
