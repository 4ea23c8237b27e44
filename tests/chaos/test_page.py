"""docs/reliability.md names every case of the rig, and each mechanism that can be switched off."""

from __future__ import annotations

from chaos.registry import cases
from chaos.report import PAGE, Figures, case_table, table
from chaos.sabotage import MECHANISMS

REQUIRED = {f"R{number}" for number in range(1, 24)} | {"R26"}


def test_every_case_that_is_asked_for_exists() -> None:
    assert set(cases()) >= REQUIRED


def test_the_page_lists_the_cases_as_they_are() -> None:
    assert case_table() in PAGE.read_text(encoding="utf-8"), "run: python -m chaos --write-cases"


def test_the_page_names_each_mechanism_and_the_case_that_misses_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name, (case, _what) in MECHANISMS.items():
        row = next(line for line in page.splitlines() if f"(`{name}`)" in line)
        assert f"| {case} |" in row
        assert case in cases()


def test_a_line_of_figures_has_the_agreed_keys() -> None:
    agreed = "case database seed jobs faults lost_lines doubled_lines double_runs unfinished orphans http_5xx verdict "
    agreed += "seconds"
    assert set(agreed.split()) <= set(Figures.__annotations__)
    row = Figures(
        case="R1", database="mariadb", seed=1, jobs=2, faults=3, lost_lines=4, doubled_lines=5, double_runs=6,
        unfinished=7, orphans=8, http_5xx=9, verdict="failed", seconds=1.5, notes=[], breaches=[], where="",
    )  # fmt: skip
    assert "| R1 | mariadb | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 2 | failed |" in table([row])
