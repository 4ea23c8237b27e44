"""R8: no state is decided by a machine's own wall clock, which people and time servers set."""

from __future__ import annotations

import ast

from tests.architecture.house import APP, app_modules, calls, module_name, place, tree

ROOMS = ("jobs", "runners")
# "module" -> why the local clock is right there. A line that is no longer needed fails the test.
WALL_CLOCK: dict[str, str] = {
    "app.runners.recorder": "times of lines are the worker's own, for people; their order comes from ordinals",
    "app.jobs.journal": "when a run began, for people who read the journal beside a restored database",
    "app.jobs.watchdog": "age of a leftover spool against its own file's time; open runs are spared whatever it says",
    "app.runners.cgroup": "age of an empty group against its own folder's time; one with processes is never removed",
    "app.jobs.host_load": "age of a spooled line against the time that the same machine gave it",
}


def _wall_clock(call: ast.Call) -> bool:
    text = ast.unparse(call.func)
    return text in {"time.time", "utc_now", "clock.utc_now", "date.today"} or (
        text.endswith(("datetime.now", "datetime.utcnow", "datetime.today"))
    )


def test_r8_engine_code_asks_the_database_or_the_monotonic_clock_and_not_the_wall() -> None:
    found: dict[str, list[str]] = {}
    for path in app_modules():
        if path.relative_to(APP).parts[0] in ROOMS:
            for call in calls(tree(path)):
                if _wall_clock(call):
                    found.setdefault(module_name(path), []).append(place(path, call))
    strange = [where for module, places in found.items() if module not in WALL_CLOCK for where in places]
    assert not strange, f"use database_now(), db_now() or time.monotonic(): {strange}"
    assert set(WALL_CLOCK) <= set(found), f"no longer needed: {set(WALL_CLOCK) - set(found)}"
