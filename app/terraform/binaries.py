"""Which terraform a project's executions can have: what this machine has, and what online workers announced."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from app.core.actor import Actor
from app.core.permissions import Permission, require
from app.core.runtime import settings
from app.jobs import engine_list
from app.runners.terraform_binaries import TerraformBinary, find_binaries
from app.runners.terraform_library import find_library
from app.terraform.models import Binary

ENGINE_KIND = "terraform"


@lru_cache(maxsize=4)
def _looked_for(folders: tuple[str, ...], data_dir: Path) -> tuple[TerraformBinary, ...]:
    if found := find_binaries(folders):
        return tuple(found)
    library = find_library(data_dir / "terraform-library")  # only where there is no program at all
    return () if library is None else (library,)


def _found() -> tuple[TerraformBinary, ...]:
    return _looked_for(tuple(settings().terraform_binaries), settings().data_dir)


def path_of(engine: str) -> Path | None:
    """Return the program of this machine for an engine's name (``terraform-1.11.4``); looked for once per process."""
    return next((binary.path for binary in _found() if binary.name == engine), None)


def announce() -> dict[str, Any]:
    """Return what a worker says of its programs."""
    return {binary.name: binary.as_json() for binary in _found()}


@dataclass(frozen=True, slots=True)
class Offer:
    """What online workers have: versions by program, the newest first, those with a note last; notes in sentences."""

    versions: dict[Binary, list[str]]
    notes: list[str]


def offer(actor: Actor) -> Offer:
    """Return what projects can choose; a version has a note when no worker has it as a program of its own."""
    require(actor, Permission.TERRAFORM_VIEW)
    found: dict[Binary, list[tuple[str, str]]] = {program: [] for program in Binary}
    for row in engine_list.announced(ENGINE_KIND):
        program, _, version = row.name.partition("-")
        if program in set(Binary):
            is_noted = bool(row.notes) and len(row.notes) == len(row.versions)
            found[Binary(program)].append((version, next(iter(row.notes.values())) if is_noted else ""))
    for versions in found.values():
        versions.sort(key=lambda one: _order(one[0]), reverse=True)
        versions.sort(key=lambda one: bool(one[1]))
    told = [f"{program.value} {version} is {note}." for program in found for version, note in found[program] if note]
    return Offer({program: [version for version, _ in versions] for program, versions in found.items()}, told)


def installed_versions(actor: Actor) -> dict[Binary, list[str]]:
    """Return the versions that online workers have, by program; the first one is the best to begin with."""
    return offer(actor).versions


def _order(version: str) -> tuple[list[int], bool]:
    core, _, extra = version.partition("-")
    return [int(part) for part in re.findall(r"\d+", core)], not extra
