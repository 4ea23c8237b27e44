"""What a run leaves: build/chaos.json, and the table between the markers of docs/reliability.md."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

from chaos.registry import cases

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "build" / "chaos.json"
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- chaos: begin -->", "<!-- chaos: end -->"


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


def write_page(versions: dict[str, str]) -> None:
    """Put the saved figures into docs/reliability.md, with machine and date."""
    figures: list[Figures] = json.loads(OUTPUT.read_text(encoding="utf-8"))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}"
    servers = ", ".join(f"{versions[kind]}" for kind in sorted(versions))
    notes = [f"- {row['case']} ({row['database']}): {note}" for row in figures for note in row["notes"]]
    body = [
        BEGIN,
        f"{datetime.now(UTC):%d %B %Y}; {machine}; Python {platform.python_version()}; {servers}.",
        "",
        table(figures),
        "",
        "What the cases measured:",
        "",
        *notes,
        END,
    ]
    text = PAGE.read_text(encoding="utf-8")
    start, stop = text.index(BEGIN), text.index(END) + len(END)
    PAGE.write_text(text[:start] + "\n".join(body) + text[stop:], encoding="utf-8")
