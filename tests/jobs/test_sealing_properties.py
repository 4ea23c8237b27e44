"""Whatever is sealed, wherever it is cut and whenever the sealer dies: readers see the lines that were stored."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.jobs import log_queries, log_reading, sealing
from app.jobs.log_models import JobLogLine
from app.jobs.log_reading import Wanted, read_lines
from app.jobs.segment_codec import Line
from tests.jobs.conftest import House
from tests.jobs.logged import finished

pytestmark = pytest.mark.database

TEXTS = st.sampled_from(["ok: a", "FATAL: ä", "fatal: Ä", "", "100%", "x_y", "line\nbroken", "😀", "a" * 300])
LEVELS = st.sampled_from(["INFO", "ERROR", None])
LOGS = st.lists(st.tuples(TEXTS, LEVELS), min_size=1, max_size=40)
WANTED = st.builds(
    Wanted,
    after=st.integers(0, 45),
    until=st.one_of(st.integers(0, 45), st.just(log_reading.FAR)),
    limit=st.integers(1, 12),
    level=st.sampled_from([None, None, "ERROR", "DEBUG"]),
    text=st.sampled_from([None, None, "fatal", "ä", "%", "_", "\\", "a", "zz"]),
    newest=st.booleans(),
)


class Killed(BaseException):
    """Stands for SIGKILL."""


def expected(lines: list[Line], wanted: Wanted, fold: Any) -> list[Line]:
    """Say what a reading of these lines must give, in the plainest way."""
    found = [
        line
        for line in lines
        if wanted.after < line.line_number <= wanted.until
        and (wanted.level is None or line.log_level == wanted.level)
        and (wanted.text is None or fold(wanted.text) in fold(line.content))
    ]
    return found[-wanted.limit :] if wanted.newest else found[: wanted.limit]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    first=LOGS,
    second=LOGS,
    sizes=st.lists(st.integers(1, 25), min_size=1, max_size=4),
    at_once=st.integers(1, 5),
    parts=st.integers(1, 3),
    step=st.sampled_from(["_verify", "_delete_rows", "_swap", "nothing"]),
    kill_on=st.integers(1, 5),
    wanted=st.lists(WANTED, min_size=3, max_size=8),
)
def test_any_mix_of_rows_and_segments_reads_as_the_rows_did(
    house: House,
    first: list[Any],
    second: list[Any],
    sizes: list[int],
    at_once: int,
    parts: int,
    step: str,
    kill_on: int,
    wanted: list[Wanted],
) -> None:
    launch = finished(house, {"a": first, "b": second})
    run_id, jobs = house.run_id(launch), house.jobs(launch)

    def stored() -> dict[str, list[Line]]:
        return {name: read_lines(job, Wanted(limit=1000)).lines for name, job in jobs.items()}

    def texts() -> list[str]:
        return ["".join(log_queries.job_text(job)) for job in jobs.values()]

    before, text_before = house.read(stored), house.read(texts)
    fold = house.read(log_reading.folding)

    def compare() -> None:
        assert house.read(stored) == before
        assert house.read(texts) == text_before
        for name, job in jobs.items():
            for one in wanted:
                found = house.read(lambda job=job, one=one: read_lines(job, one))
                assert found.lines == expected(before[name], one, fold), (name, one)
                assert not found.missing

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sealing, "READ_ROWS", at_once)
        patched.setattr(log_reading, "PARTS_AT_ONCE", parts)
        compare()
        turn = 0
        with house.context():
            while True:
                patched.setattr(sealing, "SEGMENT_LINES", sizes[turn % len(sizes)])
                turn += 1
                chunk = sealing.next_chunk(house.actor.tenant_id, run_id)
                if chunk is None:
                    break
                if turn == kill_on and step != "nothing":
                    _die(chunk, step)
                else:
                    sealing.seal(chunk)
                if turn <= 4:  # in the middle too, but not after each of forty steps
                    compare()
        compare()
    with house.context(), system_scope("test"), unit_of_work(writes=False):
        ids = [job.id for job in jobs.values()]
        assert db.session.scalar(select(func.count()).where(JobLogLine.job_id.in_(ids))) == 0


def _die(chunk: sealing.Chunk, step: str) -> None:
    """Seal with a kill behind one step; behind the last one everything is done."""
    with pytest.MonkeyPatch.context() as patched:
        real = getattr(sealing, step)

        def fatal(*args: Any) -> None:
            real(*args)
            raise Killed

        patched.setattr(sealing, step, fatal)
        with pytest.raises(Killed):
            sealing.seal(chunk)
