"""Prepare a run, start its supervisor, watch and stop it, and clear up after a crash. Used by the executor.

``prepare`` does everything that can fail before the run begins; ``PreparedRun.start`` begins it. The spool
directory ``<spool_root>/<run_uuid>.<attempt>/`` outlives the workspace; the executor removes it (with
``remove_spool``) once its content is stored.
"""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.runners import cgroup
from app.runners.base import HURRY, FailureCode, RunResult, RunSpec, StopReason
from app.runners.engines import load_engine
from app.runners.masking import check_maskable
from app.runners.process import (
    MARKER_VARIABLE,
    ProcessIdentity,
    census,
    identify,
    is_alive,
)
from app.runners.spool import SPOOL_NAME, read_result, reserve, write_private
from app.runners.workspace import PREFIX, Workspace, WorkspaceError, remove_tree

RUN_NAME = "run.json"
LOG_NAME = "supervisor.log"
_ROOT = Path(__file__).resolve().parents[2]
_NAME = re.compile(r"[A-Za-z0-9-]{1,64}\.\d{1,9}\Z")


def _spool_directory(spec: RunSpec, spool_root: Path) -> Path:
    if not _NAME.match(spec.marker):
        raise WorkspaceError(FailureCode.ENGINE_ERROR, f"{spec.marker!r} is no name of a run attempt.")
    directory = spool_root / spec.marker
    try:
        spool_root.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700)
    except FileExistsError:
        message = f"The attempt {spec.marker} was prepared before: its spool directory exists."
        raise WorkspaceError(FailureCode.ENGINE_ERROR, message) from None
    except OSError as error:
        raise WorkspaceError(FailureCode.DISK_FULL, f"The spool directory cannot be made: {error}") from error
    return directory


def prepare(
    spec: RunSpec, *, workspace_root: Path, spool_root: Path, limits: cgroup.Limits = cgroup.NO_LIMITS
) -> PreparedRun:
    """Write the workspace and the spool directory; raises WorkspaceError and leaves nothing behind then."""
    engine = load_engine(spec.engine)
    for value in spec.secrets:
        try:
            check_maskable(value)
        except ValueError as error:
            raise WorkspaceError(FailureCode.ENGINE_ERROR, str(error)) from error
    spool_dir = _spool_directory(spec, spool_root)
    workspace: Workspace | None = None
    try:
        workspace = Workspace.create(workspace_root)
        workspace.write_project(spec.files)
        engine.write_inputs(spec, workspace)
        _note(spool_dir, workspace, None, cgroup.NO_GROUP)
        document = _document(spec, workspace, spool_dir)
        reserve(spool_dir)
        json.dumps(document)  # what cannot be handed over is refused here, not after the beginning
    except BaseException as error:
        remove_tree(spool_dir)
        if workspace is not None:
            workspace.remove()
        if isinstance(error, OSError):
            raise WorkspaceError(FailureCode.DISK_FULL, f"The run cannot be prepared: {error}") from error
        if isinstance(error, KeyError | TypeError | ValueError | AttributeError):
            text = f"The run's parameters are malformed: {error!r}"
            raise WorkspaceError(FailureCode.ENGINE_ERROR, text) from error
        raise
    return PreparedRun(spec.marker, workspace, spool_dir, limits, document)


def _document(spec: RunSpec, workspace: Workspace, spool_dir: Path) -> dict[str, Any]:
    return {
        "marker": spec.marker,
        "engine": spec.engine,
        "timeout_seconds": spec.timeout_seconds,
        "parameters": dict(spec.parameters),
        "secrets": list(spec.secrets),
        "environment": dict(spec.environment),
        "workspace": str(workspace.path),
        "sockets": str(workspace.sockets),
        "spool_dir": str(spool_dir),
    }


def _note(spool_dir: Path, workspace: Workspace, supervisor: ProcessIdentity | None, group: cgroup.Group) -> None:
    document = {
        "workspace": str(workspace.path),
        "sockets": str(workspace.sockets),
        "supervisor": None if supervisor is None else asdict(supervisor),
        "cgroups": [str(folder) for folder in group.folders],
    }
    write_private(spool_dir / RUN_NAME, json.dumps(document).encode("utf-8"))


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """A run that could begin now."""

    marker: str
    workspace: Workspace
    spool_dir: Path
    limits: cgroup.Limits
    _document: dict[str, Any]

    def start(self) -> RunHandle:
        """Start the supervisor; raises WorkspaceError if it cannot, and nothing of the run has happened then.

        Call it from a thread that stays.
        """
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self.workspace.home),
            "TMPDIR": str(self.workspace.tmp),
            MARKER_VARIABLE: self.marker,
        }
        log = -1
        group = cgroup.NO_GROUP
        try:
            group = cgroup.make(self.marker, self.limits)
            log = os.open(self.spool_dir / LOG_NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            process = subprocess.Popen(
                [sys.executable, "-E", "-s", "-m", "app.runners.supervisor"],
                cwd=_ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        except OSError as error:
            cgroup.remove(group.folders)
            raise WorkspaceError(_cause(error), f"The supervisor cannot start: {error}") from error
        finally:
            if log >= 0:
                os.close(log)
        try:
            return self._hand_over(process, group)
        except BaseException as error:
            process.kill()  # it waits for its spec: nothing of the run has happened
            process.wait()
            cgroup.remove(group.folders)
            if isinstance(error, OSError):
                raise WorkspaceError(_cause(error), f"The run cannot be noted on disk: {error}") from error
            raise

    def _hand_over(self, process: subprocess.Popen[bytes], group: cgroup.Group) -> RunHandle:
        identity = identify(process.pid)
        assert identity is not None and process.stdin is not None  # it is our child and not yet waited for
        _note(self.spool_dir, self.workspace, identity, group)
        with suppress(BrokenPipeError):  # it died at once: poll() tells
            limits = {**cgroup.rlimits(self.limits), "cgroups": [str(folder) for folder in group.folders]}
            more = {"parent": os.getpid(), "limits": limits, "group": group.as_json()}
            message = json.dumps({**self._document, **more})
            process.stdin.write(message.encode("ascii") + b"\n")
            process.stdin.flush()
        return RunHandle(self, process, identity, group)

    def discard(self) -> None:
        """Remove workspace and spool directory of a run that is not to begin after all."""
        self.workspace.remove()
        remove_tree(self.spool_dir)


def _cause(error: OSError) -> FailureCode:
    return FailureCode.DISK_FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else FailureCode.ENGINE_ERROR


class RunHandle:
    """A run under way. Not safe for use by several threads at once, but ``stop`` may come from any."""

    def __init__(
        self,
        prepared: PreparedRun,
        process: subprocess.Popen[bytes],
        identity: ProcessIdentity,
        group: cgroup.Group = cgroup.NO_GROUP,
    ) -> None:
        self._prepared = prepared
        self.group = group
        self._process = process
        self._cleared = False
        self.identity = identity

    @property
    def marker(self) -> str:
        """The value of MILLWRIGHT_RUN in the run's processes."""
        return self._prepared.marker

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self._process.pid

    @property
    def spool_dir(self) -> Path:
        """The directory of spool and result."""
        return self._prepared.spool_dir

    @property
    def spool_path(self) -> Path:
        """The spool file; it appears a moment after the start."""
        return self._prepared.spool_dir / SPOOL_NAME

    def poll(self) -> bool:
        """Tell whether the run has ended. A supervisor that was killed has its processes ended here."""
        if self._process.poll() is None:
            return False
        if not self._cleared:
            if read_result(self.spool_dir) is None:
                self._end()
            self._cleared = True
        return True

    def _end(self) -> None:
        cgroup.end_run(self.marker, self.group.folders)
        cgroup.remove(self.group.folders)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to ``timeout`` seconds for the end (None: as long as it takes); tell whether it came."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return self.poll()

    def stop(self, reason: StopReason) -> None:
        """Ask the supervisor to stop the run; the first reason counts. Returns at once."""
        self._tell(reason.value)

    def hurry(self) -> None:
        """Have a run that was asked to stop killed without any further grace. Returns at once."""
        self._tell(HURRY)

    def _tell(self, word: str) -> None:
        assert self._process.stdin is not None
        try:
            os.write(self._process.stdin.fileno(), f"{word}\n".encode("ascii"))
        except (OSError, ValueError):
            return  # it has ended

    def result(self) -> RunResult | None:
        """Return how the run ended; None while it runs, and when its supervisor left no word (lost)."""
        return read_result(self.spool_dir)

    def close(self) -> None:
        """Remove the workspace. A run that still goes on is killed first; the spool directory stays."""
        if not self.poll():
            self._end()
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        self._process.wait()
        self._prepared.workspace.remove()


def start(
    spec: RunSpec, *, workspace_root: Path, spool_root: Path, limits: cgroup.Limits = cgroup.NO_LIMITS
) -> RunHandle:
    """Prepare and begin in one step; raises WorkspaceError."""
    prepared = prepare(spec, workspace_root=workspace_root, spool_root=spool_root, limits=limits)
    return prepared.start()


# --- after a crash


@dataclass(frozen=True, slots=True)
class Leftover:
    """A spool directory found on this machine."""

    spool_dir: Path
    marker: str
    supervisor: ProcessIdentity | None  # None: the run was prepared and never begun

    @property
    def run_uuid(self) -> str:
        """The run it belongs to."""
        return self.marker.rpartition(".")[0]

    @property
    def attempt(self) -> int:
        """The attempt it belongs to."""
        return int(self.marker.rpartition(".")[2])

    def is_alive(self) -> bool:
        """Tell whether its supervisor, or anything else of the run, still lives."""
        if self.supervisor is not None and is_alive(self.supervisor):
            return True
        return bool(census(self.marker) or cgroup.members(cgroup.noted(_read_note(self.spool_dir).get("cgroups"))))


def _read_note(spool_dir: Path) -> dict[str, Any]:
    try:
        note = json.loads((spool_dir / RUN_NAME).read_bytes())
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def leftovers(spool_root: Path) -> list[Leftover]:
    """Return every spool directory under ``spool_root``, of living and of dead runs, sorted by name."""
    found = []
    for path in sorted(spool_root.iterdir()) if spool_root.is_dir() else ():
        if _NAME.match(path.name) and path.is_dir() and not path.is_symlink():
            supervisor = _read_note(path).get("supervisor")
            found.append(Leftover(path, path.name, ProcessIdentity(**supervisor) if supervisor else None))
    return found


def salvage(spool_dir: Path, marker: str) -> RunResult | None:
    """End every process of a run whose watcher is gone and remove its workspace; return its result or None.

    A supervisor that notices by itself that it was orphaned gets a moment to write its result. The spool
    stays for the shipper. None means that the end is unknown (``lost``).
    """
    note = _read_note(spool_dir)
    supervisor = ProcessIdentity(**note["supervisor"]) if note.get("supervisor") else None
    deadline = time.monotonic() + 8.0  # its own grace of four seconds, and the census
    while supervisor is not None and is_alive(supervisor) and time.monotonic() < deadline:
        if read_result(spool_dir) is not None:
            break
        time.sleep(0.05)
    groups = cgroup.noted(note.get("cgroups"))
    cgroup.end_run(marker, groups)
    cgroup.remove(groups)
    for name in ("workspace", "sockets"):
        path = Path(note.get(name) or "/")
        inside = path.name.startswith(PREFIX) or path.parent.name.startswith(PREFIX)
        if inside and path.is_absolute():
            remove_tree(path)
    return read_result(spool_dir)


def remove_spool(spool_dir: Path) -> None:
    """Remove a spool directory whose content is stored."""
    remove_tree(spool_dir)
