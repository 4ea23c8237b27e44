"""What one run may use on this worker, by the settings."""

from __future__ import annotations

from app.core.runtime import settings
from app.runners import cgroup
from app.runners.cgroup import Limits


def run_limits() -> Limits:
    """Return the limits of a run; memory that nobody set is three quarters of the machine's."""
    chosen = settings()
    memory = chosen.run_memory_bytes
    return Limits(
        max_processes=chosen.run_max_processes,
        memory_bytes=cgroup.machine_memory_bytes() * 3 // 4 if memory is None else memory,
        cpu_weight=chosen.run_cpu_weight,
        parent=chosen.run_cgroup,
        memory_by_group_only=memory is None,
    )


def enforced() -> str:
    """Say what this worker enforces on a run, for the page of workers."""
    return cgroup.sentence(run_limits())
