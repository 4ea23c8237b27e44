"""Archive files of the audit log: written, read and checked without the database.

``<tenant>-<first>-<last>.jsonl.gz`` is gzip over JSON lines: a head (format, tenant, first number, the hash before
it), one line for each entry, and a foot (last number, last hash, seal). Each entry is bound to the one before it as
in the table; the seal binds head and foot to the audit key. ``SHA256SUMS`` beside the files suits ``sha256sum -c``.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from app.audit.canonical import FIELDS, AuditKeys
from app.core.clock import iso

FORMAT = "millwright audit archive 1"
SUMS = "SHA256SUMS"
MAXIMUM_LINE = 200_000  # bytes; an entry has at most 16 KiB of details, escaped
_NAME = re.compile(r"(\d{1,10})-(\d{1,19})-(\d{1,19})\.jsonl\.gz\Z")


class ArchiveBroken(ValueError):
    """A file is not as it was written; the message names file and place."""


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """What a file holds, by its head and foot. Hashes of 32 bytes; ``newest_at`` is the time of the newest entry."""

    tenant_id: int
    first_seq: int
    last_seq: int
    prev_hash: bytes
    last_hash: bytes
    newest_at: datetime
    key_id: str

    @property
    def file_name(self) -> str:
        """Its name: sorts by tenant and place."""
        return f"{self.tenant_id}-{self.first_seq:012d}-{self.last_seq:012d}.jsonl.gz"

    def sealed(self) -> dict[str, Any]:
        """Return what the seal covers."""
        return {
            "tenant_id": self.tenant_id,
            "first_seq": self.first_seq,
            "last_seq": self.last_seq,
            "prev_hash": self.prev_hash.hex(),
            "last_hash": self.last_hash.hex(),
            "newest_at": iso(self.newest_at),
        }


def write_archive(folder: Path, rows: Iterable[Mapping[Any, Any]], keys: AuditKeys) -> tuple[ArchiveFile, bytes]:
    """Write one file from at least one row of ``audit_logs`` in order; return what it holds and its SHA-256.

    The file appears under its name when it is whole and on the disk; what an earlier try left is replaced.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    iterator = iter(rows)
    first = last = next(iterator)
    partial = folder / f"{first['tenant_id']}.partial"
    newest_at: datetime = first["timestamp"]
    with partial.open("wb") as raw:
        os.fchmod(raw.fileno(), 0o600)
        with gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) as file:
            head = {"format": FORMAT, "tenant_id": first["tenant_id"], "first_seq": first["seq"]}
            file.write(_line({**head, "prev_hash": bytes(first["prev_hash"]).hex()}))
            file.write(_entry(first))
            for last in iterator:
                newest_at = max(newest_at, last["timestamp"])
                file.write(_entry(last))
            made = ArchiveFile(
                tenant_id=first["tenant_id"],
                first_seq=first["seq"],
                last_seq=last["seq"],
                prev_hash=bytes(first["prev_hash"]),
                last_hash=bytes(last["hash"]),
                newest_at=newest_at,
                key_id=keys.active,
            )
            seal = keys.seal("archive file", made.sealed())
            assert seal is not None  # the active key is always here
            foot = {key: value for key, value in made.sealed().items() if key.startswith(("last", "newest"))}
            file.write(_line({**foot, "key_id": keys.active, "seal": seal.hex()}))
        raw.flush()
        os.fsync(raw.fileno())
    path = folder / made.file_name
    partial.replace(path)
    sync_folder(folder)
    return made, sha256_of(path)


def check_archive(path: Path, keys: AuditKeys) -> ArchiveFile:
    """Read a whole file and return what it holds; ArchiveBroken at the first thing that is not as written.

    Memory stays the same at any size. Which keys are needed stands in the entries (``key_id``).
    """
    try:
        with _reading(path) as lines:
            return _checked(path.name, lines, keys)
    except ArchiveBroken:
        raise
    except (OSError, EOFError, ValueError, KeyError, TypeError, gzip.BadGzipFile) as error:
        raise ArchiveBroken(f"{path.name} cannot be read: {error}") from error


def _checked(name: str, lines: Iterator[dict[str, Any]], keys: AuditKeys) -> ArchiveFile:
    head = next(lines, {})
    if head.get("format") != FORMAT:
        raise ArchiveBroken(f"{name} is no archive of the audit log")
    previous = bytes.fromhex(head["prev_hash"])
    expected, newest_at = int(head["first_seq"]), None
    for line in lines:
        if "seal" in line:
            break
        row = {**line, "timestamp": datetime.fromisoformat(line["timestamp"])}
        if row["seq"] != expected or row["tenant_id"] != head["tenant_id"]:
            raise ArchiveBroken(f"{name}: entry {expected} is missing or out of place")
        link = keys.link(previous, row)
        if link is None:
            raise ArchiveBroken(f"{name}: entry {expected} needs key {row['key_id']}: see MILLWRIGHT_AUDIT_KEY")
        if row["prev_hash"] != previous.hex() or row["hash"] != link.hex():
            raise ArchiveBroken(f"{name}: entry {expected} was changed")
        newest_at = row["timestamp"] if newest_at is None else max(newest_at, row["timestamp"])
        expected, previous = expected + 1, link
    else:
        raise ArchiveBroken(f"{name} ends after entry {expected - 1} without its foot: it was cut off")
    if newest_at is None or next(lines, None) is not None:
        raise ArchiveBroken(f"{name} holds no entries, or more after its foot")
    found = ArchiveFile(
        tenant_id=head["tenant_id"],
        first_seq=head["first_seq"],
        last_seq=expected - 1,
        prev_hash=bytes.fromhex(head["prev_hash"]),
        last_hash=previous,
        newest_at=newest_at,
        key_id=line["key_id"],
    )
    seal = keys.seal("archive file", found.sealed(), found.key_id)
    if seal is None or seal.hex() != line["seal"]:
        raise ArchiveBroken(f"{name}: its head and foot do not fit its seal")
    return found


@contextmanager
def _reading(path: Path) -> Iterator[Iterator[dict[str, Any]]]:
    def lines() -> Iterator[dict[str, Any]]:
        while text := file.readline(MAXIMUM_LINE):
            if not text.endswith(b"\n"):
                raise ArchiveBroken(f"{path.name} has a line that is cut off or too long")
            yield json.loads(text)

    with gzip.open(path, "rb") as file:
        yield lines()


def _line(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def _entry(row: Mapping[Any, Any]) -> bytes:
    values = {name: row[name] for name in FIELDS} | {"timestamp": iso(row["timestamp"])}
    return _line({**values, "prev_hash": bytes(row["prev_hash"]).hex(), "hash": bytes(row["hash"]).hex()})


def sha256_of(path: Path) -> bytes:
    """Return the SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def sync_folder(folder: Path) -> None:
    """Make a new name in ``folder`` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_sums(folder: Path) -> dict[str, str]:
    """Return file name -> SHA-256 in hex from the list; empty without one."""
    path = folder / SUMS
    lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines) if name}


def add_sum(folder: Path, name: str, sha256: bytes) -> None:
    """Put a file into the list, on the disk; the list is replaced as a whole."""
    sums = read_sums(folder) | {name: sha256.hex()}
    fresh = folder / f"{SUMS}.partial"
    with fresh.open("w", encoding="ascii") as file:
        file.writelines(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / SUMS)
    sync_folder(folder)


def check_folder(folder: Path, keys: AuditKeys) -> Iterator[ArchiveFile]:
    """Check every file of a folder, in order, and that those of a tenant follow each other; yield each good one.

    ArchiveBroken at the first bad one, at a file that the list names and that is not there, or without any file.
    """
    sums = read_sums(folder)
    names = sorted(path.name for path in folder.glob("*.jsonl.gz") if _NAME.match(path.name))
    if not names:
        raise ArchiveBroken(f"{folder} holds no archive files")
    absent = sorted(set(sums) - set(names))
    if absent:
        raise ArchiveBroken(f"{absent[0]} stands in {SUMS} and is not there")
    before: dict[int, ArchiveFile] = {}
    for name in sorted(names, key=lambda name: [int(part) for part in _NAME.match(name).groups()]):  # type: ignore[union-attr]
        if name in sums and sha256_of(folder / name).hex() != sums[name]:
            raise ArchiveBroken(f"{name}: its SHA-256 is not the one in {SUMS}")
        found = check_archive(folder / name, keys)
        last = before.get(found.tenant_id)
        if last is not None and (found.first_seq, found.prev_hash) != (last.last_seq + 1, last.last_hash):
            raise ArchiveBroken(f"{name} does not follow {last.file_name}: a file is missing between them")
        before[found.tenant_id] = found
        yield found
