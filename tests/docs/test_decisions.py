"""Decisions are found by their number."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "adr"


def test_no_two_decisions_have_one_number() -> None:
    numbers = Counter(path.name[:4] for path in FOLDER.glob("*.md"))
    assert [number for number, count in numbers.items() if count > 1] == []
    assert sorted(numbers) == [f"{number:04d}" for number in range(1, len(numbers) + 1)]
