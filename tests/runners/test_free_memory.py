"""Memory that is free: the machine's, or what a control group leaves of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.runners import free_memory

GIB = 1_073_741_824


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 8 GiB to give, whose process is in the group /shop/worker."""
    (tmp_path / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable: {8 * GIB // 1024} kB\n")
    (tmp_path / "process").write_text("0::/shop/worker\n")
    (tmp_path / "groups/shop/worker").mkdir(parents=True)
    monkeypatch.setattr(free_memory, "MACHINE", tmp_path / "meminfo")
    monkeypatch.setattr(free_memory, "PROCESS", tmp_path / "process")
    monkeypatch.setattr(free_memory, "GROUPS", tmp_path / "groups")
    return tmp_path


def limit(folder: Path, maximum: str, used: int, cached: int = 0, version: int = 2) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    word = "inactive_file" if version == 2 else "total_inactive_file"
    (folder / names[0]).write_text(f"{maximum}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\n{word} {cached}\n")


def test_a_machine_without_limits_gives_what_the_kernel_calls_available(machine: Path) -> None:
    limit(machine / "groups/shop", "max", 5 * GIB)
    assert free_memory.free_memory_bytes() == 8 * GIB


def test_the_limit_of_a_group_counts_with_what_its_cache_could_give_back(machine: Path) -> None:
    limit(machine / "groups/shop/worker", str(4 * GIB), 3 * GIB, cached=GIB)
    assert free_memory.free_memory_bytes() == 2 * GIB


def test_a_group_further_out_counts_too_and_the_least_of_all_decides(machine: Path) -> None:
    limit(machine / "groups/shop/worker", str(4 * GIB), 0)
    limit(machine / "groups/shop", str(6 * GIB), 5 * GIB)
    assert free_memory.free_memory_bytes() == GIB


def test_a_container_sees_its_own_group_as_the_root(machine: Path) -> None:
    (machine / "process").write_text("0::/\n")
    limit(machine / "groups", str(3 * GIB), GIB)
    assert free_memory.free_memory_bytes() == 2 * GIB


def test_the_first_version_of_control_groups_is_read_as_well(machine: Path) -> None:
    (machine / "process").write_text("5:cpu,cpuacct:/other\n4:memory:/shop/worker\n")
    limit(machine / "groups/memory/shop/worker", str(2 * GIB), GIB, version=1)
    assert free_memory.free_memory_bytes() == GIB


def test_a_group_that_is_over_its_limit_has_nothing_left_and_not_less(machine: Path) -> None:
    limit(machine / "groups/shop/worker", str(GIB), 2 * GIB)
    assert free_memory.free_memory_bytes() == 0


def test_this_machine_has_some() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(free_memory, "MACHINE", Path("/proc/meminfo"))
        assert free_memory.free_memory_bytes() > 0
