"""A few simulated histories in every run of the suite; `make simulate` plays as many as there is time for.

All are played in one process of its own: the simulation replaces the edges of the product for that process's life.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulation.house import MEMORY, PREFIX
from tests.support.databases import ROOT, Databases
from tests.support.environment import PASSED_ON
from tests.support.processes import wait_until

HISTORIES = 25
FOLDERS = MEMORY if MEMORY.is_dir() else Path(tempfile.gettempdir())
# Mechanism -> the invariant that has to be missed, and a seed where it is (found by `--without`).
FOUND_AT = {
    "begin-mark": ("I4", 1),
    "release-locks": ("I3", 1),
    "sweep": ("I13", 3),
    "claim-cas": ("I1", 14),
    "cancel-on-release": ("I13", 13),
    "wait-for-end": ("I6", 14),
    "finish-cas": ("I10", 102),
    "ticket-due": ("I14", 29),
    "fence": ("I5", 51),
    "line-ranges": ("I9", 64),
    "salvage-before-final": ("I8", 64),
    "local-watchdog": ("I13", 97),
    "lease": ("I13", 181),
    "torn-lines": ("I7", 1),
    "attempts": ("I2", 197),
}
SCRIPT = """
import json, pathlib, sys
from simulation.histories import close_house, play_many, use
use(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
try:
    for first, number, without in json.loads(sys.argv[3]):
        print(json.dumps(play_many(first, number, without, stop_at_first=without is not None).document()), flush=True)
finally:
    close_house()
"""


@pytest.fixture(scope="module")
def played(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, Any]]]:
    """What the simulation says: of HISTORIES, of three of them twice, of one without each mechanism."""
    database = databases.migrated("sqlite")
    assert database.path is not None
    wanted: list[tuple[int, int, str | None]] = [(1, HISTORIES, None), (7, 3, None), (7, 3, None)]
    wanted += [(seed, 1, name) for name, (_invariant, seed) in FOUND_AT.items()]
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(database.path), str(tmp_path_factory.mktemp("play")), json.dumps(wanted)],
        cwd=ROOT,
        env={**environment, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    yield [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_a_simulation_that_is_stopped_leaves_no_folder() -> None:
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    with subprocess.Popen(
        [sys.executable, "-m", "simulation", "--histories", "500", "--processes", "1"],
        cwd=ROOT,
        env={**environment, "PYTHONHASHSEED": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        pattern = f"{PREFIX}{process.pid}-*"
        try:
            wait_until(lambda: [*FOLDERS.glob(pattern)])
            process.terminate()
            process.wait(30)
        finally:
            process.kill()
    assert not [*FOLDERS.glob(pattern)]


def test_every_invariant_holds_in_histories_with_faults(played: list[dict[str, Any]]) -> None:
    said = played[0]
    assert said["broken"] == []
    assert said["histories"] == HISTORIES
    assert sum(said["faults"].values()) >= HISTORIES / 2


def test_the_same_seed_is_the_same_history(played: list[dict[str, Any]]) -> None:
    assert played[1] == played[2]
    assert played[1]["steps"] > 0


@pytest.mark.parametrize("mechanism", FOUND_AT)
def test_a_mechanism_that_is_taken_away_is_missed(played: list[dict[str, Any]], mechanism: str) -> None:
    broken = played[3 + list(FOUND_AT).index(mechanism)]["broken"]
    assert broken, f"the simulation does not see that {mechanism} is gone"
    assert broken[0]["what"].startswith(f"{FOUND_AT[mechanism][0]}:")
