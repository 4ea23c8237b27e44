"""How much memory this machine, or the control group that this process is in, still has to give."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
PROCESS = Path("/proc/self/cgroup")
MACHINE = Path("/proc/meminfo")
_NAMES = (  # limit, used, and what of that could be given back at once: version 2, version 1
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free_memory_bytes() -> int:
    """Return the least of what is free: MemAvailable, and below the limit of each control group around this process.

    Files in the page cache count as free, as the kernel counts them in MemAvailable.
    """
    return max(0, min([_available(), *(left for folder in _around() if (left := _left_in(folder)) is not None)]))


def _available() -> int:
    for line in MACHINE.read_text("ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def _around() -> list[Path]:
    """Return the folders of this process's groups and of those above, that have to do with memory."""
    found = []
    with suppress(OSError):
        for line in PROCESS.read_text("utf-8").splitlines():
            _number, names, path = line.split(":", 2)
            if names and "memory" not in names.split(","):
                continue
            mount = GROUPS / "memory" if names else GROUPS
            folder = mount / path.lstrip("/")
            while folder != mount and folder.is_relative_to(mount):
                found.append(folder)
                folder = folder.parent
            found.append(mount)  # in a container this is its own group
    return found


def _left_in(folder: Path) -> int | None:
    for limit, used, reclaimable in _NAMES:
        with suppress(OSError, ValueError):  # ValueError: "max", no limit
            left = int((folder / limit).read_text("ascii")) - int((folder / used).read_text("ascii"))
            return left + _counted(folder / "memory.stat", reclaimable)
    return None


def _counted(path: Path, name: str) -> int:
    with suppress(OSError, ValueError):
        for line in path.read_text("ascii").splitlines():
            word, _blank, value = line.partition(" ")
            if word == name:
                return int(value)
    return 0
