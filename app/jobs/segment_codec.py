"""Lines as bytes: how a segment is written, packed, checked and read. Pure functions, no database.

A segment's content is the parts of its jobs one after the other. A part is one line of JSON (numbers and times as
differences, tasks and levels as runs of equal values), then the texts. Packed with Zstandard at level 9.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, groupby, pairwise
from typing import Any

from backports import zstd

CODEC = "zstd"
LEVEL = 9  # a tenth smaller than level 3; still faster than rows come out of a database
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class SegmentDamaged(ValueError):
    """A segment's bytes are not those that were written; the message says how, in words."""


@dataclass(frozen=True, slots=True)
class Line:
    """One stored line, from whichever place; the columns of ``job_logs`` that reads need."""

    line_number: int
    run_seq: int
    task_seq: int
    continued: bool
    content: str
    log_level: str | None
    timestamp: datetime
    is_missing: bool = False  # its segment cannot be read: ``content`` says so


@dataclass(frozen=True, slots=True)
class Part:
    """Where a job's contiguous lines lie in a segment's content (bytes)."""

    job_id: int
    first_line: int
    last_line: int
    start: int
    size: int
    levels: tuple[str, ...]


def encode(rows: Sequence[tuple[int, Line]]) -> tuple[bytes, list[Part]]:
    """Return content and parts of (job id, line), which come in the order of job and line number."""
    pieces: list[bytes] = []
    parts: list[Part] = []
    start = 0
    for job_id, lines in _contiguous(rows):
        piece = _encode_part(lines)
        levels = tuple(sorted({line.log_level for line in lines if line.log_level}))
        parts.append(Part(job_id, lines[0].line_number, lines[-1].line_number, start, len(piece), levels))
        pieces.append(piece)
        start += len(piece)
    return b"".join(pieces), parts


def _contiguous(rows: Iterable[tuple[int, Line]]) -> Iterator[tuple[int, list[Line]]]:
    found: list[Line] = []
    owner = 0
    for job_id, line in rows:
        if found and (job_id != owner or line.line_number != found[-1].line_number + 1):
            yield owner, found
            found = []
        owner = job_id
        found.append(line)
    if found:
        yield owner, found


def _runs(values: Iterable[Any]) -> list[list[Any]]:
    return [[value, sum(1 for _ in same)] for value, same in groupby(values)]


def _differences(values: Sequence[int]) -> list[int]:
    return [values[0], *(later - sooner for sooner, later in pairwise(values))]


def _encode_part(lines: Sequence[Line]) -> bytes:
    texts = [line.content for line in lines]
    is_plain = not any("\n" in text for text in texts)
    head = {
        "n": lines[0].line_number,
        "r": _differences([line.run_seq for line in lines]),
        "s": _runs(line.task_seq for line in lines),
        "c": [place for place, line in enumerate(lines) if line.continued],
        "v": _runs(line.log_level for line in lines),
        "t": _differences([(line.timestamp - _EPOCH) // _MICROSECOND for line in lines]),
        "f": "text" if is_plain else "json",
    }
    body = "\n".join(texts) if is_plain else json.dumps(texts, ensure_ascii=False)
    # Surrogates cannot be stored by any of the databases; should one come, it is kept all the same.
    return json.dumps(head, separators=(",", ":")).encode() + b"\n" + body.encode("utf-8", "surrogatepass")


def texts_of(piece: bytes) -> str:
    """Return all texts of a part as one, for looking whether something occurs at all (in JSON's form at worst)."""
    return piece[piece.index(b"\n") + 1 :].decode("utf-8", "surrogatepass")


def is_plain(piece: bytes) -> bool:
    """Say whether ``texts_of`` are the texts themselves."""
    return piece[: piece.find(b"\n")].endswith(b'"f":"text"}')


def decode(piece: bytes, after: int = 0, until: int | None = None) -> list[Line]:
    """Return the lines of a part with a number over ``after`` and up to ``until``; SegmentDamaged for anything else."""
    try:
        head = json.loads(piece[: piece.index(b"\n")])
        body = texts_of(piece)
        texts = body.split("\n") if head["f"] == "text" else json.loads(body)
        first, count = int(head["n"]), len(texts)
        low = max(0, after + 1 - first)
        high = count if until is None else max(low, min(count, until - first + 1))
        tasks = [value for value, times in head["s"] for _ in range(times)]
        levels = [value for value, times in head["v"] for _ in range(times)]
        places, moments, continued = list(accumulate(head["r"])), list(accumulate(head["t"])), set(head["c"])
        if not len(tasks) == len(levels) == len(places) == len(moments) == count:
            raise SegmentDamaged("its columns differ in length")
        return [
            Line(
                first + place,
                places[place],
                tasks[place],
                place in continued,
                texts[place],
                levels[place],
                _EPOCH + timedelta(microseconds=moments[place]),
            )
            for place in range(low, high)
        ]
    except SegmentDamaged:
        raise
    except (ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
        raise SegmentDamaged("its form is not understood") from error


def pack(content: bytes) -> bytes:
    """Return the content compressed."""
    return zstd.compress(content, level=LEVEL)


def digest(content: bytes) -> bytes:
    """Return the SHA-256 of a content."""
    return hashlib.sha256(content).digest()


def unpack(data: bytes, *, codec: str, raw_bytes: int, sha256: bytes) -> bytes:
    """Return the content of stored bytes, checked; SegmentDamaged when it is not what was sealed.

    Never takes more memory than the content that was promised.
    """
    if codec != CODEC:
        raise SegmentDamaged(f"it is packed with {codec}, which this version does not know")
    try:
        content = zstd.ZstdDecompressor().decompress(data, raw_bytes + 1)
    except (zstd.ZstdError, EOFError) as error:
        raise SegmentDamaged("it cannot be unpacked") from error
    if len(content) != raw_bytes or digest(content) != sha256:
        raise SegmentDamaged("its SHA-256 is not the one of the sealed lines")
    return content
