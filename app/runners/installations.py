"""Ansible installations on this machine: virtual environments with an ansible-core of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OLDEST = (2, 15)  # of ansible-core that the output plugin runs under, by test
PROBE_SECONDS = 20.0
MAX_COLLECTIONS = 500
# Printed by the installation's own interpreter; no newer Python than 3.8 may be needed for it.
_PROBE = (
    "import json, sys\n"
    "from ansible.release import __version__ as version\n"
    "import ansible\n"
    "print(json.dumps({'version': version, 'python': sys.version.split()[0], 'home': ansible.__path__[0]}))\n"
)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,49}\Z")
_USED = re.compile(rb"(?<![\w.])([a-z][a-z0-9_]{0,63}\.[a-z][a-z0-9_]{0,63})\.[a-z]\w*(?![\w/])")


@dataclass(frozen=True, slots=True)
class Installation:
    """What one virtual environment offers. ``problem`` is empty exactly when playbooks can run with it."""

    name: str
    folder: Path
    version: str = ""  # of ansible-core
    python: str = ""
    collections: dict[str, str] = field(default_factory=dict)  # "community.general" -> version
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return what a worker announces."""
        if self.problem:
            return {"problem": self.problem}
        return {"version": self.version, "python": self.python, "collections": self.collections}


def own_folder() -> Path:
    """Return the virtual environment of the running interpreter: the platform's own engine."""
    return Path(sys.executable).parent.parent


def playbook_command(folder: Path) -> Path:
    """Return the ansible-playbook of a virtual environment."""
    return folder / "bin" / "ansible-playbook"


def inspect(name: str, folder: Path) -> Installation:
    """Ask a virtual environment for its versions (starts its interpreter once, .1 s); never raises."""
    command = playbook_command(folder)
    if not folder.is_absolute() or not command.is_file() or not os.access(command, os.X_OK):
        return Installation(name, folder, problem=f"ansible-playbook is not at {command}")
    try:
        answer = subprocess.run(
            [str(folder / "bin" / "python"), "-I", "-c", _PROBE],
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            stdin=subprocess.DEVNULL,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            check=True,
        )
        found = json.loads(answer.stdout)
        version, home = str(found["version"]), Path(found["home"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return Installation(name, folder, problem=f"the Python in {folder} has no usable ansible-core")
    if _numbers(version) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return Installation(name, folder, version, problem=f"ansible-core {version} is older than {oldest}")
    collections = installed_collections(home.parent / "ansible_collections")
    return Installation(name, folder, version, str(found["python"]), collections)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def installed_collections(folder: Path) -> dict[str, str]:
    """Return name -> version of the collections below an ``ansible_collections`` folder, sorted by name."""
    found: dict[str, str] = {}
    for manifest in sorted(folder.glob("*/*/MANIFEST.json"))[:MAX_COLLECTIONS]:
        try:
            name, version = read_manifest(manifest.read_bytes())
        except (OSError, ValueError):
            continue
        found[name] = version
    return found


def read_manifest(data: bytes) -> tuple[str, str]:
    """Return name and version of a collection from its MANIFEST.json; raises ValueError for anything else."""
    try:
        told = json.loads(data)["collection_info"]
        name, version = f"{told['namespace']}.{told['name']}", str(told["version"])
    except (KeyError, TypeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError("no collection's manifest") from error
    if not all(_NAME.match(part) for part in name.split(".", 1)) or not _VERSION.match(version):
        raise ValueError("no collection's manifest")
    return name, version


def mentioned_collections(texts: Iterable[bytes]) -> set[str]:
    """Return the names of collections that full module names in some files may belong to."""
    return {name.decode("ascii") for text in texts for name in _USED.findall(text)}
