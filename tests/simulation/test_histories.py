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
# Mechanism -> the invariants that may be missed, and the fault that it takes (None: any history will do). Which seed
# shows it changes with every statement of the engine, so histories with that fault are played until one does.
FOUND_BY: dict[str, tuple[set[str], str | None]] = {
    "begin-mark": ({"I4"}, None),
    "release-locks": ({"I3"}, None),
    "name-order": ({"I16"}, None),
    "torn-lines": ({"I7", "I8", "I9"}, None),
    "sweep": ({"I13"}, None),
    "claim-cas": ({"I1", "I2"}, "forged_doorbells"),
    "cancel-on-release": ({"I13"}, "cancelled_while_claimed"),
    "ticket-due": ({"I14"}, "tickets_fail"),
}
TRIES = 120
SCRIPT = """
import json, pathlib, sys
from simulation.faults import draw
from simulation.histories import close_house, play_many, use
use(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
try:
    for first, number, without, kind in json.loads(sys.argv[3]):
        if without is None:
            said = play_many(first, number)
        else:
            seeds = [seed for seed in range(1, 5000) if kind is None or kind in {fault.kind for fault in draw(seed)}]
            for seed in seeds[:number]:
                said = play_many(seed, 1, without)
                if said.broken:
                    break
        print(json.dumps(said.document()), flush=True)
finally:
    close_house()
"""


@pytest.fixture(scope="module")
def played(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, Any]]]:
    """What the simulation says: of HISTORIES, of three of them twice, of those without each mechanism."""
    database = databases.migrated("sqlite")
    assert database.path is not None
    wanted: list[tuple[int, int, str | None, str | None]] = [(1, HISTORIES, None, None), *[(7, 3, None, None)] * 2]
    wanted += [(1, TRIES, name, kind) for name, (_invariants, kind) in FOUND_BY.items()]
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


@pytest.mark.parametrize("mechanism", FOUND_BY)
def test_a_mechanism_that_is_taken_away_is_missed(played: list[dict[str, Any]], mechanism: str) -> None:
    broken = played[3 + list(FOUND_BY).index(mechanism)]["broken"]
    assert broken, f"the simulation does not see that {mechanism} is gone"
    assert broken[0]["what"].partition(":")[0] in FOUND_BY[mechanism][0]
