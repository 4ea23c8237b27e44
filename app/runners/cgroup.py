"""One control group per run attempt: how many processes and how much memory it may use, and an end that misses none.

Version 2 (pids.max, memory.max, cpu.weight, cgroup.kill) and version 1 (the pids, memory and cpu controllers). On a
busy machine a run comes after the platform: its lines must be stored and shown while it works. A group is a set of
folders, one for each hierarchy, named ``millwright-<marker>`` and made below the worker's own group, or below a parent
that was handed to the worker. Whoever cannot make one (no root, no delegation, a read-only mount in a container) says
so (``Limits.sentence``) and falls back on rlimits, which cannot hold a run together.
"""

from __future__ import annotations

import math
import os
import re
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.runners.process import kill_marked

PREFIX = "millwright-"
_NAME = re.compile(PREFIX + r"[A-Za-z0-9-]{1,64}\.\d{1,9}\Z")
_FULL_WEIGHT = 100  # cpu.weight of a group that nobody changed (version 2); 1024 cpu.shares on version 1
_FULL_SHARES = 1024
_ROOT = Path("/sys/fs/cgroup")
_STALE_SECONDS = 60.0  # an empty group this old belongs to no run that is just starting


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use; 0 is no limit. ``parent`` is a folder of a version 2 hierarchy handed to the worker.

    ``cpu_weight`` is its share of processor time where there is not enough; 100 is what everybody has.
    """

    max_processes: int = 0
    memory_bytes: int = 0
    cpu_weight: int = 0
    parent: Path | None = None
    memory_by_group_only: bool = False  # not asked for by anybody: no limit for each process instead

    def by_controller(self) -> dict[str, int]:
        """Return controller -> value, of those that are set."""
        values = {"pids": self.max_processes, "memory": self.memory_bytes, "cpu": self.cpu_weight}
        return {name: value for name, value in values.items() if value}


def parents(limits: Limits) -> dict[str, Path]:
    """Return controller -> the folder below which groups can be made here, for those of ``limits`` that are set."""
    own = _own_groups()
    found = {}
    for name in limits.by_controller():
        folder = limits.parent or _version_1(name, own) or _version_2(name, own)
        if folder is not None and os.access(folder, os.W_OK) and _offers(folder, name):
            found[name] = folder
    return found


def _own_groups() -> dict[str, str]:
    """Return hierarchy (a controller of version 1, "" for version 2) -> this process's path in it."""
    groups = {}
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text("utf-8").splitlines():
            _number, names, path = line.split(":", 2)
            for name in names.split(","):
                groups[name] = path
    return groups


def _version_1(name: str, own: dict[str, str]) -> Path | None:
    if name not in own:
        return None
    mount = _ROOT / name
    folder = mount / own[name].lstrip("/")
    return folder if folder.is_dir() else (mount if mount.is_dir() else None)  # a container sees its own as the root


def _version_2(name: str, own: dict[str, str]) -> Path | None:
    """Return the parent of the worker's own group: a group with processes of its own can share nothing out.

    That is how systemd hands a unit over with Delegate= and DelegateSubgroup=.
    """
    if "" not in own or own[""] == "/":
        return None
    mount = _ROOT / "unified" if (_ROOT / "unified").is_dir() else _ROOT
    folder = (mount / own[""].lstrip("/")).parent
    return folder if folder != mount and folder.is_dir() else None


def _offers(folder: Path, name: str) -> bool:
    """Say whether groups below ``folder`` have this controller; on version 2 it is shared out if that is possible."""
    control = folder / "cgroup.subtree_control"
    if not control.exists():
        return (folder / "cgroup.procs").exists()
    try:
        if name not in control.read_text("ascii").split():
            control.write_text(f"+{name}", "ascii")
    except OSError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Breach:
    """A limit that a run ran into."""

    what: str  # "memory" or "processes"
    limit: int

    @property
    def reason(self) -> str:
        """The value of the StopReason that it is."""
        return "memory_limit" if self.what == "memory" else "process_limit"

    @property
    def message(self) -> str:
        """What happened, for people."""
        if self.what == "memory":
            size = self.limit // 1_048_576
            return f"The run was stopped at its memory limit of {size} MiB (MILLWRIGHT_RUN_MEMORY_BYTES)."
        return f"The run was stopped at its limit of {self.limit} processes (MILLWRIGHT_RUN_MAX_PROCESSES)."


@dataclass(frozen=True, slots=True)
class Group:
    """The folders of one run's group."""

    folders: tuple[Path, ...]
    limits: Limits

    @classmethod
    def of(cls, document: Mapping[str, Any] | None) -> Group:
        """Return the group that ``as_json`` wrote down; NO_GROUP for none."""
        if not document:
            return NO_GROUP
        limits = Limits(document["max_processes"], document["memory_bytes"])
        return cls(tuple(Path(text) for text in document["folders"]), limits)

    def as_json(self) -> dict[str, Any]:
        """Return it for another process."""
        return {
            "folders": [str(folder) for folder in self.folders],
            "max_processes": self.limits.max_processes,
            "memory_bytes": self.limits.memory_bytes,
        }

    def breach(self) -> Breach | None:
        """Return the limit that was hit, if one was."""
        for folder in self.folders:
            if any(_counter(folder / name, "oom_kill") for name in ("memory.events", "memory.oom_control")):
                return Breach("memory", self.limits.memory_bytes)
            if _counter(folder / "pids.events", "max"):
                return Breach("processes", self.limits.max_processes)
        return None


NO_LIMITS = Limits()
NO_GROUP = Group((), NO_LIMITS)


def make(marker: str, limits: Limits) -> Group:
    """Make the group of a run; NO_GROUP where none can be made. Raises OSError when a limit cannot be set."""
    where = parents(limits)
    if not where:
        return NO_GROUP
    folders: dict[Path, None] = {}
    try:
        for name, parent in where.items():
            folder = parent / f"{PREFIX}{marker}"
            folder.mkdir(exist_ok=True)
            folders[folder] = None
            _limit(folder, name, limits)
    except OSError:
        remove(list(folders))
        raise
    return Group(tuple(folders), limits)


def _limit(folder: Path, name: str, limits: Limits) -> None:
    is_second = (folder.parent / "cgroup.subtree_control").exists()  # version 2
    if name == "pids":
        (folder / "pids.max").write_text(str(limits.max_processes), "ascii")
        return
    if name == "cpu":
        if is_second:
            (folder / "cpu.weight").write_text(str(limits.cpu_weight), "ascii")
        else:
            (folder / "cpu.shares").write_text(str(limits.cpu_weight * _FULL_SHARES // _FULL_WEIGHT), "ascii")
        return
    size = str(limits.memory_bytes)
    if is_second:
        (folder / "memory.max").write_text(size, "ascii")
        for extra, value in (("memory.swap.max", "0"), ("memory.oom.group", "1")):
            with suppress(OSError):  # no swap accounting: the limit of memory itself is what counts
                (folder / extra).write_text(value, "ascii")
        return
    (folder / "memory.limit_in_bytes").write_text(size, "ascii")
    with suppress(OSError):
        (folder / "memory.memsw.limit_in_bytes").write_text(size, "ascii")


def _counter(path: Path, name: str) -> int:
    try:
        for line in path.read_text("ascii").splitlines():
            word, _blank, value = line.partition(" ")
            if word == name:
                return int(value)
    except (OSError, ValueError):
        pass
    return 0


def noted(value: object) -> list[Path]:
    """Return the folders of a run's note that are groups of ours; a note is a file, and files can be wrong."""
    paths = [Path(text) for text in value if isinstance(text, str)] if isinstance(value, list) else []
    return [path for path in paths if _NAME.match(path.name) and path.is_relative_to(_ROOT) and ".." not in path.parts]


def members(folders: Sequence[Path]) -> set[int]:
    """Return the pids in the groups and in groups that the run made below them."""
    found: set[int] = set()
    for folder in folders:
        for path in _tree(folder):
            with suppress(OSError, ValueError):
                found |= {int(word) for word in (path / "cgroup.procs").read_text("ascii").split()}
    return found - {0}


def _tree(folder: Path) -> list[Path]:
    """Return a group and those below it, the deepest first."""
    return [Path(name) for name, _folders, _files in os.walk(folder, topdown=False)]


def kill(folders: Sequence[Path], deadline_seconds: float = 10.0) -> set[int]:
    """Kill everything in the groups; return the pids that would not go. Nothing new can be started meanwhile."""
    for folder in folders:
        with suppress(OSError):
            (folder / "cgroup.kill").write_text("1", "ascii")
        with suppress(OSError):
            (folder / "pids.max").write_text("0", "ascii")  # a fork in there fails from now on
    deadline = time.monotonic() + deadline_seconds
    while left := members(folders):
        if time.monotonic() > deadline:
            return left
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    return set()


def end_run(
    marker: str,
    folders: Sequence[Path],
    *,
    root: int | None = None,
    exclude: set[int] | None = None,
    deadline_seconds: float = 10.0,
) -> set[int]:
    """Kill every process of a run: those in its group, and those with its marker (``process.kill_marked``)."""
    left = kill(folders, deadline_seconds)
    return left | kill_marked(marker, root=root, exclude=exclude or set(), deadline_seconds=deadline_seconds)


def remove(folders: Sequence[Path], patience_seconds: float = 2.0) -> bool:
    """Remove groups whose processes have ended; False when something is left in one."""
    deadline = time.monotonic() + patience_seconds
    while True:
        for folder in folders:
            for path in _tree(folder) if folder.is_dir() else ():
                with suppress(OSError):
                    path.rmdir()
        if not any(folder.is_dir() for folder in folders):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)


def clear_empty(limits: Limits) -> int:
    """Remove old groups below our parents in which nothing runs (crashed runs); return how many."""
    removed = 0
    for parent in set(parents(limits).values()):
        for folder in parent.glob(f"{PREFIX}*"):
            with suppress(OSError):
                old = time.time() - folder.stat().st_mtime > _STALE_SECONDS
                if old and _NAME.match(folder.name) and not members([folder]):
                    removed += remove([folder], 0)
    return removed


def machine_memory_bytes() -> int:
    """Return what this process may use at most: the machine's memory, or the limit of its own group if lower."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    own = _own_groups()
    folder = _version_1("memory", own)
    names = [folder / "memory.limit_in_bytes"] if folder else [_ROOT / own.get("", "/").lstrip("/") / "memory.max"]
    for path in names:
        with suppress(OSError, ValueError):
            total = min(total, int(path.read_text("ascii")))
    return total


def sentence(limits: Limits) -> str:
    """Say what this worker enforces on one run, for people; as true as ``make`` here and now."""
    wanted = limits.by_controller()
    if not wanted:
        return "no limits for runs are set"
    found = parents(limits)
    parts = []
    for name, value in wanted.items():
        what = f"{value} processes" if name == "pids" else f"{value // 1_048_576} MiB of memory"
        if name == "cpu":
            if value < _FULL_WEIGHT:
                how = f"weight {value} of {_FULL_WEIGHT}) by cgroup" if name in found else f"nice {_nice(value)})"
                parts.append(f"processor time after the platform's own ({how}")
        elif name in found:
            parts.append(f"{what} by cgroup")
        elif name == "pids" and os.geteuid() == 0:
            parts.append(f"{what} not enforced (no cgroup can be made, and root has no such limit)")
        elif name == "memory" and limits.memory_by_group_only:
            parts.append("memory not limited (no cgroup can be made)")
        else:
            parts.append(f"{what} by rlimit only (no cgroup can be made)")
    return "one run: " + (", ".join(parts) or "no limits")


def rlimits(limits: Limits) -> dict[str, int]:
    """Return what ``exec_child`` sets where no group can be made.

    Of processes: how many more than its account has now; root has no such limit. Of memory: of each process.
    ``nice``: by how much it is nicer than the worker, of each process.
    """
    found = parents(limits)
    values = {}
    if limits.max_processes and "pids" not in found and os.geteuid() != 0:
        values["processes"] = limits.max_processes + _account_processes()
    if limits.memory_bytes and "memory" not in found and not limits.memory_by_group_only:
        values["memory_bytes"] = limits.memory_bytes
    if limits.cpu_weight and "cpu" not in found:
        values["nice"] = _nice(limits.cpu_weight)
    return values


def _nice(weight: int) -> int:
    """Return the niceness of a weight: each step is a factor of 1.25 (sched(7)); the kernel knows 19."""
    return min(19, round(math.log(_FULL_WEIGHT / weight, 1.25)))


def _account_processes() -> int:
    count = 0
    for entry in os.scandir("/proc"):
        with suppress(OSError):
            if entry.name.isdigit() and entry.stat().st_uid == os.geteuid():
                count += len(os.listdir(f"{entry.path}/task"))  # noqa: PTH208 (names only)
    return count
