"""Which paths a project's files may have. One rule for uploads, archives, git, the samples and the worker's copy."""

from __future__ import annotations

import re

from app.core.errors import InvalidInput
from app.runners.ansible_inputs import REQUIREMENTS  # nothing else may lie there

MAX_PATH = 500  # characters; the column's width
MAX_DEPTH = 12  # folders
# ASCII, begins with a letter, digit or underscore: no dot files (.git), no options (-x), no escapes (%2e).
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@-]{0,99}\Z")
# What a repository or an archive may bring besides: hidden files, blanks and brackets; never . .. or .git in any case.
_STORED = re.compile(r"(?!\.{1,2}\Z)(?!\.git\Z)(?!git~[0-9]+\Z)[A-Za-z0-9_.][A-Za-z0-9_.+@=,~ ()-]{0,99}(?<! )\Z", re.I)


def check_path(path: str, *, field: str = "file_path") -> str:
    """Return ``path`` (relative, POSIX) unchanged, or raise InvalidInput saying what is wrong with it."""
    if not path or len(path) > MAX_PATH:
        raise InvalidInput(**{field: f"Give a path of 1 to {MAX_PATH} characters."})
    parts = path.split("/")
    if len(parts) > MAX_DEPTH + 1 or not all(_PART.match(part) for part in parts):
        raise InvalidInput(
            **{
                field: "Give a path inside the project, such as site.yml or plays/site.yml: letters, digits and "
                "_ . + @ -, each part beginning with a letter, digit or underscore."
            }
        )
    return path


def is_storable(path: str) -> bool:
    """Say whether a file of a repository or archive can become part of a revision under this path."""
    parts = path.split("/")
    return (
        0 < len(path) <= MAX_PATH
        and len(parts) <= MAX_DEPTH + 1
        and parts[0].lower() != REQUIREMENTS
        and all(_STORED.match(part) for part in parts)
    )
