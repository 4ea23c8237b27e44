"""Mechanisms that can be taken away by name: each has to be missed by the judge, or the simulation sees nothing.

A mechanism that SQLite's single writer doubles (the unique key behind the look for a blocker) goes with its double.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from sqlalchemy import update

from app.core.db import db
from app.core.retry import retrying
from app.jobs import closing, database_port, dispatch, executor, locks, log_sink, watchdog
from app.jobs.models import Job, Run
from app.jobs.port import Claim
from app.jobs.status import RUN_TRANSITIONS, RunStatus
from app.runners import launcher, spool
from app.runners.base import FailureCode, RunResult
from simulation import engine
from simulation.house import House

Patches = list[Any]
Port = database_port.DatabasePort


def claim_cas(_house: House) -> Patches:
    """The claim takes a run whatever its status is."""
    every = {status: frozenset(RunStatus) for status in RunStatus}
    original = database_port.transition

    def careless(column: Any, table: Any, to: Any, *where: Any, **values: Any) -> int:
        if to is RunStatus.CLAIMED:
            where = _but(where, "runs.status =")
            table = every
        return original(column, table, to, *where, **values)

    return [mock.patch.object(database_port, "transition", careless)]


def unique_index(house: House) -> Patches:
    """Server locks are neither looked for nor unique."""
    house.outside.drop_unique("server_locks")
    return [mock.patch.object(locks, "find_blocker", lambda _run, _now: None)]


def name_order(house: House) -> Patches:
    """Names of runs are neither looked for nor unique."""
    house.outside.drop_unique("run_locks")
    return [mock.patch.object(locks, "_named_blocker", lambda _run: None)]


def begin_mark(_house: House) -> Patches:
    """The engine starts first; that the run has begun is written afterwards."""
    original, started = Port.begin, Port.started
    plans: dict[int, Any] = {}

    def later(_self: Any, claim: Claim, planned: Any) -> bool:
        plans[claim.run_id] = planned
        return True

    def now(self: Any, claim: Claim, supervisor: Any) -> None:
        original(self, claim, plans[claim.run_id])
        started(self, claim, supervisor)

    return [mock.patch.object(Port, "begin", later), mock.patch.object(Port, "started", now)]


def fence(_house: House) -> Patches:
    """Whoever carried the run once may write: attempt and token are not looked at."""
    return [mock.patch.object(database_port, "_fence", lambda claim: (Run.id == claim.run_id, Run.tenant_id > 0))]


def ship_cas(house: House) -> Patches:
    """A batch is stored whatever is stored already; the keys of the lines are gone too."""
    house.outside.drop_unique("job_logs", "run_lines", "run_tasks", "task_results")
    original = database_port.update

    class Careless:
        def __init__(self, table: Any) -> None:
            self._table = table

        def where(self, *parts: Any) -> Any:
            return original(self._table).where(*_but(parts, "shipped_records ="))

    return [mock.patch.object(database_port, "update", Careless)]


def _but(parts: tuple[Any, ...], text: str) -> tuple[Any, ...]:
    """Conditions without those that say so."""
    return tuple(part for part in parts if text not in str(part))


def salvage_before_final(_house: House) -> Patches:
    """A lost run ends before the rest of its spool is stored."""
    return [mock.patch.object(watchdog.LogSink, "ship_all", lambda _self: None)]


def census(_house: House) -> Patches:
    """What is left of a run is not ended before the run is."""
    return [mock.patch.object(launcher, "salvage", lambda spool_dir, _marker: launcher.read_result(spool_dir))]


def local_watchdog(_house: House) -> Patches:
    """Nobody looks for dead executors of their own host."""
    return [mock.patch.object(watchdog, "reap_this_host", lambda: 0)]


def lease(_house: House) -> Patches:
    """Nobody looks for silent hosts; they stay away for good."""
    return [mock.patch.object(watchdog.LeaseWatch, "reap", lambda _self: 0)]


def second_look(_house: House) -> Patches:
    """What the watchdog read of a run a while ago still holds: one that was claimed has no lines."""
    release = Port.release
    return [mock.patch.object(Port, "release", lambda self, claim, reason: release(self, claim, reason) or True)]


def forget(_house: House) -> Patches:
    """Time without a database counts as silence of the others."""
    return [mock.patch.object(watchdog.LeaseWatch, "forget", lambda _self: None)]


def sweep(_house: House) -> Patches:
    """A lost doorbell is not rung again."""
    return [mock.patch.object(dispatch, "sweep", lambda: 0)]


def release_locks(_house: House) -> Patches:
    """A run that ends keeps its servers."""
    return [mock.patch.object(closing.locks, "release", lambda _run: [])]


def finish_cas(_house: House) -> Patches:
    """The last one to end a run is believed, not the first."""
    original = closing.transition
    every = {status: frozenset(RunStatus) for status in RunStatus}

    def careless(column: Any, table: Any, to: Any, *where: Any, **values: Any) -> int:
        return original(column, every if table is RUN_TRANSITIONS else table, to, *where, **values)

    return [mock.patch.object(closing, "transition", careless)]


def torn_lines(_house: House) -> Patches:
    """The last line of a spool counts before its end is there."""
    return [mock.patch.object(log_sink.LogSink, "_open", _hasty_open(log_sink.LogSink._open))]


def _hasty_open(original: Any) -> Any:
    def opened(self: Any) -> Any:
        reader = original(self)
        if reader is not None and not hasattr(reader, "hasty"):
            reader.hasty = True
            chunk = reader._chunk
            reader._chunk = lambda size: _whole(chunk(size))
        return reader

    return opened


def _whole(data: bytes) -> bytes:
    torn = data.rpartition(b"\n")[2]
    return data + b"\n" if torn.endswith(b"}") else data[: len(data) - len(torn)] + (
        b'{"k":"line","h":null,"s":0,"v":"INFO","x":"torn","t":0}\n' if torn else b""
    )  # fmt: skip


def claim_answer(_house: House) -> Patches:
    """A claim whose answer was lost is nobody's."""
    return [mock.patch.object(database_port, "_claimed_before", lambda _run_id, _token: None)]


def patience(_house: House) -> Patches:
    """An executor gives up after five tries while the database is away, and lives on."""
    return [
        mock.patch.object(executor, "retrying", lambda work, attempts=None: retrying(work)),
        mock.patch("simulation.broker.Worker.drop_run", lambda _self, _child: None),
    ]


def cancel_on_release(_house: House) -> Patches:
    """A cancelled run whose worker died goes back to pending."""
    original = database_port.transition

    def forgetful(column: Any, table: Any, to: Any, *where: Any, **values: Any) -> int:
        return original(column, table, to, *(_but(where, "cancel_req") if to is RunStatus.PENDING else where), **values)

    return [mock.patch.object(database_port, "transition", forgetful)]


def attempts(_house: House) -> Patches:
    """A run that cannot be started is tried nine times."""
    return [mock.patch.object(module, "MAX_ATTEMPTS", 9) for module in (database_port, dispatch)]


def line_ranges(_house: House) -> Patches:
    """A shipper that goes on after another does not ask which lines of a task are stored already."""
    return [mock.patch.object(Port, "line_range", lambda *_arguments: None)]


def wait_for_end(_house: House) -> Patches:
    """A run that is asked to stop ends at once; its engine ends when it likes."""
    poll = engine.Handle.poll
    stopped = RunResult(None, FailureCode.CANCELLED, "Cancelled.")
    return [
        mock.patch.object(engine.Handle, "poll", lambda self: self._engine.wanted is not None or poll(self)),
        mock.patch.object(engine.Handle, "result", lambda self: spool.read_result(self.spool_dir) or stopped),
        mock.patch.object(engine.Handle, "close", lambda _self: None),
    ]


def ticket_due(_house: House) -> Patches:
    """Failed jobs whose ticket could not be opened are not marked for the keeper."""
    announce = closing._announce

    def forgetful(run: Run, *rest: Any) -> None:
        mine = (Job.tenant_id == run.tenant_id, Job.run_id == run.id)
        db.session.execute(update(Job).where(*mine).values(ticket_due=False))
        announce(run, *rest)

    return [mock.patch.object(closing, "_announce", forgetful)]


MUTATIONS: dict[str, Callable[[House], Patches]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        claim_cas, unique_index, name_order, begin_mark, fence, ship_cas, salvage_before_final, census, local_watchdog,
        lease, second_look, forget, sweep, release_locks, finish_cas, torn_lines, claim_answer, patience,
        cancel_on_release, line_ranges, wait_for_end, ticket_due, attempts,
    )
}  # fmt: skip


@contextmanager
def without(house: House, name: str | None) -> Iterator[None]:
    """Take a mechanism away while the block runs. Keys of tables stay away: use a house of its own."""
    with ExitStack() as stack:
        if name is not None:
            for patch in MUTATIONS[name](house):
                stack.enter_context(patch)
        yield
