"""What an executor hands to an engine and what it gets back. Plain data, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class FailureCode(StrEnum):
    """Why a run or a job did not succeed; stored in ``runs.failure_code`` and ``jobs.failure_code``."""

    TASK_FAILED = "task_failed"
    UNREACHABLE = "unreachable"
    NOT_REACHED = "not_reached"  # the play stopped before this server: no event of it at all
    INCOMPLETE = "incomplete"  # it took part, but the play stopped before its end on this server
    NO_HOSTS = "no_hosts"  # the playbook matched none of the run's servers
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    LOST = "lost"  # it began and its end is unknown
    HASH_MISMATCH = "hash_mismatch"
    ENGINE_ERROR = "engine_error"  # the engine itself could not do its work (syntax error, missing interpreter)
    DISK_FULL = "disk_full"
    POISON = "poison"  # could not be started in five attempts
    SHUTDOWN = "shutdown"  # stopped because the worker was stopped
    MEMORY_LIMIT = "memory_limit"
    PROCESS_LIMIT = "process_limit"


class TaskStatus(StrEnum):
    """Outcome of one task on one host; stored in ``task_results.status``."""

    OK = "ok"
    CHANGED = "changed"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    SKIPPED = "skipped"
    RESCUED = "rescued"
    IGNORED = "ignored"


HURRY = "hurry"  # on the control pipe, after a reason to stop: no further grace


class StopReason(StrEnum):
    """Why the executor or the supervisor itself stops a run before its own end."""

    CANCEL = "cancel"
    TIMEOUT = "timeout"
    SHUTDOWN = "shutdown"
    ORPHANED = "orphaned"  # the supervisor's parent died
    DISK_FULL = "disk_full"
    MEMORY_LIMIT = "memory_limit"
    PROCESS_LIMIT = "process_limit"
    CUT_OFF = "cut_off"  # the executor had no word with the platform for too long, or was given up by it


@dataclass(frozen=True, slots=True)
class RunFile:
    """One file of the run's private workspace. ``path`` is relative POSIX, never absolute, no ``..``."""

    path: str
    data: bytes
    mode: int = 0o400


@dataclass(frozen=True, slots=True)
class RunSpec:
    """Everything one supervised engine process needs; nothing in it is looked up again later.

    ``parameters`` is JSON data whose keys the engine's adapter documents (``app.runners.ansible``).
    ``secrets`` are the values to mask in every line before it is stored; they are handed to the
    supervisor through its standard input, never through argv, environment or a file that outlives the run.
    """

    run_uuid: str
    attempt: int
    engine: str  # adapter name: "ansible", "terraform"
    timeout_seconds: int
    parameters: Mapping[str, Any]
    files: tuple[RunFile, ...] = ()
    secrets: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)  # added to the allow-list, e.g. proxies

    @property
    def marker(self) -> str:
        """Value of ``MILLWRIGHT_RUN`` in the environment of every process of this attempt."""
        return f"{self.run_uuid}.{self.attempt}"


@dataclass(frozen=True, slots=True)
class HostResult:
    """What became of one host of a run. ``failure_code`` is None exactly when the host succeeded."""

    failure_code: FailureCode | None
    message: str = ""  # one paragraph for people: what failed, and where
    failed_task: str = ""  # name of the first task that failed on it
    failed_module: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)  # TaskStatus value -> number


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended. ``hosts`` has every host the run knew of, by inventory hostname.

    ``failure_code`` speaks of the run itself: None when every host succeeded, ``task_failed`` when a host
    failed, ``engine_error`` when the engine gave up, ``timeout``, ``cancelled``, ...
    """

    exit_code: int | None
    failure_code: FailureCode | None
    message: str = ""
    hosts: Mapping[str, HostResult] = field(default_factory=dict)
    engine_version: str = ""
    stopped_by: StopReason | None = None
    lines_dropped: int = 0  # lines over the cap that were counted but not kept
