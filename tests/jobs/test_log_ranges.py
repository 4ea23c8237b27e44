"""A search finds the same lines whichever way it reads them, and says how far it looked."""

from __future__ import annotations

import pytest

from app.jobs import log_queries, log_ranges
from app.jobs.log_ranges import Scan
from app.jobs.models import Job
from tests.jobs.conftest import House
from tests.jobs.test_faces import begun, put_lines

pytestmark = [pytest.mark.database, pytest.mark.usefixtures("app_context")]
LINES = 120


@pytest.fixture
def job(house: House) -> Job:
    """A job of LINES lines whose rows lie among those of another; every tenth says needle, in varying case."""
    launch, claim, hosts = begun(house, "a", "b")
    for first in range(1, LINES, 10):
        numbers = range(first, first + 10)
        put_lines(house, claim, hosts["a"], ["A NeeDle 100%" if n % 10 == 0 else f"hay {n}" for n in numbers], first)
        put_lines(house, claim, hosts["b"], ["a needle of another job"] * 10, first + LINES)
    return house.jobs(launch)["a"]


def search_all(house: House, job: Job, text: str) -> tuple[list[int], list[int]]:
    """Search as the page does: until nothing is left. Returns the hits and where each answer stopped."""
    hits: list[int] = []
    stops: list[int] = []
    more = True
    while more:
        after = stops[-1] if stops else 0
        found = house.read(lambda after=after: log_queries.search(job, text, after=after, limit=5))
        hits += [hit["n"] for hit in found.hits]
        stops.append(found.scanned_to)
        more = found.more
        assert len(stops) < 50
    return hits, stops


@pytest.mark.parametrize("rows", [0, 30, 10_000])
@pytest.mark.parametrize("spans", [(500_000, 50_000), (40, 7)])
def test_hits_are_the_same_by_primary_key_and_by_line_number(
    house: House, job: Job, monkeypatch: pytest.MonkeyPatch, rows: int, spans: tuple[int, int]
) -> None:
    monkeypatch.setattr(log_ranges, "SCAN_ROWS", rows)
    monkeypatch.setattr(log_ranges, "SPANS", spans)
    monkeypatch.setattr(log_ranges, "SPARSE_SPAN", spans[-1])
    hits, stops = search_all(house, job, "needle 100%")
    assert hits == list(range(10, LINES + 1, 10))
    assert stops == sorted(set(stops))
    assert stops[-1] == LINES
    assert search_all(house, job, "nowhere")[0] == []


def test_lines_close_together_are_read_as_they_lie_and_others_by_number(
    house: House, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scan(after: int = 0) -> Scan:
        found: Scan = house.read(lambda: log_ranges.next_scan(job, after, LINES))
        return found

    whole = scan()
    assert whole.until == LINES
    assert whole.ids is not None and LINES <= whole.ids[1] - whole.ids[0] < 2 * LINES
    monkeypatch.setattr(log_ranges, "SCAN_ROWS", 30)
    monkeypatch.setattr(log_ranges, "SPANS", (60, 10))
    assert (scan().until, scan().ids is None) == (10, False)  # the longer stretch would pass over too many rows
    monkeypatch.setattr(log_ranges, "SPARSE_SPAN", 33)
    monkeypatch.setattr(log_ranges, "PASSED_ROWS", 1)  # half of all rows are the other job's
    monkeypatch.setattr(log_ranges, "SPANS", (60,))
    assert scan() == Scan(33, None)
    assert scan(after=LINES) == Scan(LINES, None)


def test_the_api_says_up_to_which_line_a_search_looked(house: House, job: Job) -> None:
    part = house.read(lambda: log_queries.tail(job, text="needle", limit=3))
    assert ([line["n"] for line in part.lines], part.scanned_to) == ([10, 20, 30], 30)
    rest = house.read(lambda: log_queries.tail(job, text="needle", after=part.scanned_to or 0))
    assert (len(rest.lines), rest.scanned_to) == (LINES // 10 - 3, LINES)
    assert house.read(lambda: log_queries.tail(job)).scanned_to is None


@pytest.mark.parametrize("rows", [0, 30, 10_000])
def test_lines_of_a_level_are_found_to_the_end_of_the_log(
    house: House, job: Job, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(log_ranges, "SCAN_ROWS", rows)
    monkeypatch.setattr(log_ranges, "SPANS", (40, 7))
    page = house.read(lambda: log_queries.tail(job, level="INFO", limit=50))
    rest = house.read(lambda: log_queries.tail(job, level="INFO", after=page.lines[-1]["n"]))
    assert [line["n"] for line in (*page.lines, *rest.lines)] == list(range(1, LINES + 1))
    assert house.read(lambda: log_queries.tail(job, level="ERROR")).lines == []
