"""Old lines move into compressed segments, and every reader sees what it saw before."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.core.clock import utc_now
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.jobs import log_reading, retention, sealing, segment_care, segment_store
from app.jobs.log_models import JobLogLine
from app.jobs.log_reading import Wanted, read_lines
from app.jobs.models import Run
from app.jobs.segment_models import LogSegment, LogSegmentBlob, LogSegmentPart
from tests.jobs.conftest import House
from tests.jobs.logged import finished, lines_of, readings, seal, use, whole
from tests.jobs.test_faces import begun, put_lines
from tests.support.sent import sent

pytestmark = pytest.mark.database


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several segments for a handful of lines."""
    monkeypatch.setattr(sealing, "SEGMENT_LINES", 10)
    monkeypatch.setattr(sealing, "READ_ROWS", 4)
    monkeypatch.setattr(log_reading, "PARTS_AT_ONCE", 2)


@pytest.fixture(params=["database", "folder"])
def store(request: pytest.FixtureRequest, app: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Each place where segments can lie."""
    kind = str(request.param)
    use(monkeypatch, segment_store=kind, segment_dir=tmp_path / "segments")
    return kind


def count(house: House, table: Any) -> int:
    with house.context(), system_scope("test"), unit_of_work(writes=False):
        return db.session.scalar(select(func.count()).select_from(table)) or 0


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_sealed_lines_read_as_they_did_in_every_way(house: House, store: str) -> None:
    launch = finished(house, {"a": lines_of(37), "b": lines_of(3), "c": lines_of(12)})
    before = readings(house, launch)
    assert seal(house) == 52
    assert count(house, JobLogLine) == 0
    assert readings(house, launch) == before
    assert len(before["a pages of 7"]) == 6  # it did compare something
    assert seal(house) == 0


def test_only_lines_of_runs_that_ended_long_enough_ago_move(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(house, {"a": lines_of(5)}, days_ago=2)
    _launch, claim, jobs = begun(house, "b")
    put_lines(house, claim, jobs["b"], ["still here"])
    assert seal(house) == 0
    finished(house, {"c": lines_of(5)}, days_ago=4)
    use(monkeypatch, seal_after_days=0)
    assert seal(house) == 0
    use(monkeypatch, seal_after_days=3)
    assert seal(house) == 5
    assert count(house, JobLogLine) == 6


def test_a_call_stops_when_its_time_is_over_and_the_next_goes_on(house: House) -> None:
    launch = finished(house, {"a": lines_of(25), "b": lines_of(25)})
    before = readings(house, launch)
    moved = []
    with house.context():
        while part := sealing.seal_old_lines(seconds=-1):
            moved.append(part)
            assert readings(house, launch) == before
    assert moved == [10, 10, 10, 10, 10]
    assert count(house, JobLogLine) == 0


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def kill_at(target: Any, name: str, *, after: bool) -> Callable[[pytest.MonkeyPatch], None]:
    def install(monkeypatch: pytest.MonkeyPatch) -> None:
        real = getattr(target, name)

        def fatal(*args: Any, **named: Any) -> Any:
            if after:
                real(*args, **named)
            raise Killed(name)

        monkeypatch.setattr(target, name, fatal)

    return install


@pytest.mark.parametrize(
    ("target", "name", "after"),
    [
        (sealing, "_intend", False),
        (sealing, "_intend", True),
        (segment_store.FolderStore, "put", False),
        (segment_store.FolderStore, "put", True),
        (segment_store.FolderStore, "get", True),
        (sealing, "_verify", True),
        (sealing, "_swap", False),
        (sealing, "_delete_rows", False),
        (sealing, "_delete_rows", True),
        (sealing, "_swap", True),
        (sealing, "_mark_sealed", False),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", str(value)).rpartition(".")[2],
)
def test_a_kill_at_any_step_loses_and_doubles_no_line(
    house: House, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: Any, name: str, after: bool
) -> None:
    launch = finished(house, {"a": lines_of(13), "b": lines_of(8)})
    before = whole(house, launch)
    with monkeypatch.context() as patched:
        kill_at(target, name, after=after)(patched)
        if store == "folder" or name not in ("_intend", "put", "get"):
            with pytest.raises(Killed):
                seal(house)
    assert whole(house, launch) == before
    seal(house)
    assert whole(house, launch) == before
    assert count(house, JobLogLine) == 0
    with house.context(), system_scope("test"), unit_of_work() as session:
        session.execute(update(LogSegment).values(created_at=utc_now() - timedelta(hours=2)))
    with house.context():
        segment_care.clear_leftovers()
    assert whole(house, launch) == before
    known = count(house, LogSegment)
    assert len(files(tmp_path / "segments")) == (known if store == "folder" else 0)
    assert count(house, LogSegmentBlob) == (known if store == "database" else 0)


def test_a_reader_between_rows_and_segments_sees_each_line_once(
    house: House, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = finished(house, {"a": lines_of(25)})
    job = house.jobs(launch)["a"]
    real = log_reading._from_segments
    sealed: list[int] = []

    def seal_first(*args: Any) -> Any:
        def work() -> None:
            with house.app.app_context():
                sealed.append(sealing.seal_old_lines(seconds=60))

        if not sealed:
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        return real(*args)

    monkeypatch.setattr(log_reading, "_from_segments", seal_first)
    found = house.read(lambda: read_lines(job, Wanted(after=3, limit=12)))
    assert sealed == [25]
    assert [line.line_number for line in found.lines] == list(range(4, 16))
    assert not found.missing


def test_rows_that_somebody_else_took_meanwhile_stop_the_sealer(house: House, store: str) -> None:
    launch = finished(house, {"a": lines_of(8)})
    before = readings(house, launch)
    run_id = house.run_id(launch)
    with house.context():
        first = sealing.next_chunk(house.actor.tenant_id, run_id)
        second = sealing.next_chunk(house.actor.tenant_id, run_id)
        assert first is not None and second is not None
        sealing.seal(first)
        with pytest.raises(Exception, match=r"somebody else|UNIQUE|Duplicate"):
            sealing.seal(second)
    assert readings(house, launch) == before


def test_a_folder_that_cannot_be_written_moves_nothing_and_is_tried_again(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = finished(house, {"a": lines_of(8)})
    before = readings(house, launch)
    (tmp_path / "file").write_text("no folder")
    use(monkeypatch, segment_store="folder", segment_dir=tmp_path / "file")
    assert seal(house) == 0
    assert readings(house, launch) == before
    assert count(house, JobLogLine) == 8
    use(monkeypatch, segment_dir=tmp_path / "there")
    assert seal(house) == 8
    assert readings(house, launch) == before
    assert {path.stat().st_mode & 0o777 for path in files(tmp_path / "there")} == {0o600}


def test_a_store_that_gives_other_bytes_back_gets_no_rows(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = finished(house, {"a": lines_of(8)})
    before = readings(house, launch)
    use(monkeypatch, segment_store="folder", segment_dir=tmp_path / "segments")
    real = segment_store.FolderStore.get
    monkeypatch.setattr(segment_store.FolderStore, "get", lambda self, name: real(self, name)[:-1] + b"!")
    assert seal(house) == 0
    assert count(house, JobLogLine) == 8
    assert readings(house, launch) == before


def test_retention_takes_segments_and_their_bytes_too(house: House, store: str, tmp_path: Path) -> None:
    launch = finished(house, {"a": lines_of(25), "b": lines_of(9)}, days_ago=100)
    seal(house)
    assert count(house, LogSegment) == 4
    with house.context():
        assert retention.remove_old_lines() == 1
    assert [count(house, table) for table in (LogSegment, LogSegmentPart, LogSegmentBlob)] == [0, 0, 0]
    assert files(tmp_path / "segments") == []
    job = house.jobs(launch)["a"]
    assert (job.log_lines, job.lines_removed_at is not None) == (25, True)


def test_a_run_that_is_sealed_is_not_looked_at_again(house: House) -> None:
    finished(house, {"a": lines_of(5)})
    seal(house)
    run = house.read(lambda: db.session.scalars(select(Run)).one())
    assert run.lines_sealed_at is not None


def test_a_page_of_sealed_lines_costs_the_same_wherever_it_lies_and_however_many_there_are(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reading, "PARTS_AT_ONCE", 8)

    def cost(launch: str, after: int) -> int:
        job = house.jobs(launch)["a"]

        def read() -> int:
            with sent() as statements:
                assert len(read_lines(job, Wanted(after=after, limit=10)).lines) == 10
            return len(statements)

        return house.read(read)  # type: ignore[no-any-return]

    short, long = (finished(house, {"a": lines_of(count)}) for count in (20, 200))
    seal(house)
    assert {cost(short, 5), cost(long, 5), cost(long, 95), cost(long, 190)} == {3}
