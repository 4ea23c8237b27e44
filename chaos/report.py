"""What a run leaves: build/chaos.json, and the table between the markers of docs/reliability.md."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

from chaos.registry import cases

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "build" / "chaos.json"
PAGE = ROOT / "docs" / "reliability.md"
FIGURES, CASES = "chaos", "cases"  # names of the marked parts of the page


class Figures(TypedDict):
    """One case on one database. ``verdict`` is "ok", "failed", or "skipped" with the reason in ``notes``."""

    case: str
    database: str
    seed: int
    jobs: int
    faults: int
    lost_lines: int
    doubled_lines: int
    double_runs: int
    unfinished: int
    orphans: int
    http_5xx: int
    verdict: str
    seconds: float
    notes: list[str]
    breaches: list[str]
    where: str  # when, on what machine and server, which commit


def save(figures: list[Figures]) -> None:
    """Write the figures; those of other cases and databases from before are kept."""
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    fresh = {(row["case"], row["database"]) for row in figures}
    kept: list[Any] = json.loads(OUTPUT.read_text(encoding="utf-8")) if OUTPUT.exists() else []
    kept = [row for row in kept if (row["case"], row["database"]) not in fresh]
    order = {name: number for number, name in enumerate(cases())}
    rows = sorted([*kept, *figures], key=lambda row: (row["database"], order.get(row["case"], 99)))
    OUTPUT.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def table(figures: list[Figures]) -> str:
    """The figures as a Markdown table."""
    head = [
        "| case | database | seed | jobs | faults | lost lines | doubled | double runs | unfinished | orphans | 5xx "
        "| seconds | verdict |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    columns = ("jobs", "faults", "lost_lines", "doubled_lines", "double_runs", "unfinished", "orphans", "http_5xx")
    rows = []
    for row in figures:
        cells: list[object] = [row["case"], row["database"], row["seed"]]
        cells += [f"{number:,}" for name, number in row.items() if name in columns]
        cells += [f"{row['seconds']:.0f}", row["verdict"]]
        rows.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join([*head, *rows])


def where(version: str) -> str:
    """Say when and where figures were taken. ``version`` is the database server's."""
    git = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}"
    return f"{datetime.now(UTC):%d %B %Y}; {machine}; Python {platform.python_version()}; {version}; commit {commit}"


def write_page() -> None:
    """Put the cases and the saved figures into docs/reliability.md, and where they were taken."""
    figures: list[Figures] = json.loads(OUTPUT.read_text(encoding="utf-8"))
    taken: dict[str, list[str]] = {}
    for row in figures:
        taken.setdefault(row["where"], []).append(f"{row['case']} ({row['database']})")
    places = [f"- {place}: {', '.join(names)}" for place, names in taken.items()]
    notes = [f"- {row['case']} ({row['database']}): {note}" for row in figures for note in row["notes"]]
    write_cases()
    text = PAGE.read_text(encoding="utf-8")
    text = _put(text, FIGURES, "\n".join([*places, "", table(figures), "", "What the cases measured:", "", *notes]))
    PAGE.write_text(text, encoding="utf-8")


def write_cases() -> None:
    """Put the list of cases into docs/reliability.md."""
    PAGE.write_text(_put(PAGE.read_text(encoding="utf-8"), CASES, case_table()), encoding="utf-8")


def case_table() -> str:
    """The cases as a Markdown table: what is done, and what must come of it."""
    rows = [f"| {found.name} | {found.fault} | {found.promise} |" for found in cases().values()]
    return "\n".join(["| case | fault | promise |", "|---|---|---|", *rows])


def _put(text: str, name: str, body: str) -> str:
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    start, stop = text.index(begin) + len(begin), text.index(end)
    return f"{text[:start]}\n{body}\n{text[stop:]}"
