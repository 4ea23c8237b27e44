"""The environment of the processes: what the caller's environment sets, and for the rest the data folder's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from app.standalone.folder import KEY_NAMES, DataFolder

PREFIX = "MILLWRIGHT_"
ROOT = Path(__file__).resolve().parents[2]
# Ctrl-C should not take a minute; a run that needs longer is stopped and says so.
DRAIN_SECONDS = 10


def is_set(environment: Mapping[str, str], name: str) -> bool:
    """Say whether a setting is given, as a value or as a file."""
    variable = f"{PREFIX}{name.upper()}"
    return variable in environment or f"{variable}_FILE" in environment


def data_dir(environment: Mapping[str, str]) -> Path:
    """Return the data folder: ``MILLWRIGHT_DATA_DIR``, or ``var/`` in the clone."""
    return Path(environment.get(f"{PREFIX}DATA_DIR") or ROOT / "var")


def uses_own_broker(environment: Mapping[str, str]) -> bool:
    """Say whether the platform starts a broker itself (no Redis is named)."""
    return not is_set(environment, "redis_url")


def uses_own_keys(environment: Mapping[str, str]) -> bool:
    """Say whether any of the keys comes from the data folder."""
    return not all(is_set(environment, name) for name in KEY_NAMES)


def build(folder: DataFolder, base_url: str, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the whole environment of a process of the platform; ``given`` (this process's) wins."""
    given = os.environ if given is None else given
    made = {
        "data_dir": str(folder.path),
        "database_url": f"sqlite:///{folder.database}",
        "redis_url": f"redis+socket://{folder.socket}",
        "public_url": base_url,
        "drain_seconds": str(DRAIN_SECONDS),
    }
    environment = {**given, "PYTHONUNBUFFERED": "1"}
    for name, value in made.items():
        if not is_set(given, name):
            environment[f"{PREFIX}{name.upper()}"] = value
    for name in KEY_NAMES:
        if not is_set(given, name):
            environment[f"{PREFIX}{name.upper()}_FILE"] = str(folder.key_file(name))
    return environment
