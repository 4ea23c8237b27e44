"""Read zip and tar archives of strangers in memory: nothing is unpacked to disk, and limits hold before bytes are kept.

Refused: names that climb, are absolute, hold NUL or backslashes, stand twice or differ only in case; links, devices and
other special members; encrypted ones; more members, bytes or compression than allowed (T-ZIP).
"""

from __future__ import annotations

import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from app.core.errors import InvalidInput

MAX_NAME = 500
MAX_RATIO = 200  # unpacked to packed bytes of the whole archive; text rarely gets beyond 20
CHUNK = 65_536
_EOCD = b"PK\x05\x06"
_EOCD_BYTES = 22
_CENTRAL_BYTES = 46  # of each entry of the central directory, without its name
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What an archive may hold: members (folders included), bytes of one file, bytes of all files."""

    members: int
    file_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """One regular file of an archive; ``name`` is a relative POSIX path."""

    name: str
    data: bytes
    executable: bool


def read_archive(data: bytes, limits: ArchiveLimits, *, field: str = "file") -> list[ArchiveFile]:
    """Return the files of a .zip, .tar or .tar.gz in its order; InvalidInput says what is wrong with it."""
    try:
        if data[:4] in (b"PK\x03\x04", _EOCD):
            found = list(_zip(data, limits))
        elif data[:2] == b"\x1f\x8b" or data[257:262] == b"ustar":
            found = list(_tar(data, limits))
        else:
            raise _Refused("This is no .zip, .tar or .tar.gz archive. Pack the files into one of these.")
    except _Refused as error:
        raise InvalidInput(**{field: str(error)}) from None
    except (
        *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, EOFError, OSError),
        *(struct.error, ValueError, NotImplementedError, RuntimeError, OverflowError, KeyError, IndexError),
    ):
        raise InvalidInput(**{field: "The archive is damaged, or of a kind that is not read. Pack it anew."}) from None
    if not found:
        raise InvalidInput(**{field: "The archive holds no file."})
    return found


class _Refused(Exception):
    """Why an archive is not taken."""


class _Names:
    """Names seen so far: each once, whatever its case, and no file where a folder is."""

    def __init__(self, limits: ArchiveLimits) -> None:
        self._limits = limits
        self._files: dict[str, str] = {}
        self._folders: set[str] = set()
        self._count = 0

    def count(self) -> None:
        """Count a member, of whatever kind."""
        self._count += 1
        if self._count > self._limits.members:
            raise _Refused(f"The archive has more than {self._limits.members} members. Leave out what is not needed.")

    def folder(self, name: str) -> None:
        """Check a folder's name."""
        check_name(name.rstrip("/") or "/")

    def file(self, name: str) -> str:
        """Return a checked file name, seen for the first time."""
        check_name(name)
        folded = name.casefold()
        parents = {folded[:at] for at, character in enumerate(folded) if character == "/"}
        if folded in self._files:
            raise _Refused(f"{_shown(name)} stands twice in the archive (capitals do not count). Keep one of them.")
        if folded in self._folders or parents & self._files.keys():
            raise _Refused(f"{_shown(name)} is a file and a folder in the archive. Rename one of them.")
        self._files[folded] = name
        self._folders |= parents
        return name


def _shown(name: str) -> str:
    return ascii(name[:80])


def check_name(name: str) -> None:
    """Raise unless a member's name is a plain relative path."""
    parts = name.split("/")
    if not name or len(name) > MAX_NAME:
        raise _Refused(f"A member's name is empty or longer than {MAX_NAME} characters. Rename it.")
    if "\0" in name or "\\" in name or not name.isprintable():
        raise _Refused(f"{_shown(name)}: a name may hold no backslash and no control character. Rename it.")
    if name.startswith("/") or name[1:2] == ":" or ".." in parts or "." in parts or "" in parts:
        raise _Refused(f"{_shown(name)} leads out of the archive. Names are relative, without '..'.")
    if any(part.lower() == ".git" for part in parts):
        raise _Refused("The archive holds a .git folder. Pack the files without it (git archive does).")


class _Meter:
    """Counts unpacked bytes against the limits."""

    def __init__(self, packed: int, limits: ArchiveLimits) -> None:
        self._limits = limits
        self._left = min(limits.total_bytes, max(packed, 1024) * MAX_RATIO)
        self._is_ratio = self._left < limits.total_bytes

    def take(self, count: int) -> None:
        """Count bytes that came out."""
        self._left -= count
        if self._left < 0:
            if self._is_ratio:
                raise _Refused("The archive unpacks to far more than it is: a decompression bomb. It was not read.")
            size = self._limits.total_bytes // 1_048_576
            raise _Refused(f"The archive's files have more than {size} MiB together. Leave out what is not needed.")

    def read(self, source: IO[bytes], name: str) -> bytes:
        """Return the rest of a stream, chunk by chunk."""
        pieces, size = [], 0
        while chunk := source.read(CHUNK):
            size += len(chunk)
            self.take(len(chunk))
            if size > self._limits.file_bytes:
                raise _Refused(f"{_shown(name)} is larger than {self._limits.file_bytes // 1_048_576} MiB.")
            pieces.append(chunk)
        return b"".join(pieces)


def _zip(data: bytes, limits: ArchiveLimits) -> Iterator[ArchiveFile]:
    end = data.rfind(_EOCD, max(0, len(data) - _EOCD_BYTES - 65_535))
    if end < 0 or end + _EOCD_BYTES > len(data):
        raise _Refused("The archive is cut off: its table of contents is missing. Send it again.")
    count, size = struct.unpack_from("<HI", data, end + 10)
    most = f"The archive has more than {limits.members} members. Leave out what is not needed."
    # Before zipfile makes an object of each entry: it believes the size, not the count.
    if count > limits.members or size > limits.members * (_CENTRAL_BYTES + MAX_NAME + 200):
        raise _Refused(most)
    names, meter = _Names(limits), _Meter(len(data), limits)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            names.count()
            mode = member.external_attr >> 16 if member.create_system == 3 else 0
            if member.filename != member.orig_filename.replace("\\", "/") or "\\" in member.orig_filename:
                check_name(member.orig_filename)
            if member.flag_bits & 0x1:
                raise _Refused(f"{_shown(member.filename)} is encrypted. Pack the files without a password.")
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _Refused(f"{_shown(member.filename)} is a link or a special file. Replace it by a plain file.")
            if member.is_dir():
                names.folder(member.filename)
                continue
            name = names.file(member.filename)
            if member.compress_type not in _METHODS:
                raise _Refused(f"{_shown(name)} is compressed in an unusual way. Use deflate.")
            if member.file_size > limits.file_bytes:
                raise _Refused(f"{_shown(name)} is larger than {limits.file_bytes // 1_048_576} MiB.")
            with archive.open(member) as source:
                yield ArchiveFile(name, meter.read(source, name), bool(mode & 0o100))


class _Metered(io.RawIOBase):
    """A stream whose bytes are counted as they come out, headers included."""

    def __init__(self, source: IO[bytes], allowance: int) -> None:
        self._source = source
        self._left = allowance

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        chunk = self._source.read(size if 0 <= size <= CHUNK else CHUNK)
        self._left -= len(chunk)
        if self._left < 0:
            raise _Refused("The archive unpacks to far more than it may. It was not read.")
        return chunk


def _tar(data: bytes, limits: ArchiveLimits) -> Iterator[ArchiveFile]:
    names = _Names(limits)
    packed: IO[bytes] = io.BytesIO(data)
    source: Any = gzip.GzipFile(fileobj=packed) if data[:2] == b"\x1f\x8b" else packed
    meter = _Meter(len(data), limits)
    overhead = limits.members * 2048 + 1_048_576  # headers, padding, the end
    allowance = min(limits.total_bytes + overhead, max(len(data), 1024) * MAX_RATIO + overhead)
    with tarfile.open(fileobj=_Metered(source, allowance), mode="r|", bufsize=CHUNK) as archive:
        for member in archive:
            names.count()
            if member.isdir():
                names.folder(member.name)
                continue
            if not member.isreg() or member.issparse():
                raise _Refused(f"{_shown(member.name)} is a link or a special file. Replace it by a plain file.")
            name = names.file(member.name)
            try:
                tarfile.data_filter(member, "/nowhere")
            except tarfile.FilterError:
                raise _Refused(f"{_shown(name)} leads out of the archive.") from None
            if member.size > limits.file_bytes:
                raise _Refused(f"{_shown(name)} is larger than {limits.file_bytes // 1_048_576} MiB.")
            content = archive.extractfile(member)
            assert content is not None
            yield ArchiveFile(name, meter.read(content, name), bool(member.mode & 0o100))
