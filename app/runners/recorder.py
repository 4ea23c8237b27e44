"""The one way into the spool: everything is made safe and masked here, cut into rows, and counted."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from app.runners.base import TaskStatus
from app.runners.facts import clean, fit
from app.runners.lines import DEFAULT_LOG_BYTES, ROW_BYTES, cut_rows, sanitize_line, split_text
from app.runners.masking import Masker
from app.runners.spool import SpoolWriter

_LEVELS = frozenset(("DEBUG", "INFO", "WARNING", "ERROR"))
_MAX_NAME = 1000
_MAX_LEFT_OUT = 100
_PIECE_BYTES = 262_144  # with base64 well below what is shipped at once


class Recorder:
    """Writes records of one run. ``lines_dropped`` counts the lines over a host's cap that were not kept."""

    def __init__(
        self, spool: SpoolWriter, masker: Masker, max_log_bytes: int = DEFAULT_LOG_BYTES, project: str = ""
    ) -> None:
        """``max_log_bytes`` is the cap of each host, and of the lines that belong to none.

        ``project`` is the run's folder of files: where the engine names one of them, its path inside is shown.
        """
        self._spool = spool
        self.mask = masker.mask
        self._folder = f"{project}/" if project else ""
        # In what a host prints only "file:line" and "file': line" are the engine's own words.
        place = re.escape(self._folder) + r"""(?=[^\s:'"]+['"]?:(?: line )?\d)"""
        self._place = re.compile(place) if project else None
        self._max = max_log_bytes
        self._used: dict[str | None, int] = {}
        self._dropped: dict[str | None, list[int]] = {}

    def clean(self, text: str, limit: int | None = _MAX_NAME) -> str:
        """Return a short text (a name, a message) safe and masked; line ends become blanks."""
        cleaned = self.mask(self._inside(sanitize_line(" ".join(split_text(text)))))
        return cleaned if limit is None else cleaned[:limit]

    def play(self, name: str) -> None:
        """Record that a play, or a further batch of it, starts."""
        self._spool.append({"k": "play", "p": self.clean(name), "t": time.time()})

    def task(self, seq: int, play: str, name: str, module: str, place: str, kind: str) -> None:
        """Record a task's heading; ``kind`` is "task" or "handler"."""
        record: dict[str, Any] = {"k": "task", "s": seq, "p": self.clean(play), "n": self.clean(name)}
        record |= {"m": self.clean(module), "f": self.clean(place), "t": time.time()}
        if kind == "handler":
            record["y"] = "handler"
        self._spool.append(record)

    def text(self, text: str, *, host: str | None, seq: int, level: str, further: str | None = None) -> None:
        """Record a text of one or many lines; ``further`` is the level of the lines after the first."""
        level = level if level in _LEVELS else "INFO"
        further = further if further in _LEVELS else level
        now = time.time()
        for line in split_text(text):
            self._line(self.mask(self._inside(sanitize_line(line), host)), host, seq, level, now)
            level = further

    def result(self, host: str, seq: int, status: TaskStatus, duration_ms: int, diff: str | None) -> None:
        """Record how a task ended on a host."""
        shown = None
        if diff is not None:
            shown = "\n".join(self.mask(sanitize_line(line)) for line in split_text(diff))
        record = {"k": "res", "h": host, "s": seq, "st": status.value, "d": duration_ms, "df": shown}
        self._spool.append(record | {"t": time.time()})

    def facts(self, host: str, facts: Mapping[str, Any], sent: int, left_out: Sequence[str]) -> None:
        """Record what a host said of itself, safe, masked and cut to facts.MAX_BYTES.

        ``sent`` is the size in bytes of what the host sent, ``left_out`` what the plugin already dropped of it.
        """
        kept, more = fit(clean(facts, self.mask))
        names = [self.clean(str(name)) for name in (*left_out, *more)][:_MAX_LEFT_OUT]
        self._spool.append({"k": "facts", "h": host, "d": kept, "z": sent, "x": names, "t": time.time()})

    def artifact(self, name: str, data: bytes) -> None:
        """Hand bytes over to the kind of job, in pieces: neither masked nor cut, so encrypt what must not be read.

        ``name``: [a-z_.], up to 50; each one once in a run.
        """
        last = max(0, len(data) - 1) // _PIECE_BYTES
        for number in range(last + 1):
            piece = data[number * _PIECE_BYTES : (number + 1) * _PIECE_BYTES]
            text = base64.b64encode(piece).decode("ascii")
            self._spool.append({"k": "art", "n": name, "i": number, "z": int(number == last), "d": text})

    def finish(self) -> int:
        """Write one marker line for each host whose output was cut; return the number of dropped lines."""
        for host, (lines, size) in self._dropped.items():
            text = (
                f"[millwright] {lines} more lines ({size} bytes) were not kept: "
                f"the output reached the limit of {self._max} bytes."
            )
            self._spool.append_line(text, host=host, seq=0, level="WARNING", now=time.time())
        return sum(lines for lines, _size in self._dropped.values())

    def _inside(self, text: str, host: str | None = None) -> str:
        """Return a text whose mentions of the run's folder are paths inside the project."""
        if self._place is None or self._folder not in text:
            return text
        return text.replace(self._folder, "") if host is None else self._place.sub("", text)

    def _line(self, line: str, host: str | None, seq: int, level: str, now: float) -> None:
        used = self._used.get(host, 0)
        size = len(line) if line.isascii() else len(line.encode("utf-8", "replace"))
        if used + size > self._max:
            dropped = self._dropped.setdefault(host, [0, 0])
            dropped[0] += 1
            dropped[1] += size
            self._used[host] = self._max + 1  # nothing that follows is kept either, however short
            return
        self._used[host] = used + size + 1
        if size <= ROW_BYTES:
            self._spool.append_line(line, host=host, seq=seq, level=level, now=now)
            return
        for piece, continued in cut_rows(line):
            self._spool.append_line(piece, host=host, seq=seq, level=level, now=now, continued=continued)
