"""Print the rules of the requirements, and the attacks that were thought of, each with the tests that hold it.

    python scripts/requirements_table.py

Reads tests/requirements/*.toml. A case of an attack (T-ZIP) is held by every test that carries its name
(test_t_zip_...) and by those that it names. Ends with 1 when a test that is named does not exist, when a rule has
neither a test nor a written deviation, or when a test carries the name of a case that is not listed.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "tests" / "requirements"
LISTS = ("core.toml", "features.toml", "attacks.toml")
WIDTH = 62


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what it says, the tests that hold it ("tests/x/test_y.py::name"), and where we leave it, why."""

    section: str
    text: str
    tests: tuple[str, ...]
    deviation: str | None


@cache
def _tests() -> frozenset[str]:
    """All tests there are, as "file::function"."""
    found = set()
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        name = path.relative_to(ROOT).as_posix()
        found |= {f"{name}::{node.name}" for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return frozenset(found)


def _prefix(case: str) -> str:
    """T-ZIP -> test_t_zip_."""
    return f"test_{case.lower().replace('-', '_')}_"


def _named_after(case: str) -> tuple[str, ...]:
    return tuple(sorted(test for test in _tests() if test.partition("::")[2].startswith(_prefix(case))))


def _lists() -> list[dict[str, object]]:
    read = [tomllib.loads((FOLDER / name).read_text(encoding="utf-8"))["section"] for name in LISTS]
    return [section for sections in read for section in sections]


def _rules_of(section: dict[str, object]) -> list[dict[str, object]]:
    rules = section["rule"]
    assert isinstance(rules, list)
    return rules


def rules() -> list[Rule]:
    """Return the rules in the order of the lists."""
    found = []
    for section in _lists():
        for rule in _rules_of(section):
            given, case, deviation = rule.get("tests", []), rule.get("case"), rule.get("deviation")
            assert isinstance(given, list)
            named = _named_after(case) if isinstance(case, str) else ()
            tests = dict.fromkeys([*named, *given])
            found.append(
                Rule(
                    str(section["name"]), str(rule["text"]), tuple(tests), None if deviation is None else str(deviation)
                )
            )
    return found


def problems() -> list[str]:
    """Return what is wrong with the lists, one sentence each."""
    found = []
    for rule in rules():
        if not rule.tests and not rule.deviation:
            found.append(f"No test and no deviation: {rule.text}")
        found += [f"There is no test {test} (for: {rule.text})" for test in rule.tests if test not in _tests()]
    cases = {str(rule["case"]) for section in _lists() for rule in _rules_of(section) if "case" in rule}
    prefixes = tuple(map(_prefix, cases))
    for test in sorted(_tests()):
        name = test.partition("::")[2]
        if re.match(r"test_t_[a-z]+2?_", name) and not name.startswith(prefixes):
            found.append(f"The case of {test} is not listed in attacks.toml")
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
    alone = sum(not rule.tests for rule in listed)
    print(
        f"\n{len(listed)} rules: {len(listed) - alone} held by {len(tests)} tests, {alone} by a deviation alone; "
        f"{sum(bool(rule.deviation) for rule in listed)} deviations."
    )
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
