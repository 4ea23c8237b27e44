"""Carries one run from claim to end: claim, plan, prepare, begin, supervise, ship, finish.

Everything that can fail lies before ``begin``; after it the run is never started again by itself. Runs in the
Celery pool child, which keeps no transaction open while the engine works. If this process dies, the
supervisor ends the engine, and a watchdog ships the rest and says ``lost``.
"""

from __future__ import annotations

import errno
import json
import logging
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from app.core import log_context
from app.core.retry import retrying
from app.core.runtime import settings
from app.jobs import journal
from app.jobs.heart import Heart
from app.jobs.kinds import PreparationError, PreparedRun
from app.jobs.log_sink import LogSink
from app.jobs.port import Carrier, Claim, EnginePort, Fenced, LateResult
from app.jobs.run_limits import run_limits
from app.jobs.self_fence import SelfFence, lease_clock
from app.runners import launcher
from app.runners.base import FailureCode, RunResult, StopReason
from app.runners.spool import count_records, write_private
from app.runners.workspace import WorkspaceError

log = logging.getLogger(__name__)

POLL_SECONDS = 0.02  # a new line is shipped at once when idle, ...
GATHER_SECONDS = 0.04  # ... else within 50 ms: what comes meanwhile goes with it, in one commit
FEW_RECORDS = 100  # more at once, and there is more to ship than a pause would gather
HOSTS_NAME = "hosts.json"  # beside the spool: which host's lines belong to which job, for a second shipper
STOP_SECONDS = 15.0  # grace, kill and census
LONG_BEGIN_SECONDS = 5.0
PLAN_TRIES = 3  # a job cancelled between plan and begin makes a new plan necessary
BEGUN_BEFORE = (
    "This run began before, but the database did not know it any more: it was restored to an earlier moment, or lost "
    "a commit. It was not run again. Look at the servers before you launch again; the work may be done."
)


def execute_run(port: EnginePort, run_id: int, carrier: Carrier) -> bool:
    """Carry the run if it is to be had; False when it is not (done, taken, blocked, paused).

    A database that is away is waited for at every step, for as long as it takes: whoever gave up in the middle would
    leave a run that belongs to a living process and is carried by nobody.
    """
    claim = retrying(lambda: port.claim(run_id, carrier), attempts=None)
    if claim is None:
        return False
    with log_context.carrying(**claim.log_ids()):
        log.info("run.claimed")
        return _carry_claimed(port, claim, carrier)


def _carry_claimed(port: EnginePort, claim: Claim, carrier: Carrier) -> bool:
    try:
        started = _start(port, claim)
    except Fenced:
        return False
    if started is None:
        return True
    with closing(started.handle):
        try:
            with started.fence:
                _carry(port, claim, started)
        except Fenced:
            _refused(port, claim, carrier, started.handle)
        except Exception as error:
            _broken(port, claim, started, error)
    return True


@dataclass(frozen=True, slots=True)
class _Started:
    handle: launcher.RunHandle
    planned: PreparedRun
    fence: SelfFence


def _start(port: EnginePort, claim: Claim) -> _Started | None:
    for _ in range(PLAN_TRIES):
        made = _plan_and_prepare(port, claim)
        if made is None:
            return None
        planned, prepared = made
        asked_at = lease_clock()
        if retrying(lambda planned=planned: port.begin(claim, planned), attempts=None):  # type: ignore[misc]
            return _launch(port, claim, planned, prepared, asked_at)
        prepared.discard()
    _stop_before_begin(port, claim)
    return None


def _plan_and_prepare(port: EnginePort, claim: Claim) -> tuple[PreparedRun, launcher.PreparedRun] | None:
    """Return the spec and its workspace; None when the run was ended or given back instead."""
    try:
        if journal.has(claim.run_uuid):
            log.error("run.begun_before")
            _end_unbegun(port, claim, FailureCode.LOST, BEGUN_BEFORE, log_complete=False)
            return None
        planned = retrying(lambda: port.plan(claim), attempts=None)
        if not planned.jobs_by_host:
            _end_unbegun(port, claim, FailureCode.CANCELLED, "Every job of this run was cancelled.")
            return None
        prepared = launcher.prepare(
            planned.spec,
            workspace_root=settings().workspace_root,
            spool_root=settings().spool_root,
            limits=run_limits(),
        )
        _note_hosts(prepared, planned)
    except PreparationError as error:
        _end_unbegun(port, claim, error.code, error.message)
    except WorkspaceError as error:
        if error.code is FailureCode.DISK_FULL:
            _give_back(port, claim, str(error))
        else:
            _end_unbegun(port, claim, error.code, str(error))
    except Fenced:
        raise
    except Exception as error:
        log.exception("run.not_started")
        _give_back(port, claim, f"{type(error).__name__} while the run was prepared.")
    else:
        return planned, prepared
    return None


def _note_hosts(prepared: launcher.PreparedRun, planned: PreparedRun) -> None:
    try:
        write_private(prepared.spool_dir / HOSTS_NAME, json.dumps(planned.jobs_by_host).encode())
    except OSError as error:
        prepared.discard()
        raise WorkspaceError(FailureCode.DISK_FULL, f"The run cannot be noted on disk: {error}") from error


def _give_back(port: EnginePort, claim: Claim, reason: str) -> None:
    retrying(lambda: port.release(claim, reason), attempts=None)


def _launch(
    port: EnginePort, claim: Claim, planned: PreparedRun, prepared: launcher.PreparedRun, asked_at: float
) -> _Started | None:
    if lease_clock() - asked_at > LONG_BEGIN_SECONDS:  # the answer took its time: the run may have been given up since
        asked_at = lease_clock()
        try:
            retrying(lambda: port.heartbeat(claim), attempts=None)
        except Fenced:
            prepared.discard()
            raise
    try:
        _note_begun(claim, planned)
        handle = prepared.start()
    except WorkspaceError as error:
        _end_unbegun(port, claim, error.code, str(error))
        prepared.discard()
        return None
    except Exception as error:
        log.exception("run.not_started")
        text = f"The run could not be started ({type(error).__name__}); the worker's log has the cause."
        _end_unbegun(port, claim, FailureCode.ENGINE_ERROR, text)
        prepared.discard()
        return None
    fence = SelfFence(settings().self_fence_seconds, asked_at, lambda: handle.stop(StopReason.CUT_OFF))
    try:
        retrying(lambda: port.started(claim, handle.identity), attempts=2)
    except Exception as error:  # only for people to see
        log.warning("run.supervisor_not_noted: %s", type(error).__name__)
    return _Started(handle, planned, fence)


def _note_begun(claim: Claim, planned: PreparedRun) -> None:
    try:
        journal.note(claim.run_uuid, claim.attempt, claim.launch_uuid, list(planned.jobs_by_host))
    except OSError as error:
        code = FailureCode.DISK_FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else FailureCode.ENGINE_ERROR
        text = f"The worker's journal of begun runs cannot be written ({error.strerror}). Nothing was started."
        raise WorkspaceError(code, text) from error


def _stop_before_begin(port: EnginePort, claim: Claim) -> None:
    """End a run that was cancelled between claim and begin, or give it back when its plan kept changing."""
    if retrying(lambda: port.heartbeat(claim), attempts=None).cancel_requested:
        _end_unbegun(port, claim, FailureCode.CANCELLED, "Cancelled before it began.")
    else:
        _give_back(port, claim, "Jobs of the run were cancelled while it was prepared.")


def _end_unbegun(port: EnginePort, claim: Claim, code: FailureCode, message: str, *, log_complete: bool = True) -> None:
    log.info("run.not_begun", extra={"failure_code": code.value})
    result = RunResult(None, code, message)
    retrying(lambda: port.finish(claim, result, hosts_by_job={}, log_complete=log_complete), attempts=None)


def _carry(port: EnginePort, claim: Claim, started: _Started) -> None:
    handle, planned = started.handle, started.planned
    sink = LogSink(port, claim, handle.spool_dir, planned.jobs_by_host)
    heart = Heart(port, claim, handle, started.fence)
    while True:
        ended = handle.poll()  # asked before shipping: what it wrote until its end is shipped below
        shipped = sink.ship_available()
        if ended and not shipped:
            break
        heart.beat()  # also while the rest is shipped: the lease is still needed
        if shipped < FEW_RECORDS and not ended:
            time.sleep(GATHER_SECONDS if shipped else POLL_SECONDS)
    sink.ship_all()
    sink.close()
    result = handle.result() or _without_word(heart.stopping)
    hosts = {job_id: host for host, job_id in planned.jobs_by_host.items()}
    done = retrying(lambda: port.finish(claim, result, hosts_by_job=hosts, log_complete=True), attempts=None)
    if not done:  # somebody did before: an earlier try of ours, or a reaper
        raise Fenced
    launcher.remove_spool(handle.spool_dir)
    log.info("run.finished", extra={"failure_code": result.failure_code})


def _refused(port: EnginePort, claim: Claim, carrier: Carrier, handle: launcher.RunHandle) -> None:
    """End the engine of a run that is not ours any more, and leave word of how it ended in the audit log."""
    handle.stop(StopReason.CUT_OFF)
    handle.wait(STOP_SECONDS)
    handle.close()
    result = handle.result() or _without_word(stopping=True)
    late = LateResult(
        host_name=carrier.host_name,
        exit_code=result.exit_code,
        failure_code=result.failure_code,
        message=result.message,
        stopped_by=result.stopped_by,
        spooled_records=count_records(handle.spool_path),
    )
    if retrying(lambda: port.late_result(claim, late), attempts=None):
        log.error("run.fenced", extra={"failure_code": late.failure_code})
    launcher.remove_spool(handle.spool_dir)


def _broken(port: EnginePort, claim: Claim, started: _Started, error: Exception) -> None:
    """End a run that cannot be carried on for an error of our own; one left open would be carried by nobody."""
    log.exception("run.carrying_failed")
    started.handle.stop(StopReason.SHUTDOWN)
    started.handle.wait(STOP_SECONDS)
    started.handle.close()
    text = f"The worker failed while it carried the run ({type(error).__name__}); its log has the cause. "
    result = RunResult(None, FailureCode.LOST, f"{text}What was not stored is lost. Look at the servers.")
    hosts = {job_id: host for host, job_id in started.planned.jobs_by_host.items()}
    retrying(lambda: port.finish(claim, result, hosts_by_job=hosts, log_complete=False), attempts=None)


def _without_word(stopping: bool) -> RunResult:
    """Return the result of a run whose supervisor left none: its end is unknown, also after a cancel."""
    advice = "The process that supervised it was killed"
    return RunResult(
        None,
        FailureCode.LOST,
        f"{advice}{' while it was being stopped' if stopping else ''}; what it did last is unknown. "
        "Look at the servers before you launch again.",
    )


def read_hosts(spool_dir: Path) -> dict[str, int]:
    """Return the host names and job ids that the executor left beside a spool; empty when it did not."""
    try:
        hosts = json.loads((spool_dir / HOSTS_NAME).read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(host): int(job_id) for host, job_id in hosts.items()}
