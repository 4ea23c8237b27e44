"""The form of one measurement."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class Row(TypedDict):
    """What a bench function returns. ``ratio`` is ours / baseline, of figures taken in the same run."""

    row: str
    ours: float
    baseline: float
    ratio: float
    unit: str
    aim: NotRequired[str]


def make_row(name: str, ours: float, baseline: float, unit: str, *, aim: str = "") -> Row:
    """Return a row with its ratio, figures rounded to three places; ``aim`` in words, for the table only."""
    ratio = round(ours / baseline, 3)
    return Row(row=name, ours=round(ours, 3), baseline=round(baseline, 3), ratio=ratio, unit=unit, aim=aim)


def table(rows: list[Row]) -> str:
    """Return the rows as lines of text in columns."""
    cells = [("row", "ours", "baseline", "unit", "ratio", "aim")]
    for row in rows:
        figures = (f"{row['ours']:,}", f"{row['baseline']:,}", row["unit"], f"{row['ratio']:g}")
        cells.append((row["row"], *figures, row.get("aim", "")))
    widths = [max(len(line[place]) for line in cells) for place in range(6)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )
