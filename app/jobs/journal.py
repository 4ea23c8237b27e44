"""What this machine's workers began: a small file beside the database, for the day when the database forgets.

A restore to an earlier moment, or a failover to a server that lagged, may lose the commit that says that a run has
begun; the run is then pending again. One line is on this machine's disk before any engine starts, so that nobody
runs it a second time: the executor asks ``has`` after each claim, ``flask ops resume`` compares whole files
(``jobs.lost_begins``).

The line is written after begin is committed and before the engine starts. Written earlier it would accuse runs whose
begin never came to be (cancelled, planned anew) and take their next attempt from them; written later an engine could
have worked without it. A begun run without a line never had an engine.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from app.core.clock import iso, utc_now
from app.core.runtime import settings

NAME, FORMER, LOCK = "began.jsonl", "began.1.jsonl", "lock"
# Two files of this size: at about 200 bytes a line some 80,000 runs, a month at 2,000 launches a day.
MOST_BYTES = 8_388_608
MOST_SERVERS = 20  # named in one line


@dataclass(frozen=True, slots=True)
class Entry:
    """One run that was begun. ``servers`` are the first MOST_SERVERS names of the inventory of the run."""

    run_uuid: str
    attempt: int
    launch_uuid: str
    at: datetime
    host_name: str
    servers: tuple[str, ...]


def folder() -> Path:
    """Return the folder of this machine's journal."""
    return settings().data_dir / "journal"


def note(run_uuid: str, attempt: int, launch_uuid: str, servers: Sequence[str]) -> None:
    """Put a begun run on the disk and wait until it is there; OSError when it cannot be, and nothing may start."""
    line = json.dumps(
        {
            "run": run_uuid,
            "attempt": attempt,
            "launch": launch_uuid,
            "at": iso(utc_now()),
            "host": settings().host_name,
            "servers": list(servers)[:MOST_SERVERS],
        },
        separators=(",", ":"),
    ).encode()
    with _locked(folder()) as here:
        path = here / NAME
        fresh = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            # A line that a crash or a full disk cut short must not swallow this one.
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            _write(descriptor, (b"\n" if torn else b"") + line + b"\n")
            os.fsync(descriptor)
            size = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        if fresh:
            _sync_folder(here)
        if size >= MOST_BYTES:
            path.rename(here / FORMER)
            _sync_folder(here)


def has(run_uuid: str) -> bool:
    """Say whether an engine was started for this run on this machine, whatever the database says; some ms."""
    wanted = f'"run":"{run_uuid}"'.encode()
    with _locked(folder()) as here:
        return any(_contains(here / name, wanted) for name in (NAME, FORMER))


def _contains(path: Path, wanted: bytes) -> bool:
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            return text.find(wanted) >= 0
    except (FileNotFoundError, ValueError):  # none, or an empty one: mmap refuses it
        return False


def entries() -> list[Entry]:
    """Return what this machine's journal holds, oldest first; empty when there is none."""
    with _locked(folder()) as here:
        return [entry for name in (FORMER, NAME) if (here / name).exists() for entry in read_file(here / name)]


def read_file(path: Path) -> list[Entry]:
    """Return the entries of one journal file, also one brought from another machine; what is torn is left out.

    ValueError when nothing in it is an entry although it is not empty; OSError when it cannot be read.
    """
    found = []
    lines = path.read_bytes().splitlines()
    for line in lines:
        entry = _parsed(line)
        if entry is not None:
            found.append(entry)
    if lines and not found:
        raise ValueError(f"{path} is not a journal of begun runs")
    return found


def _parsed(line: bytes) -> Entry | None:
    try:
        data = json.loads(line)
        return Entry(
            run_uuid=str(data["run"])[:36],
            attempt=int(data["attempt"]),
            launch_uuid=str(data["launch"])[:36],
            at=datetime.fromisoformat(data["at"]),
            host_name=str(data["host"])[:255],
            servers=tuple(str(name) for name in data["servers"][:MOST_SERVERS]),
        )
    except (ValueError, TypeError, KeyError):
        return None


@contextmanager
def _locked(here: Path) -> Iterator[Path]:
    """Hold the journal's lock: several workers of one machine write, and one of them changes files."""
    here.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(here / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield here
    finally:
        os.close(descriptor)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(here: Path) -> None:
    descriptor = os.open(here, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
