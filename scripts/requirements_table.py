"""Print the rules of the core requirements, each with the tests that hold it.

    python scripts/requirements_table.py

Reads tests/requirements/core.toml. Ends with 1 when a test that is named there does not exist, or when a rule has
neither a test nor a written deviation.
"""

from __future__ import annotations

import ast
import sys
import textwrap
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "tests" / "requirements" / "core.toml"
WIDTH = 62


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what it says, the tests that hold it ("tests/x/test_y.py::name"), and where we leave it, why."""

    section: str
    text: str
    tests: tuple[str, ...]
    deviation: str | None


def rules() -> list[Rule]:
    """Return the rules in the order of the list."""
    sections = tomllib.loads(LIST.read_text(encoding="utf-8"))["section"]
    return [
        Rule(section["name"], rule["text"], tuple(rule.get("tests", ())), rule.get("deviation"))
        for section in sections
        for rule in section["rule"]
    ]


@cache
def _functions(path: Path) -> frozenset[str]:
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def problems() -> list[str]:
    """Return what is wrong with the list, one sentence each."""
    found = []
    for rule in rules():
        if not rule.tests and not rule.deviation:
            found.append(f"No test and no deviation: {rule.text}")
        for test in rule.tests:
            path, _, name = test.partition("::")
            if name not in _functions(ROOT / path):
                found.append(f"There is no test {test} (for: {rule.text})")
    return found


def _row(left: str, right: list[str]) -> str:
    lines = textwrap.wrap(left, WIDTH) or [""]
    count = max(len(lines), len(right))
    lines += [""] * (count - len(lines))
    right = right + [""] * (count - len(right))
    return "\n".join(f"{one:<{WIDTH}}  {other}".rstrip() for one, other in zip(lines, right, strict=True))


def table() -> str:
    """Return the whole table as text for a terminal."""
    parts, section = [], None
    for rule in rules():
        if rule.section != section:
            section = rule.section
            parts.append(f"\n{section}\n{'=' * len(section)}")
        right = list(rule.tests)
        if rule.deviation:
            right += textwrap.wrap(f"deviation: {rule.deviation}", 90)
        parts.append(_row(rule.text, right))
    return "\n".join(parts)


def main() -> int:
    """Print the table, then what is wrong with it."""
    listed = rules()
    print(table())
    wrong = problems()
    tests = {test for rule in listed for test in rule.tests}
    print(f"\n{len(listed)} rules, {len(tests)} tests, {sum(bool(rule.deviation) for rule in listed)} deviations.")
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
