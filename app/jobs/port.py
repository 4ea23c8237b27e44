"""The executor port: all that whoever carries a run needs of the platform, and nothing else.

Implemented on the database today (``jobs.database_port``). An implementation over HTTPS for runners in other
networks fits behind the same calls. It carries a version (``core.queue.PROTOCOL``): both sides accept N-1, N
and N+1. Every call but ``claim`` names run, attempt and claim token: the fence against a carrier that was
given up on and comes back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from app.core.table import new_uuid
from app.jobs.kinds import PreparedRun
from app.runners.base import RunResult
from app.runners.process import ProcessIdentity


class Fenced(Exception):
    """The run is not this carrier's any more: stop the engine, write nothing."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """The process that carries a run, and the worker it belongs to."""

    process: ProcessIdentity
    host_name: str
    worker_name: str | None
    celery_task_id: str | None = None
    # The claim's token: the answer to a claim may be lost, and whoever asks again has to know his own.
    token: str = field(default_factory=new_uuid)


@dataclass(frozen=True, slots=True)
class Claim:
    """A run taken by a carrier. ``launch_uuid`` is for people who follow it through logs and journals."""

    tenant_id: int
    run_id: int
    run_uuid: str
    attempt: int
    token: str
    launch_uuid: str = ""

    def log_ids(self) -> dict[str, str | int]:
        """Return what each log line about this run carries."""
        named = {"run_uuid": self.run_uuid, "launch_uuid": self.launch_uuid}
        return {"run_id": self.run_id, "attempt": self.attempt, **named}


@dataclass(frozen=True, slots=True)
class Orders:
    """What the platform wants of who carries a run."""

    cancel_requested: bool
    drain: bool  # the worker is being stopped and its time is nearly over
    cancel_forced: bool = False  # somebody does not want to wait for the engine's own end


@dataclass(frozen=True, slots=True)
class LateResult:
    """How a run ended whose carrier was fenced: too late to count."""

    host_name: str
    exit_code: int | None
    failure_code: str | None
    message: str
    stopped_by: str | None
    spooled_records: int  # in the spool; those that are not stored are lost


@dataclass(frozen=True, slots=True)
class GatheredFacts:
    """What the server of a job said of itself; masked and cut to size by the runner."""

    job_id: int
    at: float  # seconds since the epoch
    facts: dict[str, Any]
    sent_size: int  # bytes before anything was left out
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ArtifactPiece:
    """A piece of something that the engine hands over besides lines; ``number`` counts from 0."""

    name: str
    number: int
    is_last: bool
    data: bytes = field(repr=False)


@dataclass(slots=True)
class LogBatch:
    """Rows of one piece of the spool, ready to insert; at most 1,000 records or 1 MiB of text.

    ``first_record`` and ``next_record`` are ordinals in the spool, ``next_byte`` the offset behind it. Tuples
    are in the column order of ``jobs.log_sink``. ``line_counts`` and ``first_failures`` are by job id.
    """

    first_record: int
    next_record: int
    next_byte: int
    lines: list[tuple[Any, ...]] = field(default_factory=list)
    run_lines: list[tuple[Any, ...]] = field(default_factory=list)
    tasks: list[tuple[Any, ...]] = field(default_factory=list)
    results: list[tuple[Any, ...]] = field(default_factory=list)
    facts: list[GatheredFacts] = field(default_factory=list)
    artifacts: list[ArtifactPiece] = field(default_factory=list)
    line_counts: dict[int, int] = field(default_factory=dict)
    first_failures: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SinkState:
    """How far a run's spool is stored: where a shipper, first or second, goes on."""

    next_record: int
    next_byte: int
    line_counts: dict[int, int]  # job id -> last line number
    first_failures: dict[int, int]
    job_uuids: dict[int, str]


class EnginePort(Protocol):
    """What an executor calls. Every method is one short transaction and safe to repeat."""

    def claim(self, run_id: int, carrier: Carrier) -> Claim | None:
        """Take a pending run and its servers' locks; None when it is not to be had now.

        Asking again with the same carrier's token answers the same claim.
        """

    def plan(self, claim: Claim) -> PreparedRun:
        """Build the run's frozen spec. Raises kinds.PreparationError for what no retry mends."""

    def begin(self, claim: Claim, planned: PreparedRun) -> bool:
        """Mark the run as begun, before the engine starts. False: it must not start (cancelled, fenced)."""

    def started(self, claim: Claim, supervisor: ProcessIdentity) -> None:
        """Note which process supervises the engine."""

    def heartbeat(self, claim: Claim) -> Orders:
        """Renew the lease and hear what is wanted. Raises Fenced."""

    def listen(self, claim: Claim) -> Orders:
        """Hear what is wanted; the lease stays as it is, and nothing is written. Raises Fenced."""

    def sink_state(self, claim: Claim) -> SinkState:
        """Return where shipping goes on."""

    def ship(self, claim: Claim, batch: LogBatch) -> bool:
        """Store a batch exactly once. False: it (or more) is stored already. Raises Fenced."""

    def line_range(self, claim: Claim, job_id: int, task_seq: int) -> tuple[int, int] | None:
        """Return first and last line number that a task has printed on a job so far."""

    def finish(self, claim: Claim, result: RunResult, *, hosts_by_job: dict[int, str], log_complete: bool) -> bool:
        """Give the run and its jobs their final status. False: somebody did already."""

    def release(self, claim: Claim, reason: str) -> bool:
        """Give a claimed run that has not begun back, for another attempt. False: it is not one, or not any more."""

    def late_result(self, claim: Claim, late: LateResult) -> bool:
        """Keep the word of a fenced carrier as an audit entry, once; the run stays as it is. False: nothing to say.

        Newer than the other calls: a worker that does not know it leaves no such entry.
        """
