"""Who a process is, which processes belong to a run, and how to end them all. Linux only (``/proc``, prctl).

A run's processes are found by ``MILLWRIGHT_RUN=<marker>`` in their environment and by descent: ansible and
ssh call setsid, so neither a process group nor a session holds them together. What drops both (a process
that cleared its environment and whose ancestors are gone) cannot be found this way; a supervisor that is
alive is a child subreaper and so keeps even those in its own tree.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MARKER_VARIABLE = "MILLWRIGHT_RUN"

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_CHILD_SUBREAPER = 36
_PROC = Path("/proc")


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def become_subreaper() -> None:
    """Make this process the new parent of every orphan among its descendants."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def set_parent_death_signal(number: int) -> None:
    """Have the kernel send signal ``number`` to this process when its parent *thread* ends.

    A parent that died before the call is not noticed: compare ``os.getppid()`` afterwards.
    """
    _prctl(_PR_SET_PDEATHSIG, number)


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process beyond doubt: pids are used again, the three together are not."""

    pid: int
    start_ticks: int  # clock ticks after boot, field 22 of /proc/<pid>/stat
    boot_id: str


@cache
def boot_id() -> str:
    """Return the kernel's identifier of the present boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


@dataclass(frozen=True, slots=True)
class _Stat:
    state: str
    parent: int
    group: int
    start_ticks: int


def _read_stat(pid: int) -> _Stat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The command name stands in parentheses and may itself hold spaces and parentheses.
    fields = text[text.rfind(b")") + 2 :].split()
    if len(fields) < 20:
        return None
    return _Stat(fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[19]))


def identify(pid: int) -> ProcessIdentity | None:
    """Return the identity of a living process, or None when there is none."""
    stat = _read_stat(pid)
    return None if stat is None else ProcessIdentity(pid, stat.start_ticks, boot_id())


def is_alive(identity: ProcessIdentity) -> bool:
    """Tell whether that very process still runs; a zombie counts as dead."""
    if identity.boot_id != boot_id():
        return False
    stat = _read_stat(identity.pid)
    return stat is not None and stat.start_ticks == identity.start_ticks and stat.state not in "ZX"


@dataclass(frozen=True, slots=True)
class _Process:
    """What one look at a living process saw."""

    parent: int
    group: int
    is_marked: bool


_LOOKS = 20  # listings of /proc for one census


def _look(needle: bytes | None = None) -> dict[int, _Process]:
    """Return every process that is no zombie, by pid; ``needle`` is the marker to look for in environments.

    The list is read again until it shows no new process (at most _LOOKS times): where processes fork and end quickly,
    all those of the first list may be gone by the time they are read.
    """
    found: dict[int, _Process] = {}
    seen: set[int] = set()
    for _ in range(_LOOKS):
        new = {int(entry) for entry in os.listdir(_PROC) if entry.isdigit()} - seen  # noqa: PTH208 (names only)
        if not new:
            break
        seen |= new
        for pid in new:
            stat = _read_stat(pid)
            if stat is None or stat.state in "ZX":
                continue
            carries = needle is not None and _carries(pid, needle)
            if carries is not None:
                found[pid] = _Process(stat.parent, stat.group, carries)
    return found


def _carries(pid: int, needle: bytes) -> bool | None:
    """Say whether a process has the marker in its environment; None when it ended meanwhile."""
    try:
        environment = (_PROC / str(pid) / "environ").read_bytes()
    except PermissionError:
        return False
    except OSError:
        return None
    return environment.startswith(needle) or b"\0" + needle in environment


def _descend(processes: Mapping[int, _Process], roots: Iterable[int]) -> set[int]:
    children: dict[int, list[int]] = {}
    for pid, process in processes.items():
        children.setdefault(process.parent, []).append(pid)
    found: set[int] = set()
    pending = list(roots)
    while pending:
        for child in children.get(pending.pop(), ()):
            if child not in found:
                found.add(child)
                pending.append(child)
    return found


def child_pids(pid: int) -> list[int]:
    """Return the direct living children of a process."""
    return [child for child, process in _look().items() if process.parent == pid]


def _members(marker: str, root: int | None, exclude: Collection[int]) -> tuple[set[int], set[int]]:
    """Return the pids of a run, and the process groups that hold nothing else."""
    processes = _look(f"{MARKER_VARIABLE}={marker}\0".encode())
    marked = {pid for pid, process in processes.items() if process.is_marked}
    members = marked | _descend(processes, marked)
    if root is not None:
        members |= _descend(processes, [root])
    # The caller may itself descend from a marked process (a supervisor excludes itself).
    members -= set(exclude)
    own = {processes[pid].group for pid in members if pid in processes}
    shared = {process.group for pid, process in processes.items() if pid not in members}
    return members, own - shared - {0, 1}


def census(marker: str, *, root: int | None = None, exclude: Collection[int] = ()) -> set[int]:
    """Return the pids that belong to a run: those with its marker, and all their descendants.

    ``root`` is a process whose descendants belong to the run whatever their environment says (the
    supervisor); it is not itself counted unless it carries the marker. Zombies are not counted.
    """
    return _members(marker, root, exclude)[0]


def kill_marked(
    marker: str,
    *,
    root: int | None = None,
    exclude: Collection[int] = (),
    deadline_seconds: float = 10.0,
) -> set[int]:
    """Kill every process of a run until none is left; return the pids that would not go.

    Process groups that hold nothing else are killed whole: the kernel does that in one step, so a chain of processes
    that fork faster than a list can be read ends too. (One that also starts a new group each time can be ended by a
    cgroup only.) Two empty censuses in a row are asked for. Children of the calling process that die here are left
    for it to reap.
    """
    deadline = time.monotonic() + deadline_seconds
    empty = 0
    while True:
        members, groups = _members(marker, root, exclude)
        empty = 0 if members else empty + 1
        if empty == 2 or time.monotonic() > deadline:
            return members
        for number in [-group for group in groups] + sorted(members):
            try:
                os.kill(number, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue  # gone meanwhile, or another user's (sudo): the next census tells
        if members:
            time.sleep(0.02)


def reap_children() -> None:
    """Collect the exit status of every dead child, orphans adopted as subreaper included."""
    while True:
        try:
            pid, _status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
