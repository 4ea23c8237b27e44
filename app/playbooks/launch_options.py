"""How to run, beside what and where: the options that every launch on servers has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from app.core.errors import InvalidInput
from app.core.runtime import settings

MAX_FORKS = 500
MAX_VERBOSITY = 4
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,99}\Z")  # never an option, never a file (T-ARGS)

OPTIONS = ("check", "diff", "tags", "skip_tags", "forks", "verbosity", "timeout_seconds")


@dataclass(frozen=True, slots=True)
class LaunchOptions:
    """How to run, beside what and where. Tags are Ansible's."""

    check: bool = False
    diff: bool = False
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    forks: int = 5
    verbosity: int = 0
    timeout_seconds: int | None = None  # None: the playbook's, else the setting's
    extra_vars: Mapping[str, Any] = field(default_factory=dict)


def check_options(options: LaunchOptions) -> None:
    """Raise InvalidInput by field for options that cannot be used."""
    errors: dict[str, str] = {}
    for name, tags in (("tags", options.tags), ("skip_tags", options.skip_tags)):
        if len(tags) > 50 or not all(isinstance(tag, str) and _TAG.match(tag) for tag in tags):
            errors[name] = "Give at most 50 tags of letters, digits and _ . : -, none beginning with -."
    if not 1 <= options.forks <= MAX_FORKS:
        errors["forks"] = f"Between 1 and {MAX_FORKS}."
    if not 0 <= options.verbosity <= MAX_VERBOSITY:
        errors["verbosity"] = f"Between 0 and {MAX_VERBOSITY}."
    longest = settings().job_timeout_limit_seconds
    if options.timeout_seconds is not None and not 5 <= options.timeout_seconds <= longest:
        errors["timeout_seconds"] = f"Between 5 and {longest} seconds."
    if errors:
        raise InvalidInput(**errors)


def options_from(data: Mapping[str, Any], extra_vars: Mapping[str, Any] | None = None) -> LaunchOptions:
    """Return launch options from stored or loaded plain data; unknown keys are left out, None means the default."""
    known = {item.name for item in fields(LaunchOptions)} - {"extra_vars"}
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in data.items()
        if key in known and value is not None
    }
    return LaunchOptions(**values, extra_vars=dict(extra_vars or {}))
