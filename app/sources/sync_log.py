"""What a sync says about itself: lines with their time, masked, at most 64 KiB."""

from __future__ import annotations

from app.core.clock import utc_now
from app.runners.masking import Masker

MAX_BYTES = 65_536
_CUT = "... the rest is left out\n"


class SyncLog:
    """Collects lines; control characters and secrets never get in."""

    def __init__(self, masker: Masker) -> None:
        self.mask = masker.mask
        self._lines: list[str] = []
        self._size = 0
        self._is_full = False

    def add(self, text: str) -> None:
        """Add a text, line by line; what does not fit any more is left out."""
        for line in self.mask(text).splitlines():
            shown = "".join(character if character.isprintable() else "?" for character in line.rstrip())[:1000]
            entry = f"{utc_now():%H:%M:%S} {shown}\n"
            size = len(entry.encode("utf-8", "replace"))
            if not shown or self._is_full:
                continue
            if self._size + size > MAX_BYTES - len(_CUT):
                self._is_full = True
                self._lines.append(_CUT)
                continue
            self._size += size
            self._lines.append(entry)

    def text(self) -> str:
        """Return everything so far."""
        return "".join(self._lines)
