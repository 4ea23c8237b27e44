"""What is packed comes out as it went in, or is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.jobs import segment_codec
from app.jobs.segment_codec import Line, SegmentDamaged

LEVELS = st.sampled_from([None, "INFO", "ERROR", "changed"])
MOMENTS = st.integers(0, 4 * 10**15).map(lambda micros: datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros))
TEXTS = st.one_of(
    st.text(max_size=60), st.sampled_from(["", "\n", "a\nb", '"f":"text"}', "\r", "\x00", "😀", "\u2028"])
)


@st.composite
def logs(draw: st.DrawFn) -> list[tuple[int, Line]]:
    """Lines of some jobs in order, with gaps."""
    rows: list[tuple[int, Line]] = []
    for job_id in sorted(draw(st.sets(st.integers(1, 50), min_size=1, max_size=4))):
        number = draw(st.integers(1, 10_000))
        for _ in range(draw(st.integers(1, 12))):
            line = Line(
                number,
                draw(st.integers(0, 2**40)),
                draw(st.integers(0, 5000)),
                draw(st.booleans()),
                draw(TEXTS),
                draw(LEVELS),
                draw(MOMENTS),
            )
            rows.append((job_id, line))
            number += draw(st.sampled_from([1, 1, 1, 1, 7]))
    return rows


@given(logs(), st.integers(0, 10_100), st.integers(0, 40))
def test_any_lines_come_out_as_they_went_in_whole_and_in_part(
    rows: list[tuple[int, Line]], after: int, width: int
) -> None:
    content, parts = segment_codec.encode(rows)
    data = segment_codec.pack(content)
    again = segment_codec.unpack(
        data, codec=segment_codec.CODEC, raw_bytes=len(content), sha256=segment_codec.digest(content)
    )
    pieces = [(part, again[part.start : part.start + part.size]) for part in parts]
    assert [(part.job_id, line) for part, piece in pieces for line in segment_codec.decode(piece)] == rows
    for part, piece in pieces:
        whole = segment_codec.decode(piece)
        assert [whole[0].line_number, whole[-1].line_number] == [part.first_line, part.last_line]
        assert set(part.levels) == {line.log_level for line in whole if line.log_level}
        cut = segment_codec.decode(piece, after, after + width)
        assert cut == [line for line in whole if after < line.line_number <= after + width]
        if segment_codec.is_plain(piece):
            assert segment_codec.texts_of(piece) == "\n".join(line.content for line in whole)


@given(logs(), st.data())
def test_any_change_of_a_byte_and_any_cut_is_noticed(rows: list[tuple[int, Line]], data: st.DataObject) -> None:
    content, _parts = segment_codec.encode(rows)
    packed = segment_codec.pack(content)
    place = data.draw(st.integers(0, len(packed) - 1))
    changed = bytearray(packed)
    changed[place] ^= data.draw(st.integers(1, 255))
    for wrong in (bytes(changed), packed[:place], packed[:place] + b"\x00"):
        try:
            found = segment_codec.unpack(
                wrong, codec=segment_codec.CODEC, raw_bytes=len(content), sha256=segment_codec.digest(content)
            )
        except SegmentDamaged:
            continue
        assert found == content  # a bit that means nothing: the lines are those that were sealed


def test_a_small_file_that_unpacks_to_gigabytes_takes_no_memory() -> None:
    from backports import zstd

    bomb = zstd.compress(bytes(300_000_000))
    with pytest.raises(SegmentDamaged):
        segment_codec.unpack(bomb, codec=segment_codec.CODEC, raw_bytes=1000, sha256=bytes(32))


def test_a_codec_of_a_later_version_is_named() -> None:
    with pytest.raises(SegmentDamaged, match="brotli"):
        segment_codec.unpack(b"", codec="brotli", raw_bytes=0, sha256=bytes(32))


@pytest.mark.parametrize(
    "piece", [b"", b"{}\n", b"no json\n", b'{"n":1,"r":[1],"s":[],"c":[],"v":[],"t":[1],"f":"text"}\na']
)
def test_a_part_that_is_none_is_refused(piece: bytes) -> None:
    with pytest.raises(SegmentDamaged):
        segment_codec.decode(piece)
