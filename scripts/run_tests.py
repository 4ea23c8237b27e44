"""Run the whole suite part by part, each within its time budget, and say at the end what ran where.

    python scripts/run_tests.py [PART ...] [-- PYTEST ARGUMENTS]

Without a part: all of them. A part over its budget is said so. With MILLWRIGHT_TEST_BUDGETS=enforce (continuous
integration) a part that takes twice its budget is stopped, by pid, and fails: a machine may be slow, a hang must
end. The last line reads like pytest's own.
"""

from __future__ import annotations

import compileall
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.parts import OUTCOMES, lines_for  # noqa: E402

COUNTS = ROOT / "build" / "test-counts"
# Seconds on a machine with two cores.
BUDGETS = {
    "lint": 180,
    "plain": 600,
    "mariadb": 400,
    "mysql": 450,
    "browser": 400,
    "hosts": 180,
    "stack": 900,
    "chaos": 240,
}
CHAOS_SEED = "1"  # continuous integration makes the same choices each time; people try others
# Tests of these parts share nothing: each worker has databases and ports of its own.
PARALLEL = {"plain", "mariadb", "mysql", "browser", "hosts", "stack"}
GRACE_SECONDS = 10
STOP_FACTOR = 2


@dataclass
class Result:
    """How one part ended; ``seconds`` of wall clock, ``busy`` seconds of processor time (all cores together)."""

    part: str
    code: int
    seconds: float
    over_budget: bool
    busy: float = 0.0
    figures: dict[str, dict[str, object]] = field(default_factory=dict)


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def commands(part: str, extra: list[str]) -> list[list[str]]:
    """What a part runs, one command after the other."""
    if part == "lint":
        return [
            [_program("ruff"), "check", "."],
            [_program("ruff"), "format", "--check", "."],
            [_program("mypy")],
            [_program("lint-imports")],
        ]
    if part == "chaos":
        return [[sys.executable, "-m", "chaos", "--quick", "--seed", CHAOS_SEED]]
    # One more than there are cores: a test that waits for a process or a clock leaves its core to another one.
    workers = min((os.cpu_count() or 1) + 1, 4)
    parallel = ["-n", str(workers)] if part in PARALLEL else []
    chosen = [f"--part={part}", f"--counts={COUNTS / part}.json", "--durations=8"]
    return [[_program("pytest"), "-q", *chosen, *parallel, *extra]]


def _stop(process: subprocess.Popen[bytes]) -> None:
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in family:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            pass


def run_part(part: str, extra: list[str], *, enforce: bool) -> Result:
    """Run one part; its output goes to the terminal as it comes."""
    print(f"\n==> {part} (budget {BUDGETS[part]} s)", flush=True)
    begun, busy, code, over = time.monotonic(), _busy(), 0, False
    for command in commands(part, extra):
        left = STOP_FACTOR * BUDGETS[part] - (time.monotonic() - begun)
        process = subprocess.Popen(command, cwd=ROOT)
        try:
            ended = process.wait(max(left, 1) if enforce else None)
        except subprocess.TimeoutExpired:
            over = True
            print(f"\n!! {part} takes twice its budget of {BUDGETS[part]} s: stopping pid {process.pid}", flush=True)
            _stop(process)
            ended = 1
        except KeyboardInterrupt:
            _stop(process)
            raise
        code = code or ended
        if over:
            break
    seconds = time.monotonic() - begun
    over = over or seconds > BUDGETS[part]
    counted = COUNTS / f"{part}.json"
    figures = json.loads(counted.read_text(encoding="utf-8")) if counted.exists() else {}
    return Result(part, code, seconds, over, _busy() - busy, figures)


def _busy() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def added_up(results: list[Result]) -> dict[str, object]:
    """The figures of all parts together, in the form that ``lines_for`` takes."""
    counts: dict[str, Counter[str]] = {}
    totals: Counter[str] = Counter()
    skips: Counter[str] = Counter()
    notes: list[str] = []
    for result in results:
        for place, counter in result.figures.get("counts", {}).items():
            counts.setdefault(place, Counter()).update(counter)  # type: ignore[arg-type]
        totals.update(result.figures.get("totals", {}))  # type: ignore[arg-type]
        skips.update(result.figures.get("skips", {}))  # type: ignore[arg-type]
        notes += result.figures.get("notes", [])  # type: ignore[arg-type]
    return {"counts": counts, "totals": totals, "skips": skips, "notes": notes}


def main(arguments: list[str]) -> int:
    """Run the parts that were named; returns the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both stop the running part, by pid
    named, extra = arguments, []
    if "--" in arguments:
        cut = arguments.index("--")
        named, extra = arguments[:cut], arguments[cut + 1 :]
    unknown = sorted(set(named) - set(BUDGETS))
    if unknown:
        print(f"unknown part {', '.join(unknown)}; there are {', '.join(BUDGETS)}", file=sys.stderr)
        return 2
    COUNTS.mkdir(parents=True, exist_ok=True)
    for old in COUNTS.glob("*.json"):
        old.unlink()
    # Without kept bytecode each of the hundreds of processes to come would compile the whole application again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    compileall.compile_dir(ROOT / "app", quiet=1)
    enforce = os.environ.get("MILLWRIGHT_TEST_BUDGETS") == "enforce"
    begun = time.monotonic()
    results = [run_part(part, extra, enforce=enforce) for part in (named or list(BUDGETS))]
    seconds = time.monotonic() - begun

    print("\n==> parts")
    for result in results:
        mark = "ok" if result.code == 0 else f"FAILED ({result.code})"
        late = "  !! over its budget" if result.over_budget else ""
        took = f"{result.seconds:6.0f} s of {BUDGETS[result.part]} s, {result.busy:.0f} s of processor time"
        print(f"{result.part:10} {mark:12} {took}{late}")
    figures = added_up(results)
    print("\n==> where the tests ran")
    print("\n".join(lines_for(figures)))
    totals: Counter[str] = figures["totals"]  # type: ignore[assignment]
    said = ", ".join(f"{totals[outcome]} {outcome}" for outcome in OUTCOMES if totals[outcome]) or "no tests ran"
    failed = any(result.code for result in results)
    if failed:
        print("not passed: " + ", ".join(result.part for result in results if result.code))
    print(f"===== {said} in {seconds:.2f}s =====")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
