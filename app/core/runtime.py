"""The settings of this process, set once at start so that services need no Flask to read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config import Settings

_settings: Settings | None = None


def configure(settings: Settings) -> None:
    """Make ``settings`` those of this process."""
    global _settings
    _settings = settings


def settings() -> Settings:
    """Return the settings; RuntimeError before ``configure``."""
    if _settings is None:
        raise RuntimeError("the platform is not configured yet: build the application first")
    return _settings
