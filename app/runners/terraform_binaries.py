"""terraform and OpenTofu on this machine: where they are and which version each one is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAMS = ("terraform", "tofu")
PROBE_SECONDS = 20.0
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]{0,12}\Z")


@dataclass(frozen=True, slots=True)
class TerraformBinary:
    """One program. ``problem`` is empty exactly when runs can use it; ``note``: what people should know of it."""

    program: str
    path: Path
    version: str = ""
    problem: str = ""
    note: str = ""

    @property
    def name(self) -> str:
        """What runs ask for, e.g. ``terraform-1.11.4``."""
        return f"{self.program}-{self.version}"

    def as_json(self) -> dict[str, Any]:
        """Return what a worker announces."""
        return {"version": self.version, "program": self.program, **({"note": self.note} if self.note else {})}


def find_binaries(folders: Iterable[str] = ()) -> list[TerraformBinary]:
    """Return the programs of these folders or files, then those of PATH; each version once, the first one wins."""
    found: dict[str, TerraformBinary] = {}
    for path in _candidates(folders):
        binary = inspect_binary(path)
        if not binary.problem:
            found.setdefault(binary.name, binary)
    return list(found.values())


def _candidates(folders: Iterable[str]) -> Iterable[Path]:
    for text in folders:
        path = Path(text)
        if path.is_dir():
            yield from (path / program for program in PROGRAMS if (path / program).is_file())
        else:
            yield path
    for program in PROGRAMS:
        if in_path := shutil.which(program):
            yield Path(in_path)


def inspect_binary(path: Path) -> TerraformBinary:
    """Ask a program for its version (starts it once, .05 s); never raises."""
    if not path.is_absolute() or not path.is_file() or not os.access(path, os.X_OK):
        return TerraformBinary("", path, problem=f"there is no program at {path}")
    try:
        answer = subprocess.run(
            [str(path), "version", "-json"],
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            stdin=subprocess.DEVNULL,
            env={"PATH": os.defpath, "CHECKPOINT_DISABLE": "1", "HOME": os.devnull},
            cwd="/",
            check=True,
        )
        version = str(json.loads(answer.stdout)["terraform_version"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return TerraformBinary("", path, problem=f"{path} does not say its version as terraform does")
    if not _VERSION.match(version):
        return TerraformBinary("", path, problem=f"{path} says a version that is none")
    return TerraformBinary("tofu" if "tofu" in path.name else "terraform", path, version)
