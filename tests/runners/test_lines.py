from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.runners.lines import ROW_BYTES, LineSplitter, cut_rows, sanitize_line, split_text


def split(*chunks: bytes) -> list[str]:
    splitter = LineSplitter()
    return [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.close()


@given(st.lists(st.binary(max_size=12), max_size=12))
@settings(max_examples=200, deadline=None)
def test_chunk_borders_change_no_line(chunks: list[bytes]) -> None:
    assert split(*chunks) == split(b"".join(chunks))


def test_every_kind_of_line_end_ends_a_line() -> None:
    assert split(b"a\r", b"\nb\rc\n\nlast") == ["a", "b", "c", "", "last"]
    assert split_text("a\r\nb\rc\n\nlast\n") == ["a", "b", "c", "", "last"]
    assert split_text("") == [""]


def test_a_step_of_a_progress_bar_hides_nothing() -> None:
    assert split(b" 10%\r 50%\r100%\n") == [" 10%", " 50%", "100%"]


def test_a_line_over_the_cap_keeps_its_beginning_and_counts_the_rest() -> None:
    splitter = LineSplitter(max_line_bytes=10)
    assert splitter.feed(b"x" * 25) == []
    assert splitter.feed(b"y\nnext\n") == ["x" * 10, "next"]
    assert splitter.dropped_bytes == 16


@given(st.text(st.characters(codec="utf-8"), max_size=300))
@settings(max_examples=200, deadline=None)
def test_rows_hold_all_of_a_line_and_break_no_character(text: str) -> None:
    rows = list(cut_rows(text, 16))
    assert "".join(row for row, _ in rows) == text
    assert all(len(row.encode()) <= 16 for row, _ in rows)
    assert [continued for _, continued in rows] == [False] + [True] * (len(rows) - 1)


def test_ten_megabytes_without_a_line_end_are_all_there() -> None:
    line = "0123456789abcdé" * (10 * 1024 * 1024 // 16)
    [whole] = split(*(line.encode()[at : at + 65_537] for at in range(0, len(line.encode()), 65_537)))
    rows = [row for row, _ in cut_rows(whole)]
    assert "".join(rows) == line
    assert max(len(row.encode()) for row in rows) <= ROW_BYTES


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain\ttext", "plain\ttext"),
        ("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m"),
        ("a\x1b[2K\x1b[1Gb\x1b[10;10H", "ab"),
        ("\x1b]0;title\x07x\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "xlink"),
        ("\x1b]unfinished", "␛]unfinished"),
        ("\x1bPdevice\x1b\\x", "x"),
        ("nul\x00bel\x07del\x7f", "nul␀bel␇del␡"),
        ("\x9b2Jx\x85", "x\ufffd"),
        ("\ud800half", "\ufffdhalf"),
        ("\x1b", "␛"),
        ("emoji 🚀 é \u202e", "emoji 🚀 é \u202e"),
    ],
)
def test_commands_to_a_terminal_go_and_colours_stay(raw: str, shown: str) -> None:
    assert sanitize_line(raw) == shown


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_what_is_shown_can_always_be_stored(text: str) -> None:
    shown = sanitize_line(text)
    shown.encode("utf-8")
    assert "\x00" not in shown
    rest = shown
    while "\x1b" in rest:  # only colours are left
        rest = rest[rest.index("\x1b") :]
        assert rest.startswith("\x1b[")
        end = rest.index("m")
        assert set(rest[2:end]) <= set("0123456789;:")
        rest = rest[end:]


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert split(b"\xff\xfe ok \xc3\n") == ["\ufffd\ufffd ok \ufffd"]
