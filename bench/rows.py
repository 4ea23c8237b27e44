"""The form of one measurement."""

from __future__ import annotations

from typing import TypedDict


class Row(TypedDict):
    """What a bench function returns. ``ratio`` is ours / baseline, of figures taken in the same run."""

    row: str
    ours: float
    baseline: float
    ratio: float
    unit: str


def make_row(name: str, ours: float, baseline: float, unit: str) -> Row:
    """Return a row with its ratio, figures rounded to three significant places or so."""
    return Row(row=name, ours=round(ours, 3), baseline=round(baseline, 3), ratio=round(ours / baseline, 3), unit=unit)
