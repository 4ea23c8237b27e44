"""Where this machine has packages of the AWS provider: a folder that terraform installs from without the network.

Looked for in this order: ``MILLWRIGHT_TEST_TERRAFORM_MIRROR``; the folders in which terraform itself looks
(https://developer.hashicorp.com/terraform/cli/config/config-file#implied-local-mirror-directories); any folder below
``/opt``. ``terraform providers mirror FOLDER``, in a folder whose ``main.tf`` requires hashicorp/aws, makes one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

VARIABLE = "MILLWRIGHT_TEST_TERRAFORM_MIRROR"
PACKAGE = "registry.terraform.io/hashicorp/aws"
MISSING = (
    "no AWS provider: there is no file-system mirror with hashicorp/aws here. Make one with `terraform providers "
    f"mirror FOLDER` and name it in {VARIABLE}"
)


def _folders() -> Iterator[Path]:
    home = Path.home()
    yield home / ".terraform.d" / "plugins"
    yield Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "terraform" / "plugins"
    for folder in (os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":"):
        yield Path(folder) / "terraform" / "plugins"
    yield from sorted(Path("/opt").glob("*"))


def _serves(folder: Path) -> bool:
    """Say whether a package lies there, packed or unpacked."""
    package = folder / PACKAGE
    return any(package.glob("*/linux_*")) or any(package.glob("terraform-provider-aws_*_linux_*.zip"))


def find_mirror() -> Path | None:
    """The mirror, None where there is none."""
    named = os.environ.get(VARIABLE)
    if named:
        assert _serves(Path(named)), f"{VARIABLE} names {named}, which has no {PACKAGE}"
        return Path(named)
    return next((folder for folder in _folders() if _serves(folder)), None)


@pytest.fixture(scope="session")
def aws_mirror() -> Path:
    """A mirror with the AWS provider; skipped, and said so, where the machine has none."""
    found = find_mirror()
    if found is None:
        pytest.skip(MISSING)
    return found


if __name__ == "__main__":
    if find_mirror() is None:
        print(f"!! {MISSING}: no test of machines on AWS.", file=sys.stderr)
