"""What changed between two sets of files: by path, and line by line with numbers. Bounded in size and in time."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

MAX_FILE_BYTES = 262_144  # a larger file is not compared line by line
MAX_FILE_LINES = 6000
MAX_LINES = 4000  # shown lines of one comparison, over all files
MAX_LINE = 2000  # characters of one shown line
MAX_SECONDS = 1.5  # of computing; beyond it files are named, not compared
CONTEXT = 3


class ChangeKind(StrEnum):
    """What became of a file."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MODE = "mode"  # the same bytes, but executable now, or no longer


@dataclass(frozen=True, slots=True)
class FileState:
    """A file of a revision without its bytes; ``size`` in bytes."""

    path: str
    sha256: str
    size: int
    executable: bool = False


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line: ``mark`` is "+", "-" or " "; numbers count from 1, None where the file has no such line."""

    mark: str
    old: int | None
    new: int | None
    text: str


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that differs. ``note`` says in words why no lines are shown, or that some are left out."""

    path: str
    kind: ChangeKind
    before: FileState | None
    after: FileState | None
    hunks: Sequence[Sequence[DiffLine]] = ()
    note: str = ""
    added: int = 0  # lines
    removed: int = 0

    @property
    def mode_changed(self) -> bool:
        """Whether the file became executable, or stopped being so."""
        return bool(self.before and self.after and self.before.executable != self.after.executable)


def changed_files(before: Iterable[FileState], after: Iterable[FileState]) -> list[FileChange]:
    """Return the files that differ, by path, without their lines."""
    old, new = {file.path: file for file in before}, {file.path: file for file in after}
    found = []
    for path in sorted(old.keys() | new.keys()):
        left, right = old.get(path), new.get(path)
        if left is None or right is None:
            found.append(FileChange(path, ChangeKind.ADDED if left is None else ChangeKind.REMOVED, left, right))
        elif left.sha256 != right.sha256:
            found.append(FileChange(path, ChangeKind.CHANGED, left, right))
        elif left.executable != right.executable:
            found.append(FileChange(path, ChangeKind.MODE, left, right))
    return found


class _TooLong(Exception):
    """Comparing took more than its time."""


class _Matcher(difflib.SequenceMatcher[str]):
    """difflib's matcher, which stops when its time is over: its worst case grows with the cube of the lines."""

    deadline: float = 0.0

    def find_longest_match(self, *args: Any, **kwargs: Any) -> difflib.Match:
        """As difflib's; raises _TooLong after the deadline."""
        if time.monotonic() > self.deadline:
            raise _TooLong
        return super().find_longest_match(*args, **kwargs)


@dataclass
class _Budget:
    """What one comparison may still show and compute."""

    deadline: float
    lines: int = MAX_LINES


def _text(data: bytes) -> list[str] | None:
    """Return the lines of a text, None when the bytes are none."""
    if b"\0" in data:
        return None
    try:
        lines = data.decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError:
        return None
    return lines[:-1] if lines[-1] == "" else lines


def is_text(data: bytes) -> bool:
    """Say whether bytes can be shown as lines."""
    return _text(data) is not None


def _hunks(old: list[str], new: list[str], deadline: float) -> Iterator[list[DiffLine]]:
    matcher = _Matcher(None, old, new)
    matcher.deadline = deadline
    for group in matcher.get_grouped_opcodes(CONTEXT):
        hunk: list[DiffLine] = []
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                pairs = zip(range(old_from, old_to), range(new_from, new_to), strict=True)
                hunk += [DiffLine(" ", left + 1, right + 1, old[left][:MAX_LINE]) for left, right in pairs]
                continue
            hunk += [DiffLine("-", number + 1, None, old[number][:MAX_LINE]) for number in range(old_from, old_to)]
            hunk += [DiffLine("+", None, number + 1, new[number][:MAX_LINE]) for number in range(new_from, new_to)]
        yield hunk


def _compared(change: FileChange, contents: Mapping[str, bytes], budget: _Budget) -> FileChange:
    sides = [contents.get(state.sha256, b"") if state else b"" for state in (change.before, change.after)]

    def with_note(note: str) -> FileChange:
        return FileChange(change.path, change.kind, change.before, change.after, note=note)

    if change.kind is ChangeKind.MODE:
        now = bool(change.after and change.after.executable)
        return with_note("It is executable now." if now else "It is no longer executable.")
    if any(state is not None and state.size > MAX_FILE_BYTES for state in (change.before, change.after)):
        return with_note(f"Larger than {MAX_FILE_BYTES // 1024} KiB: not compared line by line. Open both files.")
    old, new = _text(sides[0]), _text(sides[1])
    if old is None or new is None:
        return with_note("Not text: not compared line by line.")
    if len(old) > MAX_FILE_LINES or len(new) > MAX_FILE_LINES:
        return with_note(f"More than {MAX_FILE_LINES} lines: not compared line by line. Open both files.")
    if budget.lines <= 0 or time.monotonic() > budget.deadline:
        return with_note("Too much changed to show all of it here. Compare this file by itself.")
    try:
        hunks = list(_hunks(old, new, budget.deadline))
    except _TooLong:
        return with_note("Comparing it line by line takes too long. Open both files.")
    shown: list[list[DiffLine]] = []
    note = ""
    for hunk in hunks:
        if len(hunk) > budget.lines:
            note = "The rest of this file's changes is not shown here. Compare this file by itself."
            shown += [hunk[: budget.lines]] if budget.lines else []
            budget.lines = 0
            break
        shown.append(hunk)
        budget.lines -= len(hunk)
    if not hunks and not note:
        note = "Only line ends differ." if change.kind is ChangeKind.CHANGED else "It is empty."
    marks = [line.mark for hunk in hunks for line in hunk]
    return FileChange(
        change.path, change.kind, change.before, change.after, shown, note, marks.count("+"), marks.count("-")
    )


def compare_lines(
    changes: Sequence[FileChange], contents: Mapping[str, bytes], *, seconds: float = MAX_SECONDS
) -> list[FileChange]:
    """Return the changes with their lines. ``contents`` has the bytes by SHA-256; a missing one counts as empty."""
    budget = _Budget(time.monotonic() + seconds)
    return [_compared(change, contents, budget) for change in changes]


def wanted_contents(changes: Iterable[FileChange]) -> set[str]:
    """Return the SHA-256 of the contents that comparing these changes needs, none of those that are too large."""
    return {
        state.sha256
        for change in changes
        if change.kind is not ChangeKind.MODE
        for state in (change.before, change.after)
        if state is not None and state.size <= MAX_FILE_BYTES
    }


def as_unified(change: FileChange) -> list[str]:
    """Return one file's change as lines of a unified diff, without line ends."""
    lines = [
        f"--- {change.path if change.before else '/dev/null'}",
        f"+++ {change.path if change.after else '/dev/null'}",
    ]
    for hunk in change.hunks:
        old = [line.old for line in hunk if line.old is not None]
        new = [line.new for line in hunk if line.new is not None]
        lines.append(f"@@ -{old[0] if old else 0},{len(old)} +{new[0] if new else 0},{len(new)} @@")
        lines += [line.mark + line.text for line in hunk]
    return lines


@dataclass(frozen=True, slots=True)
class Size:
    """How large a change is, in files."""

    added: int = 0
    removed: int = 0
    changed: int = 0


def size_of(changes: Iterable[FileChange]) -> Size:
    """Return how many files were added, removed and changed (mode changes among the last)."""
    kinds = [change.kind for change in changes]
    added, removed = kinds.count(ChangeKind.ADDED), kinds.count(ChangeKind.REMOVED)
    return Size(added, removed, len(kinds) - added - removed)
