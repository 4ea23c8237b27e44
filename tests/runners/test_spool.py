from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from app.runners.base import FailureCode, HostResult, RunResult, StopReason
from app.runners.spool import (
    RESULT_NAME,
    SPOOL_NAME,
    SpoolReader,
    SpoolWriter,
    read_result,
    write_result,
)


def record(number: int) -> dict[str, Any]:
    return {"k": "line", "h": "a", "s": 1, "v": "INFO", "x": f"line {number} é\u2028", "t": 1.5}


def write(directory: Path, count: int) -> None:
    writer = SpoolWriter(directory, min_free_bytes=0)
    for number in range(count):
        writer.append(record(number))
    writer.close()


def test_the_place_in_the_file_is_the_number_of_the_record(tmp_path: Path) -> None:
    write(tmp_path, 250)
    with SpoolReader(tmp_path / SPOOL_NAME) as reader:
        first = reader.read(100, 1_000_000)
        rest = reader.read(1000, 1_000_000)
        assert reader.read(10, 1000) == []
    assert [ordinal for ordinal, _ in first + rest] == list(range(250))
    assert [found for _, found in first + rest] == [record(number) for number in range(250)]


def test_a_second_reader_goes_on_where_the_first_stopped(tmp_path: Path) -> None:
    write(tmp_path, 10)
    with SpoolReader(tmp_path / SPOOL_NAME) as reader:
        reader.read(4, 1_000_000)
        offset, ordinal = reader.offset, reader.ordinal
    with SpoolReader(tmp_path / SPOOL_NAME, offset, ordinal) as reader:
        assert [found for found, _ in reader.read(100, 1_000_000)] == [4, 5, 6, 7, 8, 9]


def test_a_record_larger_than_the_limit_comes_alone(tmp_path: Path) -> None:
    write(tmp_path, 3)
    with SpoolReader(tmp_path / SPOOL_NAME) as reader:
        assert [len(reader.read(10, 5)) for _ in range(4)] == [1, 1, 1, 0]


def test_a_torn_last_line_is_not_read_until_it_is_whole(tmp_path: Path) -> None:
    write(tmp_path, 2)
    path = tmp_path / SPOOL_NAME
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    with SpoolReader(path) as reader:
        assert len(reader.read(10, 1000)) == 1
        path.write_bytes(whole)
        assert [ordinal for ordinal, _ in reader.read(10, 1000)] == [1]


def test_the_spool_is_private_and_never_written_twice(tmp_path: Path) -> None:
    write(tmp_path, 1)
    assert (tmp_path / SPOOL_NAME).stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        SpoolWriter(tmp_path)


def test_a_full_disk_raises_nothing_and_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = SpoolWriter(tmp_path, min_free_bytes=0)
    writer.append(record(0))
    writer.flush()
    real = os.write

    def half(fd: int, data: bytes) -> int:
        if len(data) > 10:
            return real(fd, data[:10])
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", half)
        writer.append({**record(1), "x": "y" * 1})
        writer._buffer[:] = [writer._buffer[0][:19]]  # ten bytes go, the rest does not
        writer.flush()
    assert writer.disk_full
    writer.append(record(2))
    writer.close()
    with SpoolReader(tmp_path / SPOOL_NAME) as reader:
        assert reader.read(10, 1000) == [(0, record(0))]


def test_too_little_room_left_is_noticed_before_the_disk_is_full(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, min_free_bytes=2**62)
    writer.append(record(0))
    writer.close()
    assert writer.disk_full


def test_a_result_comes_back_as_it_was_written(tmp_path: Path) -> None:
    result = RunResult(
        exit_code=2,
        failure_code=FailureCode.TASK_FAILED,
        message="é",
        hosts={
            "a": HostResult(None, counts={"ok": 1}),
            "b": HostResult(FailureCode.UNREACHABLE, "m", "t", "ping", {}),
        },
        engine_version="2.19",
        stopped_by=StopReason.CANCEL,
        lines_dropped=3,
    )
    assert read_result(tmp_path) is None
    write_result(tmp_path, result)
    assert read_result(tmp_path) == result
    assert (tmp_path / RESULT_NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"hosts":{}}', '{"hosts":{"a":{}},"stopped_by":null}'])
def test_an_unreadable_result_is_no_result(tmp_path: Path, text: str) -> None:
    (tmp_path / RESULT_NAME).write_text(text)
    assert read_result(tmp_path) is None
