"""Where the data of short-lived database servers lies: in memory, where there is plenty of it.

Emptying a table makes a server remove a file and write a new one; a disk takes 80 ms for that, memory 3 ms. The
folders carry the pid of the test process, so that what a killed one left is removed by the next.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psutil

SHARED = Path("/dev/shm")  # not a name that anyone can guess: mkdtemp makes it
ENOUGH = 4 << 30  # bytes: two test workers with a server each need less than one


def _is_plenty() -> bool:
    return SHARED.is_dir() and shutil.disk_usage(SHARED).free > ENOUGH and psutil.virtual_memory().available > ENOUGH


def new_folder(name: str) -> Path:
    """Return a new private folder in memory, or on disk when memory is short; ``remove`` it afterwards."""
    if not _is_plenty():
        return Path(tempfile.mkdtemp(prefix=f"{name}-"))
    sweep(SHARED, name)
    return Path(tempfile.mkdtemp(prefix=f"{name}-{os.getpid()}-", dir=SHARED))


def mounted_folder(parent: Path, name: str) -> Path:
    """As ``new_folder``, but below ``parent`` (a chroot, say): memory is mounted there, if this process may."""
    sweep(parent, name)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-{os.getpid()}-", dir=parent))
    if _is_plenty():
        size = f"size={ENOUGH},mode=0700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], capture_output=True, check=False)
    return folder


def remove(folder: Path) -> None:
    """Remove a folder of this module with all it holds; unmounts it first."""
    if folder.is_mount():
        subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)


def sweep(parent: Path, name: str) -> None:
    """Remove what test processes that no longer live left below ``parent``."""
    for folder in parent.glob(f"{name}-*-*"):
        pid = folder.name.removeprefix(f"{name}-").split("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            remove(folder)
