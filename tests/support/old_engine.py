"""An older ansible-core beside the pinned one, in a virtual environment of its own, kept in the cache.

Fixture ``old_engine``: the folder of the virtual environment, as MILLWRIGHT_ENGINES takes it.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.debian import cache_folder

VERSION = "2.15.13"  # the oldest that the product promises; runs on Python 3.9 to 3.11
REQUIREMENTS = (
    f"ansible-core=={VERSION}",
    "cffi==2.1.1",
    "cryptography==50.0.2",
    "Jinja2==3.1.6",
    "MarkupSafe==3.0.4",
    "packaging==26.3",
    "pycparser==3.12",
    "PyYAML==6.0.3",
    "resolvelib==1.0.1",
)


def install() -> Path:
    """Make the virtual environment if it is not there; CalledProcessError when pip cannot have the packages."""
    folder = cache_folder() / f"ansible-core-{VERSION}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    done = folder / "installed"
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, *REQUIREMENTS], check=True)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def old_engine() -> Path:
    """The folder of a virtual environment with ansible-core 2.15."""
    if sys.version_info >= (3, 12):
        pytest.skip("ansible-core 2.15 needs Python 3.11 or older")
    return install()
