"""Which terraform a project's executions can have: what this machine has, and what online workers announced."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from app.core.actor import Actor
from app.core.permissions import Permission, require
from app.core.runtime import settings
from app.jobs import engine_list
from app.runners.terraform_binaries import TerraformBinary, find_binaries
from app.terraform.models import Binary

ENGINE_KIND = "terraform"


@lru_cache(maxsize=4)
def _found(folders: tuple[str, ...]) -> tuple[TerraformBinary, ...]:
    return tuple(find_binaries(folders))


def path_of(engine: str) -> Path | None:
    """Return the program of this machine for an engine's name (``terraform-1.11.4``); looked for once per process."""
    found = _found(tuple(settings().terraform_binaries))
    return next((binary.path for binary in found if binary.name == engine), None)


def announce() -> dict[str, Any]:
    """Return what a worker says of its programs."""
    return {binary.name: binary.as_json() for binary in _found(tuple(settings().terraform_binaries))}


def installed_versions(actor: Actor) -> dict[Binary, list[str]]:
    """Return the versions that online workers have, by program, the newest first."""
    require(actor, Permission.TERRAFORM_VIEW)
    found: dict[Binary, list[str]] = {program: [] for program in Binary}
    for row in engine_list.announced(ENGINE_KIND):
        program, _, version = row.name.partition("-")
        if program in set(Binary):
            found[Binary(program)].append(version)
    for versions in found.values():
        versions.sort(key=_order, reverse=True)
    return found


def _order(version: str) -> tuple[list[int], bool]:
    core, _, extra = version.partition("-")
    return [int(part) for part in re.findall(r"\d+", core)], not extra
