"""Small files with names that say something."""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Callable

from tests.architecture import exceptions
from tests.architecture.house import ROOT, app_modules, project_files

LIMIT = 400
MEDIAN_AIM = 120
COUNTED = {".py", ".js", ".css", ".html"}
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "misc", "common"}


def _lines(path: str) -> int:
    return len((ROOT / path).read_text(encoding="utf-8").splitlines())


def _counted() -> list[str]:
    paths = [path.relative_to(ROOT).as_posix() for path in project_files() if path.suffix in COUNTED]
    return [path for path in paths if "/vendor/" not in path and not path.startswith("migrations/")]


def test_no_file_has_more_than_400_lines(summary_line: Callable[[str], None]) -> None:
    sizes = {path: _lines(path) for path in _counted()}
    modules = [size for path in app_modules() if (size := _lines(path.relative_to(ROOT).as_posix()))]
    summary_line(
        f"app/: {len(modules)} Python files, median {statistics.median(modules):.0f} lines, longest {max(modules)}"
    )
    too_long = {path: size for path, size in sizes.items() if size > LIMIT and path not in exceptions.LONG_FILES}
    assert not too_long, f"split by verb or noun: {too_long}"


def test_the_median_file_of_the_product_is_under_120_lines() -> None:
    sizes = [_lines(path.relative_to(ROOT).as_posix()) for path in app_modules()]
    assert statistics.median(sizes) < MEDIAN_AIM


def test_no_file_is_called_utils() -> None:
    nameless = [str(path.relative_to(ROOT)) for path in project_files() if path.stem in NAMES_THAT_SAY_NOTHING]
    assert not nameless, "name a file after what is in it"


def test_each_exception_has_a_reason_and_is_still_needed() -> None:
    for path, reason in exceptions.LONG_FILES.items():
        assert reason.strip(), path
        assert _lines(path) > LIMIT, f"{path} no longer needs its exception"


def test_no_link_is_committed() -> None:
    """A link is the layout of one machine, and a checkout replaces what lies in its place."""
    listed = subprocess.run(["git", "ls-files", "--stage"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert [line for line in listed.stdout.splitlines() if line.startswith("120000")] == []
