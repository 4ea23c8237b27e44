"""What an engine's adapter has to offer, and which adapters there are."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.runners.base import FailureCode, RunResult, RunSpec, StopReason
from app.runners.recorder import Recorder
from app.runners.workspace import Workspace, WorkspaceError

ENGINES: Mapping[str, str] = {"ansible": "app.runners.ansible", "terraform": "app.runners.terraform"}


class Outcome(Protocol):
    """Follows the engine and says at the end what became of the run; called from one thread at a time."""

    def handle(self, event: Mapping[str, Any]) -> None:
        """Take one event from the private channel; raises for a malformed one."""

    def hear(self, text: str, level: str) -> None:
        """Take one line that the engine's process printed; it is already in the spool."""

    def conclude(self, exit_code: int | None, stopped_by: StopReason | None, lines_dropped: int) -> RunResult:
        """Return the result once the engine has ended."""


@dataclass(frozen=True, slots=True)
class EngineJob:
    """What the supervisor gives an adapter to run."""

    workspace: Workspace
    parameters: Mapping[str, Any]
    environment: Mapping[str, str]  # complete; nothing of the supervisor's own is added
    output_fd: int  # where the engine's standard output and error go
    events_path: str  # AF_UNIX socket that takes exactly one connection
    stopping: Callable[[], bool]
    limits: Mapping[str, Any] = field(default_factory=dict)  # what exec_child takes


class Engine(Protocol):
    """The functions of an adapter module."""

    def write_inputs(self, spec: RunSpec, workspace: Workspace) -> None:
        """Write what the engine reads into the workspace; raises WorkspaceError."""

    def make_outcome(self, parameters: Mapping[str, Any], recorder: Recorder) -> Outcome:
        """Return what follows the run."""

    def run(self, job: EngineJob) -> int | None:
        """Run the engine to its end in the calling thread; return its exit code."""

    def extra_secrets(self, parameters: Mapping[str, Any], workspace: Workspace) -> list[str]:
        """Return secrets that the adapter itself wrote into the workspace, such as key texts."""


def load_engine(name: str) -> Engine:
    """Return the adapter of an engine; raises WorkspaceError if there is none of that name."""
    module = ENGINES.get(name)
    try:
        if module is not None:
            return importlib.import_module(module)
    except ModuleNotFoundError:
        pass
    raise WorkspaceError(FailureCode.ENGINE_ERROR, f"There is no engine named {name!r}.")
