"""The run's output on local disk: one file of JSON lines, appended by the supervisor, read by the shipper.

The zero-based index of a line in the file is its ordinal, and the ordinal is the row's ``run_seq``: numbering
is a pure function of the file, so a second reader goes on exactly where the first stopped. Text is masked and
sanitised before it comes here.

Records (``k`` is the kind; times are seconds since the epoch as float)::

    {"k":"play","p":play,"t":time}                         a play (or a further serial batch of it) starts
    {"k":"task","s":task_seq,"p":play,"n":task name,"m":module,"f":"file:line","t":time[,"y":"handler"]}
    {"k":"line","h":host or null,"s":task_seq or 0,"v":level,"x":text,"t":time[,"c":1]}
    {"k":"res","h":host,"s":task_seq,"st":TaskStatus,"d":milliseconds,"df":diff text or null,"t":time}
    {"k":"art","n":name,"i":piece from 0,"z":1 for the last,"d":base64}       bytes for the kind of job, see artifact
    {"k":"facts","h":host,"d":{name: value},"z":bytes sent,"x":[names left out],"t":time}

``task_seq`` counts from 1 within the run. ``c`` marks a row that continues the one before it (same host).
The lines of a (host, task) stand before their result. ``h`` may name a host outside the run (localhost).
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from app.runners.base import FailureCode, HostResult, RunResult, StopReason

SPOOL_NAME = "spool.jsonl"
RESULT_NAME = "result.json"
RESERVE_NAME = "reserve"
RESERVE_BYTES = 256 * 1024  # the results of some hundred failed hosts
SYNC_RECORDS = 200
SYNC_SECONDS = 1.0
SYNC_PAUSE = 0.1
DEFAULT_MIN_FREE_BYTES = 64 * 1024 * 1024
_BUFFER_BYTES = 64 * 1024

_quote = json.encoder.encode_basestring
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


class SpoolWriter:
    """Appends records. A full or failing disk raises nothing: ``disk_full`` turns true, it goes quiet."""

    def __init__(self, directory: Path, min_free_bytes: int = DEFAULT_MIN_FREE_BYTES) -> None:
        """Create the spool file (0600) in an existing directory; raises FileExistsError if there is one."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(directory / SPOOL_NAME, flags, 0o600)
        self._min_free = min_free_bytes
        self._buffer: list[str] = []
        self._buffered = 0
        self._unsynced = 0
        self._last_sync = time.monotonic()
        self.disk_full = False
        self.records = 0

    def append(self, record: Mapping[str, Any]) -> None:
        """Add one record; it reaches the file at the next flush."""
        self._add(_encode(record))

    def append_line(
        self, text: str, *, host: str | None, seq: int, level: str, now: float, continued: bool = False
    ) -> None:
        """Add a line record. Written by hand: lines are nearly all there is, and this is four times as fast."""
        name = "null" if host is None else _quote(host)
        end = ',"c":1}' if continued else "}"
        self._add(f'{{"k":"line","h":{name},"s":{seq},"v":"{level}","x":{_quote(text)},"t":{now!r}{end}')

    def _add(self, text: str) -> None:
        self._buffer.append(text)
        self._buffered += len(text)
        self.records += 1
        if self._buffered >= _BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered, and sync when 200 records or one second of them are unsynced.

        Not more than ten times a second: a kill -9 loses nothing that was written, only a power cut does.
        """
        if self._buffer:
            count = len(self._buffer)
            data = ("\n".join(self._buffer) + "\n").encode("utf-8", "replace")
            self._buffer.clear()
            self._buffered = 0
            self._write(data)
            self._unsynced += count
        age = time.monotonic() - self._last_sync
        if self._unsynced and (age >= SYNC_SECONDS or (self._unsynced >= SYNC_RECORDS and age >= SYNC_PAUSE)):
            self.sync()

    def sync(self) -> None:
        """Force what was written to the disk and look whether there is room for more."""
        if self._fd < 0:
            return
        try:
            os.fdatasync(self._fd)
            space = os.fstatvfs(self._fd)
            if space.f_bavail * space.f_frsize < self._min_free:
                self.disk_full = True
        except OSError:
            self.disk_full = True
        self._unsynced = 0
        self._last_sync = time.monotonic()

    def close(self) -> None:
        """Flush, sync and close; a second call does nothing."""
        if self._fd >= 0:
            self.flush()
            self.sync()
            os.close(self._fd)
            self._fd = -1

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view and not self._torn:
            try:
                view = view[os.write(self._fd, view) :]
            except OSError as error:
                if error.errno == errno.EINTR:
                    continue
                self.disk_full = self._torn = True

    _torn = False  # after a failed write the last line may be half there: nothing may follow it


class SpoolReader:
    """Reads a spool while it grows. ``offset`` and ``ordinal`` say where the next reader has to start."""

    def __init__(self, path: Path, offset: int = 0, ordinal: int = 0) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        self.offset = offset
        self.ordinal = ordinal

    def read(self, max_records: int, max_bytes: int) -> list[tuple[int, dict[str, Any]]]:
        """Return the next complete records with their ordinals; an empty list when there is none yet.

        At least one record comes back if one is complete, even if it alone is over ``max_bytes``. A last
        line without its line end (a writer killed in the middle) is never returned.
        """
        data = self._chunk(max_bytes)
        lines = data.split(b"\n", max_records)[:-1]  # what follows the last line end is not complete
        records = json.loads(b"[%b]" % b",".join(lines))  # one call of the parser for all of them
        first, self.ordinal = self.ordinal, self.ordinal + len(lines)
        self.offset += sum(map(len, lines)) + len(lines)
        return list(enumerate(records, first))

    def _chunk(self, size: int) -> bytes:
        while True:
            data = os.pread(self._fd, size, self.offset)
            if len(data) < size or b"\n" in data:
                return data
            size *= 2

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def count_records(path: Path) -> int:
    """Return how many complete records a spool holds; 0 when there is none."""
    count = 0
    try:
        with path.open("rb") as file:
            while data := file.read(1024 * 1024):
                count += data.count(b"\n")
    except FileNotFoundError:
        pass
    return count


def write_private(path: Path, data: bytes) -> None:
    """Replace a file by another in one step: 0600, synced, never half there."""
    temporary = path.with_name(f".{path.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)  # what is half there takes room that the next one needs
        raise
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def reserve(directory: Path) -> None:
    """Keep room for the run's result: a disk that its output fills must not swallow how it ended. Raises OSError."""
    write_private(directory / RESERVE_NAME, os.urandom(RESERVE_BYTES))  # random: no file system makes it smaller


def write_result(directory: Path, result: RunResult) -> None:
    """Store how the run ended, beside the spool, atomically, in the room that was kept for it.

    On a full disk the hosts' own results are left out if they need more. Raises OSError when not even that fits.
    """
    (directory / RESERVE_NAME).unlink(missing_ok=True)
    try:
        _write_result(directory, result)
    except OSError:
        code = result.failure_code or FailureCode.DISK_FULL  # a success that cannot be told apart by host is none
        text = result.message or "The worker's disk is full: what became of each server could not be kept."
        _write_result(directory, replace(result, hosts={}, failure_code=code, message=text))


def _write_result(directory: Path, result: RunResult) -> None:
    document = {
        "exit_code": result.exit_code,
        "failure_code": result.failure_code,
        "message": result.message,
        "hosts": {
            name: {
                "failure_code": host.failure_code,
                "message": host.message,
                "failed_task": host.failed_task,
                "failed_module": host.failed_module,
                "counts": dict(host.counts),
            }
            for name, host in result.hosts.items()
        },
        "engine_version": result.engine_version,
        "stopped_by": result.stopped_by,
        "lines_dropped": result.lines_dropped,
    }
    write_private(directory / RESULT_NAME, _encode(document).encode("utf-8", "replace"))


def read_result(directory: Path) -> RunResult | None:
    """Return how the run ended, or None when its supervisor left no (readable) word about it."""
    try:
        document = json.loads((directory / RESULT_NAME).read_bytes())
        hosts = {
            name: HostResult(**{**host, "failure_code": _code(host["failure_code"])})
            for name, host in document.pop("hosts").items()
        }
        stopped = document.pop("stopped_by")
        return RunResult(
            **{**document, "failure_code": _code(document["failure_code"])},
            hosts=hosts,
            stopped_by=None if stopped is None else StopReason(stopped),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _code(value: str | None) -> FailureCode | None:
    return None if value is None else FailureCode(value)
