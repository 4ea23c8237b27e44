"""The list of cases names tests that exist."""

from __future__ import annotations

from pathlib import Path

from tests.security.cases import CASES

ROOT = Path(__file__).resolve().parents[2]


def test_each_case_is_held_by_tests_that_exist() -> None:
    for case, tests in CASES.items():
        for test in tests:
            path, _, name = test.partition("::")
            text = (ROOT / path).read_text(encoding="utf-8")
            if name:
                assert f"def {name}(" in text, f"{case}: {test}"
            elif path.startswith("tests/security"):
                prefix = case.lower().replace("-", "_")
                assert f"def test_{prefix}_" in text, f"{case}: {path} has no test of its name"
