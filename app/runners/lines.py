"""Turn what programs print into rows that are safe to store and show, without losing a character of it.

A line ends at LF, CR LF or a lone CR (a progress bar becomes one line per step: nothing is hidden). A row is
at most 16 KiB of UTF-8; a longer line goes on in rows marked as continued.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

ROW_BYTES = 16 * 1024
MAX_LINE_BYTES = 64 * 1024 * 1024  # memory a single line may take before the rest of it is only counted
DEFAULT_LOG_BYTES = 100 * 1024 * 1024

_LINE_END = re.compile(rb"\r\n|\n|\r")
_TEXT_LINE_END = re.compile("\r\n|\n|\r")
# Everything but TAB that a terminal or a browser might take for a command, and what UTF-8 cannot hold.
_UNSAFE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff]")
_SGR = "\x1b\\[[0-9;:]*m"
# ECMA-48: CSI, then the string commands (OSC, DCS, SOS, PM, APC) up to BEL or ST, then two-byte escapes.
_COMMAND = re.compile(
    f"(?P<sgr>{_SGR})"
    "|(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]"
    "|(?:\x1b[\\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)"
    "|\x1b[ -/]+[0-~]"
    "|\x1b[0-Z\\\\`-~]"
    "|(?P<single>[\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff])"
)


def _safe(found: re.Match[str]) -> str:
    if found.lastgroup == "sgr":
        return found[0]
    if found.lastgroup != "single":
        return ""
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)  # the Unicode symbol for the control character
    if code == 0x7F:
        return "\u2421"
    return "\ufffd"


def sanitize_line(text: str) -> str:
    """Return a line without commands to a terminal; colours and TAB stay, cursor moves, titles and links go.

    Other control characters become their Unicode symbols, lone surrogates and C1 controls U+FFFD.
    """
    if (text.isascii() and text.isprintable()) or _UNSAFE.search(text) is None:
        return text
    return _COMMAND.sub(_safe, text)


def split_text(text: str) -> list[str]:
    """Split a text into its lines; one line end at the very end makes no further, empty line."""
    if "\r" not in text:
        lines = text.split("\n")
    else:
        lines = _TEXT_LINE_END.split(text)
    if len(lines) > 1 and not lines[-1]:
        lines.pop()
    return lines


def cut_rows(line: str, row_bytes: int = ROW_BYTES) -> Iterator[tuple[str, bool]]:
    """Yield a line as rows of at most ``row_bytes`` UTF-8 bytes, each with "continues the one before"."""
    if len(line) * 4 <= row_bytes:
        yield line, False
        return
    data = line.encode("utf-8", "replace")
    start = 0
    while start < len(data) or start == 0:
        end = min(start + row_bytes, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:  # never inside a character
            end -= 1
        yield data[start:end].decode("utf-8"), start > 0
        if end == 0:
            return
        start = end


class LineSplitter:
    """Turns the bytes of a pipe into lines; memory is bounded by ``max_line_bytes``.

    ``dropped_bytes`` counts what a line had beyond that.
    """

    def __init__(self, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self._max = max_line_bytes
        self._parts: list[bytes] = []
        self._size = 0
        self._after_cr = False
        self.dropped_bytes = 0
        self._decode = codecs.getdecoder("utf-8")

    def feed(self, chunk: bytes) -> list[str]:
        """Return the lines that the chunk completes."""
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk.startswith(b"\n"):  # CR LF torn apart by the chunk border
                chunk = chunk[1:]
        lines: list[str] = []
        start = 0
        for found in _LINE_END.finditer(chunk):
            self._keep(chunk[start : found.start()])
            lines.append(self._take())
            start = found.end()
        self._keep(chunk[start:])
        self._after_cr = chunk.endswith(b"\r")
        return lines

    def close(self) -> list[str]:
        """Return the last line if it lacks its line end."""
        return [self._take()] if self._parts else []

    def _keep(self, piece: bytes) -> None:
        room = self._max - self._size
        if len(piece) > room:
            self.dropped_bytes += len(piece) - room
            piece = piece[:room]
        if piece:
            self._parts.append(piece)
            self._size += len(piece)

    def _take(self) -> str:
        text = self._decode(b"".join(self._parts), "replace")[0]
        self._parts.clear()
        self._size = 0
        return text
