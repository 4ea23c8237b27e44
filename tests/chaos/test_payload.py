"""The oracles of the chaos rig see what they are there for: gaps, doubles, strangers' lines, double runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.runners.ansible_text import to_yaml
from chaos.payload import Seen, read_ledger
from chaos.standin import host_names, line

MARKER = "00000000-0000-4000-8000-000000000001.1"


def seen(numbers: list[int], *, marker: str = MARKER, host: str = "s1") -> Seen:
    found = Seen()
    for number in numbers:
        found.take(MARKER, "s1", line(marker, host, number, 40))
    return found


def test_a_whole_log_is_gapless() -> None:
    found = seen([1, 2, 3])
    assert (found.gapless, found.doubled, found.wrong) == (3, 0, [])


@given(st.integers(2, 30), st.data())
def test_a_missing_line_in_the_middle_is_seen(count: int, data: st.DataObject) -> None:
    gone = data.draw(st.integers(1, count - 1))
    found = seen([number for number in range(1, count + 1) if number != gone])
    assert found.wrong
    assert found.gapless == gone - 1


@given(st.integers(1, 30), st.data())
def test_a_doubled_line_is_counted(count: int, data: st.DataObject) -> None:
    twice = data.draw(st.integers(1, count))
    numbers = list(range(1, count + 1))
    assert seen([*numbers[:twice], *numbers[twice - 1 :]]).doubled == 1


@pytest.mark.parametrize("other", [{"marker": MARKER[:-1] + "2"}, {"host": "s2"}])
def test_a_line_of_another_attempt_or_server_is_wrong(other: dict[str, str]) -> None:
    assert seen([1], **other).wrong


def test_lines_of_the_platform_itself_are_passed_over() -> None:
    found = seen([1])
    found.take(MARKER, "s1", "[millwright] 3 more lines were not kept")
    assert (found.gapless, found.wrong) == (1, [])


def test_a_run_that_is_begun_under_two_attempts_is_found_in_the_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("run.1 10 a,b\nrun.2 11 a,b\n")
    (tmp_path / "sent").write_text("run.1 a 5\nrun.1 a 10\n")
    ledger = read_ledger(tmp_path)
    assert ledger.attempts("run") == ["run.1", "run.2"]
    assert ledger.hosts["run.1", "a"] == 1
    assert ledger.sent == {("run.1", "a"): 10}


@given(st.lists(st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}", fullmatch=True), unique=True, min_size=1, max_size=5))
def test_the_stand_in_reads_the_host_names_of_the_platforms_inventory(names: list[str]) -> None:
    variables = {"ansible_connection": "local", "text": 'a "quoted" {brace} ? "x" : {'}
    hosts = {name: variables if number % 2 else {} for number, name in enumerate(names)}
    document = {"all": {"hosts": hosts, "vars": {"hosts": {"no": 1}}, "children": {}}}
    assert host_names("---\n" + to_yaml(document)) == names
