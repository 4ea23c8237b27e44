"""The settings that tests run with: MILLWRIGHT_* variables with keys made anew for each test session."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

KEY_NAMES = ("SECRET_KEY", "API_KEY_PEPPER", "PASSWORD_PEPPER", "AUDIT_KEY", "MASTER_KEY")
PREFIX = "MILLWRIGHT_"
KEYS = {f"{PREFIX}{name}": secrets.token_hex(32) for name in KEY_NAMES}
# What a started process may see of the developer's own environment.
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "USER", "LOGNAME", "XDG_CACHE_HOME")


def settings_environment(database_url: str, data_dir: Path, **more: str) -> dict[str, str]:
    """MILLWRIGHT_* variables alone; ``more`` by setting name in lower case (``redis_url="..."``)."""
    return {
        **KEYS,
        "MILLWRIGHT_DATABASE_URL": database_url,
        "MILLWRIGHT_DATA_DIR": str(data_dir),
        **{f"{PREFIX}{name.upper()}": value for name, value in more.items()},
    }


def process_environment(settings: dict[str, str]) -> dict[str, str]:
    """A whole environment for a process of the platform: the settings and little else."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**kept, "PYTHONUNBUFFERED": "1", **settings}
