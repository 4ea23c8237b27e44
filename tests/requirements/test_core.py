from __future__ import annotations

from scripts.requirements_table import problems, rules, table


def test_every_rule_is_held_by_tests_that_exist_or_is_a_written_deviation() -> None:
    assert problems() == []


def test_the_table_shows_each_rule_with_its_tests() -> None:
    printed = table()
    assert len(rules()) > 30
    for rule in rules():
        assert all(test in printed for test in rule.tests)
