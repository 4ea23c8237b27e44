"""Job kinds: how ``jobs`` learns to run things without knowing them. Connected in ``app.wiring``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.core.actor import Actor
from app.core.queue import RUN_QUEUE
from app.jobs.models import Launch
from app.runners.base import FailureCode, RunSpec

PREPARE = "prepare"  # key of a launch's inputs: its kind has something to do before the run is planned


class PreparationError(Exception):
    """A run cannot be started, now or ever: it ends as failed with this code and message, unbegun."""

    def __init__(self, code: FailureCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class RunTarget:
    """One job of the run and the server it is for (None: the kind has no servers)."""

    job_id: int
    server_id: int | None


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a kind gets to build its RunSpec from; read inside the executor's unit of work, tenant scope set."""

    tenant_id: int
    run_id: int
    run_uuid: str
    attempt: int
    engine: str
    subject_id: int
    user_id: int
    inputs: dict[str, Any]
    secret_inputs: dict[str, Any]
    timeout_seconds: int
    is_check: bool
    targets: Sequence[RunTarget]


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """A RunSpec, and which host name of its output belongs to which job (id).

    ``collections`` (name -> version) is what the run's record says of the content it could use.
    """

    spec: RunSpec
    jobs_by_host: dict[str, int]
    collections: Mapping[str, str] = field(default_factory=dict)


class JobKind(Protocol):
    """One kind of job, e.g. ``ansible``. Stateless; looked up by ``name``. ``queue``: which workers get its runs.

    ``after_loss``: what people should do after a run of this kind that was lost; said with the job's error.
    """

    name: str
    queue: str = RUN_QUEUE
    after_loss: str = ""

    def relaunch(self, actor: Actor, launch_uuid: str, *, only: str) -> Launch:
        """Launch the same again with the same inputs, ``only`` on "failed" (and not reached) servers or on "all".

        A service: checks rights, approval and servers as they are today. Raises AppErrors.
        """
        ...

    def build_run(self, request: RunRequest) -> PreparedRun:
        """Return the frozen spec of a run: files, inventory, variables, secrets.

        Called between claim and begin: checks hashes and decrypts here. Raises PreparationError for what no
        retry mends; any other exception releases the run for another attempt.
        """
        ...

    def memory_bytes(self) -> int:
        """Return how much free memory a worker needs for each run of this kind; 0: its places are not counted so."""
        return 0

    def prepare_launch(self, tenant_id: int, launch_id: int) -> None:
        """Do what a launch with PREPARE in its inputs has to wait for, then remove PREPARE from them.

        Called outside of any unit of work, before ``build_run``. A kind that inherits from this class and has
        nothing to prepare says so: PreparationError, which ends the run unbegun.
        """
        raise PreparationError(
            FailureCode.ENGINE_ERROR,
            f"Jobs of kind '{self.name}' have nothing to prepare, but this launch asks for it. Upgrade the worker.",
        )


_kinds: dict[str, JobKind] = {}


def register(kind: JobKind) -> None:
    """Make ``kind`` known; a second registration of the same name replaces the first."""
    _kinds[kind.name] = kind


def get(name: str) -> JobKind:
    """Return the kind; PreparationError when this process does not know it."""
    try:
        return _kinds[name]
    except KeyError:
        raise PreparationError(
            FailureCode.ENGINE_ERROR, f"This worker does not know jobs of kind '{name}'. Upgrade the worker."
        ) from None


def queue_of(name: str) -> str:
    """Return the queue of a kind's runs; the common one for a kind that names none, or that nobody knows here."""
    return getattr(_kinds.get(name), "queue", RUN_QUEUE)


def after_loss(name: str) -> str:
    """Return what people should do after a lost run of a kind; empty for nothing in particular."""
    return getattr(_kinds.get(name), "after_loss", "")


def memory_of(queue: str) -> int:
    """Return the bytes of free memory that each place of a queue takes, by the largest of its kinds; 0: any."""
    here = [kind for kind in _kinds.values() if queue_of(kind.name) == queue]
    return max((kind.memory_bytes() for kind in here if hasattr(kind, "memory_bytes")), default=0)


def prepare(name: str, tenant_id: int, launch_id: int) -> None:
    """Let a kind do what a launch has to wait for (its ``prepare_launch``), outside of any unit of work.

    It removes PREPARE from the launch's inputs. PreparationError ends the run unbegun.
    """
    get(name).prepare_launch(tenant_id, launch_id)
