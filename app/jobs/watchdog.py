"""Notices death: of executors on this host by process identity, of other hosts by their lease.

Runs in the keeper and in each worker's main process; both may look at the same row, the compare-and-set of
finishing decides. A run that had begun is salvaged (every process of it ended, the rest of its spool
shipped) and then ends as ``lost``; one that had not goes back to pending.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

from sqlalchemy import select

from app.core import log_context
from app.core.db import db, unit_of_work
from app.core.runtime import settings
from app.core.tenancy import system_scope
from app.jobs.closing import MESSAGES
from app.jobs.database_port import DatabasePort
from app.jobs.executor import read_hosts
from app.jobs.log_sink import LogSink
from app.jobs.models import Launch, Run
from app.jobs.port import Claim, Fenced
from app.jobs.run_limits import run_limits
from app.jobs.status import RunStatus
from app.runners import cgroup, launcher
from app.runners.base import FailureCode, RunResult
from app.runners.process import ProcessIdentity, boot_id, is_alive

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Carried:
    claim: Claim
    began: bool
    host_name: str
    boot_id: str
    executor: ProcessIdentity | None
    lease_seq: int


# Built once, and no more than is looked at: every worker and the keeper ask each second.
_CARRIED = (
    select(
        Run.tenant_id,
        Run.id,
        Run.uuid,
        Run.attempt,
        Run.claim_token,
        Launch.uuid.label("launch_uuid"),
        Run.status,
        Run.host_name,
        Run.boot_id,
        Run.executor_pid,
        Run.executor_pid_start,
        Run.lease_seq,
    )
    .join(Launch, (Launch.tenant_id == Run.tenant_id) & (Launch.id == Run.launch_id))
    .where(Run.status.in_([RunStatus.CLAIMED, RunStatus.RUNNING]))
    .order_by(Run.id)
)


def _carried() -> list[_Carried]:
    with system_scope("watchdog"), unit_of_work(writes=False):
        return [
            _Carried(
                claim=Claim(run.tenant_id, run.id, run.uuid, run.attempt, run.claim_token or "", run.launch_uuid),
                began=run.status is RunStatus.RUNNING,
                host_name=run.host_name or "",
                boot_id=run.boot_id or "",
                executor=ProcessIdentity(run.executor_pid, run.executor_pid_start, run.boot_id or "")
                if run.executor_pid is not None and run.executor_pid_start is not None
                else None,
                lease_seq=run.lease_seq,
            )
            for run in db.session.execute(_CARRIED)
        ]


def reap_this_host() -> int:
    """End or give back every run of this host whose executor is gone; return how many."""
    here, boot = settings().host_name, boot_id()
    reaped = 0
    for carried in _carried():
        if carried.host_name != here:
            continue
        if carried.boot_id == boot and carried.executor is not None and is_alive(carried.executor):
            continue
        reaped += _reap(carried)
    return reaped


@dataclass(slots=True)
class LeaseWatch:
    """Reaps runs of hosts that are silent: the same lease number seen for ``lease_seconds`` on end.

    Counts only this process's own connected time by the monotonic clock, so neither a database that was away
    nor a clock that jumped makes a living run ``lost``. ``forget`` after every lost connection.
    """

    seen: dict[int, tuple[int, float]] = field(default_factory=dict)  # run id -> (lease_seq, since)
    looked_at: float | None = None

    def forget(self) -> None:
        """Start counting anew."""
        self.seen.clear()

    def reap(self) -> int:
        """Look once; return how many runs were ended or given back."""
        now = time.monotonic()
        if self.looked_at is not None and now - self.looked_at > settings().lease_seconds / 2:
            self.forget()  # between two looks so far apart the database may have been away for everybody
        self.looked_at = now
        current: dict[int, tuple[int, float]] = {}
        reaped = 0
        for carried in _carried():
            run_id = carried.claim.run_id
            seq, since = self.seen.get(run_id, (carried.lease_seq, now))
            if seq != carried.lease_seq:
                since = now
            current[run_id] = (carried.lease_seq, since)
            if now - since >= settings().lease_seconds and carried.host_name != settings().host_name:
                reaped += _reap(carried)
        self.seen = current
        return reaped


def _reap(carried: _Carried) -> int:
    claim = carried.claim
    with log_context.carrying(**claim.log_ids()):
        return _reap_named(carried, claim)


def _reap_named(carried: _Carried, claim: Claim) -> int:
    spool_dir = settings().spool_root / f"{claim.run_uuid}.{claim.attempt}"
    log.warning("run.reaped", extra={"began": carried.began})
    known = launcher.salvage(spool_dir, spool_dir.name) if spool_dir.is_dir() else None
    if not carried.began:
        if not DatabasePort().release(claim, "The worker died before the run began."):
            return 0  # it began after it was looked at, or is another's: its spool may hold lines
        launcher.remove_spool(spool_dir)
        return 1
    return int(_finish_lost(carried, known))


def _finish_lost(carried: _Carried, known: RunResult | None) -> bool:
    """Ship what the spool still holds, then end the run: with its own word if it left one, else ``lost``."""
    claim, port = carried.claim, DatabasePort()
    spool_dir = settings().spool_root / f"{claim.run_uuid}.{claim.attempt}"
    hosts = read_hosts(spool_dir)
    complete = spool_dir.is_dir()
    try:
        if complete:
            sink = LogSink(port, claim, spool_dir, hosts)
            sink.ship_all()
            sink.close()
        result = _honest(known)
        done = port.finish(
            claim, result, hosts_by_job={job_id: host for host, job_id in hosts.items()}, log_complete=complete
        )
    except Fenced:
        return False
    launcher.remove_spool(spool_dir)
    return done


def _honest(known: RunResult | None) -> RunResult:
    """Keep a result that the engine reached by itself; everything else is lost, host by host."""
    if known is not None and known.stopped_by is None:
        return known
    return RunResult(None, FailureCode.LOST, MESSAGES[FailureCode.LOST])


def clear_leftovers() -> int:
    """Remove spools on this host that no open run refers to (a crash between finish and removal)."""
    removed = 0
    found = launcher.leftovers(settings().spool_root)  # before the runs: what is claimed meanwhile is not among them
    open_names = {f"{carried.claim.run_uuid}.{carried.claim.attempt}" for carried in _carried()}
    for leftover in found:
        if leftover.spool_dir.name not in open_names and not leftover.is_alive():
            age = time.time() - leftover.spool_dir.stat().st_mtime
            if age > 60:
                launcher.remove_spool(leftover.spool_dir)
                removed += 1
    cgroup.clear_empty(run_limits())
    return removed
