"""What changed between two sets of files, line by line, bounded in size and time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sources.differences import (
    MAX_FILE_BYTES,
    MAX_LINES,
    ChangeKind,
    FileChange,
    FileState,
    as_unified,
    changed_files,
    compare_lines,
    size_of,
    wanted_contents,
)
from app.sources.store import sha256_hex

LINES = st.lists(st.text(alphabet="ab {}:", max_size=4), max_size=30)


def compare(
    before: dict[str, bytes], after: dict[str, bytes], executable: tuple[str, ...] = (), seconds: float = 5.0
) -> list[FileChange]:
    def states(files: dict[str, bytes], runnable: tuple[str, ...]) -> list[FileState]:
        return [FileState(path, sha256_hex(data), len(data), path in runnable) for path, data in files.items()]

    changes = changed_files(states(before, ()), states(after, executable))
    by_hash = {sha256_hex(data): data for files in (before, after) for data in files.values()}
    wanted = wanted_contents(changes)
    return compare_lines(changes, {key: data for key, data in by_hash.items() if key in wanted}, seconds=seconds)


def test_added_removed_changed_and_mode_are_told_apart() -> None:
    changes = compare(
        {"gone.yml": b"x\n", "same.yml": b"s\n", "site.yml": b"a\nb\n", "run.sh": b"#!/bin/sh\n"},
        {"new.yml": b"y\n", "same.yml": b"s\n", "site.yml": b"a\nc\n", "run.sh": b"#!/bin/sh\n"},
        executable=("run.sh",),
    )
    assert {change.path: change.kind for change in changes} == {
        "gone.yml": ChangeKind.REMOVED,
        "new.yml": ChangeKind.ADDED,
        "run.sh": ChangeKind.MODE,
        "site.yml": ChangeKind.CHANGED,
    }
    assert size_of(changes).changed == 2
    site = changes[-1]
    assert [(line.mark, line.old, line.new, line.text) for line in site.hunks[0]] == [
        (" ", 1, 1, "a"),
        ("-", 2, None, "b"),
        ("+", None, 2, "c"),
    ]
    assert as_unified(site) == ["--- site.yml", "+++ site.yml", "@@ -1,2 +1,2 @@", " a", "-b", "+c"]
    assert "executable now" in changes[2].note


@given(LINES, LINES)
def test_applying_the_difference_to_the_old_lines_gives_the_new_ones(old: list[str], new: list[str]) -> None:
    before, after = "".join(line + "\n" for line in old), "".join(line + "\n" for line in new)
    changes = compare({"f": before.encode()}, {"f": after.encode()})
    result, at = [], 0
    for hunk in changes[0].hunks if changes else ():
        first = next((line.old for line in hunk if line.old is not None), None)
        if first is not None:
            result += old[at : first - 1]
            at = first - 1
        for line in hunk:
            if line.mark != "+":
                assert old[at] == line.text
                at += 1
            if line.mark != "-":
                result.append(line.text)
                assert line.new == len(result)
    assert result + old[at:] == new


def test_what_is_no_text_or_too_large_is_said_and_not_compared() -> None:
    large = b"x\n" * MAX_FILE_BYTES
    changes = compare({"a": b"1", "b": large, "c": b"\xff\xfe"}, {"a": b"\0", "b": large + b"y", "c": b"text"})
    notes = {change.path: change.note for change in changes}
    assert "Not text" in notes["a"]
    assert "Larger than" in notes["b"]
    assert "Not text" in notes["c"]
    assert not any(change.hunks for change in changes)


def test_the_shown_lines_have_a_limit_over_all_files() -> None:
    files = {f"f{number}.yml": b"".join(b"line %d\n" % line for line in range(3000)) for number in range(3)}
    changes = compare({}, files)
    assert sum(len(hunk) for change in changes for hunk in change.hunks) == MAX_LINES
    assert changes[0].added == 3000
    assert "not shown here" in changes[1].note
    assert "Too much changed" in changes[2].note


@pytest.mark.parametrize("count", [5990])
def test_a_file_made_to_take_long_is_given_up_in_time(count: int) -> None:
    old = "\n".join(str(number % 150) for number in range(count)).encode()
    new = "\n".join(str((number * 7919) % 150) for number in range(count)).encode()
    began = time.monotonic()
    changes = compare({"a": old, "b": b"1\n"}, {"a": new, "b": b"2\n"}, seconds=0.3)
    assert time.monotonic() - began < 10
    assert changes[0].hunks or "takes too long" in changes[0].note
