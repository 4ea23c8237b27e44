from __future__ import annotations

import pytest

from scripts import requirements_table
from scripts.requirements_table import LISTS, problems, rules, table


def test_every_rule_is_held_by_tests_that_exist_or_is_a_written_deviation() -> None:
    assert problems() == []


def test_the_table_shows_each_rule_and_each_attack_with_its_tests() -> None:
    printed = table()
    assert len(rules()) > 150
    for rule in rules():
        assert rule.section in printed
        assert all(test in printed for test in rule.tests)
    assert "tests/security/test_t_csrf.py::test_t_csrf_the_api_ignores_cookies" in printed


def test_a_test_that_is_gone_an_empty_rule_and_an_unlisted_case_are_found(
    tmp_path: requirements_table.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in LISTS:
        (tmp_path / name).write_text("section = []")
    lines = ['{ text = "Nothing holds it" }', '{ text = "Gone", tests = ["tests/x/test_y.py::test_z"] }']
    (tmp_path / LISTS[0]).write_text(f'[[section]]\nname = "One"\nrule = [{", ".join(lines)}]')
    monkeypatch.setattr(requirements_table, "FOLDER", tmp_path)
    found = "\n".join(problems())
    assert "No test and no deviation: Nothing holds it" in found
    assert "There is no test tests/x/test_y.py::test_z" in found
    assert "test_t_csrf_the_api_ignores_cookies is not listed" in found
