"""Names of groups: what people may choose, and the groups that come by themselves from tags and environments."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Ansible itself takes almost anything and warns; dashes and dots are usual in inventories that exist.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\Z")
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
BUILT_IN = frozenset({"all", "ungrouped"})
TAG, ENVIRONMENT = "tag_", "env_"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]")


def group_name(text: str) -> str:
    """Return a name that people may give to a group; ValueError with advice otherwise."""
    name = text.strip(" ")
    if not NAME.match(name):
        raise ValueError(
            f"'{text[:50]}' cannot name a group: 1 to 100 of a-z, A-Z, 0-9 and _ . -, beginning with a letter, digit "
            "or underscore."
        )
    if name in BUILT_IN or name in ("localhost", "group_names", "hostvars"):
        raise ValueError(f"'{name}' is Ansible's own. Choose another name.")
    if name.startswith((TAG, ENVIRONMENT)):
        raise ValueError(
            f"Names beginning with {TAG} and {ENVIRONMENT} come by themselves from a server's tags and environment. "
            "Choose another name."
        )
    return name


def is_plain(name: str) -> bool:
    """Say whether Ansible takes the name without a warning, and ``groups.name`` works in a template."""
    return IDENTIFIER.match(name) is not None


def automatic_groups(tags: Iterable[str] | None, environment: str | None) -> list[str]:
    """Return ``tag_<tag>`` and ``env_<environment>``, other characters as ``_``, each once."""
    names = [f"{TAG}{tag}" for tag in tags or ()]
    names += [f"{ENVIRONMENT}{environment}"] if environment else []
    return list(dict.fromkeys(_NOT_IN_NAMES.sub("_", name)[:100] for name in names))
