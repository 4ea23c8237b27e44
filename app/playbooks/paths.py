"""Which paths the entry file of a playbook may have; the rule for all files is ``app.sources.paths``."""

from __future__ import annotations

from app.core.errors import InvalidInput
from app.sources.paths import check_path

PLAYBOOK_ENDINGS = (".yml", ".yaml")


def check_playbook_path(path: str, *, field: str = "file_path") -> str:
    """As ``check_path``, for an entry file: it must end in .yml or .yaml."""
    check_path(path, field=field)
    if not path.endswith(PLAYBOOK_ENDINGS):
        raise InvalidInput(**{field: "A playbook's file name ends in .yml or .yaml."})
    return path
