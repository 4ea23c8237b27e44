"""R19: the spool's disk is really full; the run says so and nothing of what is stored is broken."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.runners.base import FailureCode, HostResult, RunResult
from app.runners.spool import RESERVE_NAME, read_result, reserve, write_result
from tests.runners.conftest import Runs, read_all


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes in memory."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here, R19 is not shown: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return path


def test_r19_a_run_that_fills_its_spools_disk_ends_as_disk_full_with_every_line_up_to_then(
    runs: Runs, small: Path
) -> None:
    runs.spools = small / "s"
    book = """
    - hosts: all
      gather_facts: false
      tasks:
        - ansible.builtin.debug: msg="{{ item }} {{ 'x' * 20000 }}"
          loop: "{{ range(1, 400) | list }}"
    """
    handle = runs.start(book, min_free_bytes=0)
    assert handle.wait(200)
    result = handle.result()
    assert result is not None and result.failure_code is FailureCode.DISK_FULL
    assert result.hosts["a"].failure_code is FailureCode.DISK_FULL
    ordinals = [record["s"] for record in read_all(handle.spool_path) if record["k"] == "res"]
    assert read_all(handle.spool_path) and ordinals == sorted(ordinals)  # whole records only; a torn one is not read
    fill(small).unlink()


def test_r19_a_result_finds_the_room_that_was_kept_for_it(small: Path) -> None:
    reserve(small)
    fill(small)
    hosts = {f"h{number}": HostResult(FailureCode.TASK_FAILED, "no") for number in range(100)}
    write_result(small, RunResult(2, FailureCode.TASK_FAILED, "100 of 100", hosts))
    kept = read_result(small)
    assert kept is not None and len(kept.hosts) == 100
    assert not (small / RESERVE_NAME).exists()


def test_r19_a_result_larger_than_that_room_leaves_its_hosts_out_and_never_claims_success(small: Path) -> None:
    reserve(small)
    fill(small)
    hosts = {f"h{number}": HostResult(None, "x" * 2000) for number in range(1000)}
    write_result(small, RunResult(0, None, "", hosts))
    kept = read_result(small)
    assert kept is not None and kept.hosts == {} and kept.failure_code is FailureCode.DISK_FULL
    assert [path.name for path in small.iterdir() if path.name.startswith(".")] == []
