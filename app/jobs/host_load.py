"""How a worker's machine is, measured by the worker itself and told with its sign of life."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, TypedDict

import psutil
from sqlalchemy import select

from app.core.db import db, unit_of_work
from app.core.runtime import settings
from app.core.tenancy import system_scope
from app.jobs import run_limits
from app.jobs.models import Run
from app.jobs.status import RUN_OPEN
from app.runners import launcher
from app.runners.spool import SPOOL_NAME

_LINE = 65_536  # a record is shorter, but for the largest results


class Load(TypedDict):
    """Bytes, seconds, and the mean number of processes that wanted to run in the last minute.

    ``log_lag_seconds`` is the age of the oldest record that lies in a spool here and not in the database (0: none),
    ``log_lag_bytes`` how much that is.
    """

    cpus: int
    load1: float
    memory_total: int
    memory_free: int
    disk_total: int
    disk_free: int
    log_lag_seconds: float
    log_lag_bytes: int
    run_limits: str  # what is enforced on a run there, in a sentence


def measure() -> Load:
    """Measure this machine. Opens a reading unit of its own for the spools."""
    memory = psutil.virtual_memory()
    path = settings().data_dir
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    disk = os.statvfs(path)
    seconds, waiting = _log_lag()
    return Load(
        cpus=os.cpu_count() or 1,
        load1=round(os.getloadavg()[0], 2),
        memory_total=memory.total,
        memory_free=memory.available,
        disk_total=disk.f_blocks * disk.f_frsize,
        disk_free=disk.f_bavail * disk.f_frsize,
        log_lag_seconds=round(seconds, 3),
        log_lag_bytes=waiting,
        run_limits=run_limits.enforced(),
    )


def _log_lag() -> tuple[float, int]:
    spools = {found.run_uuid: found.spool_dir / SPOOL_NAME for found in launcher.leftovers(settings().spool_root)}
    if not spools:
        return 0.0, 0
    with system_scope("log lag"), unit_of_work(writes=False):
        rows = db.session.execute(
            select(Run.uuid, Run.shipped_bytes).where(Run.uuid.in_(list(spools)), Run.status.in_(RUN_OPEN))
        )
        shipped: dict[str, int] = {row.uuid: row.shipped_bytes for row in rows}
    oldest, waiting = 0.0, 0
    for uuid, offset in shipped.items():
        seconds, size = _waiting_in(spools[uuid], offset)
        oldest, waiting = max(oldest, seconds), waiting + size
    return oldest, waiting


def _waiting_in(spool: Path, offset: int) -> tuple[float, int]:
    """Return the age of the first record behind ``offset`` and how many bytes there are; zeros when none is whole."""
    try:
        with spool.open("rb") as file:
            size = os.fstat(file.fileno()).st_size - offset
            file.seek(offset)
            line = file.readline(_LINE)
    except OSError:
        return 0.0, 0
    if size <= 0:
        return 0.0, 0
    try:
        record: Any = json.loads(line)
        return max(0.0, time.time() - float(record["t"])), size
    except (ValueError, TypeError, KeyError):  # torn, or longer than is read here
        return 0.0, size
