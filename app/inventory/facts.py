"""Facts as data: which are searched by, what they say of the system, and how they read as rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from app.inventory import values

PREFIX = "ansible_"
# What servers can be looked for by; each is one indexed row per server.
SEARCHABLE = (
    *("architecture", "distribution", "distribution_major_version", "distribution_release", "distribution_version"),
    *("domain", "fqdn", "hostname", "kernel", "memtotal_mb", "os_family", "pkg_mgr", "processor_cores"),
    *("processor_vcpus", "product_name", "python_version", "service_mgr", "system", "system_vendor"),
    *("virtualization_role", "virtualization_type"),
)
# A gathering that brings all of these was a whole one; any other adds to what is known.
MARKS_OF_ALL = frozenset({"ansible_kernel", "ansible_distribution", "ansible_memtotal_mb", "ansible_processor"})
MAXIMUM_VALUE = 191


def short(name: str) -> str:
    """Return a fact's name without ``ansible_``."""
    return name.removeprefix(PREFIX)


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known after a gathering: a whole one replaces, one of a part adds to the old facts."""
    return dict(new) if new.keys() >= MARKS_OF_ALL else {**old, **new}


def as_word(value: Any) -> str | None:
    """Return a scalar as the text that servers are looked for by; None for what cannot be looked for."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        return None
    text = " ".join(str(value).split()).lower()[:MAXIMUM_VALUE]
    return text or None


def searchable(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the searchable facts by short name."""
    found = {}
    for name in SEARCHABLE:
        word = as_word(facts.get(PREFIX + name, facts.get(name)))
        if word is not None:
            found[name] = word
    return found


def system_of(facts: Mapping[str, Any]) -> tuple[str, str | None] | None:
    """Return (os_type, os_version) as a person could have typed them; None when the facts do not say."""
    try:
        name = values.os_name(str(facts["ansible_distribution"]).lower())
    except (KeyError, ValueError):
        return None
    try:
        return name, values.os_name(str(facts["ansible_distribution_version"]))
    except (KeyError, ValueError):
        return name, None


def parse_wanted(text: str) -> tuple[str, str]:
    """Return (short name, word) of a filter ``name:value``. Raises ValueError with advice."""
    name, colon, value = text.partition(":")
    name, word = short(name.strip()), as_word(value)
    if not colon or word is None:
        raise ValueError("Give name:value, for example distribution_version:12.")
    if name not in SEARCHABLE:
        raise ValueError(f"Servers can be looked for by these facts: {', '.join(SEARCHABLE)}.")
    return name, word


def rows(facts: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield (path, value) of every scalar, in the order of the names; ``mounts[0].device`` names one of a list."""
    if isinstance(facts, Mapping) and facts:
        for name in sorted(facts, key=str):
            yield from rows(facts[name], f"{path}.{name}" if path else str(name))
    elif isinstance(facts, list) and facts:
        for index, item in enumerate(facts):
            yield from rows(item, f"{path}[{index}]")
    elif path:
        empty = {dict: "{}", list: "[]", type(None): "null"}.get(type(facts))
        yield path, empty or as_text(facts)


def as_text(value: Any) -> str:
    """Return a scalar as it is shown."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
