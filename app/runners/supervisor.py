"""``python -m app.runners.supervisor``: the process that watches over one run attempt, from start to census.

The spec comes as one line of JSON on standard input, which stays open as the control pipe: a line naming a
StopReason stops the run, its end means that the launcher is gone. SIGTERM cancels. Output goes to the spool,
the result (last of all) to ``result.json`` beside it. Exit code: 0 a result was written, 3 it could not be.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.runners import cgroup
from app.runners.base import FailureCode, RunResult, StopReason
from app.runners.engines import Engine, EngineJob, load_engine
from app.runners.lines import DEFAULT_LOG_BYTES
from app.runners.masking import MIN_SECRET_LENGTH, Masker
from app.runners.outcome import name_limit
from app.runners.process import (
    MARKER_VARIABLE,
    become_subreaper,
    reap_children,
    set_parent_death_signal,
)
from app.runners.pump import Pump, PumpSettings, StopRequest
from app.runners.recorder import Recorder
from app.runners.spool import DEFAULT_MIN_FREE_BYTES, SpoolWriter, write_result
from app.runners.workspace import Workspace

DEFAULT_GRACE_SECONDS = 4.0  # with the kill and the census a run over its time is gone within five seconds
_MAX_SPEC_BYTES = 256 * 1024 * 1024
# Variables that would change what the engine loads or does behind our back.
_REFUSED_PREFIXES = ("ANSIBLE_", "LD_", "PYTHON", "MILLWRIGHT_", "TF_")


def _read_spec(fd: int) -> tuple[dict[str, Any], bytes]:
    parts: list[bytes] = []
    size = 0
    while True:
        data = os.read(fd, 1024 * 1024)
        if not data:
            raise ValueError("the spec ended before its line end")
        parts.append(data)
        size += len(data)
        if b"\n" in data:
            line, rest = b"".join(parts).split(b"\n", 1)
            return json.loads(line), rest
        if size > _MAX_SPEC_BYTES:
            raise ValueError("the spec is too large")


def engine_environment(marker: str, workspace: Workspace, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of the engine: an allow-list, never what the worker has."""
    added = {name: value for name, value in extra.items() if not name.startswith(_REFUSED_PREFIXES)}
    return {
        "PATH": os.defpath.lstrip(":") + ":/usr/local/bin:/usr/sbin:/sbin",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        **added,
        "HOME": str(workspace.home),
        "TMPDIR": str(workspace.tmp),
        MARKER_VARIABLE: marker,
    }


def _listen(workspace: Workspace) -> tuple[socket.socket, str]:
    path = str(workspace.sockets / "e")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    Path(path).chmod(0o600)
    listener.listen(1)
    return listener, path


class Supervision:
    """One attempt, from its spec to its result."""

    def __init__(self, spec: Mapping[str, Any], control_fd: int, control_rest: bytes) -> None:
        self._spec = spec
        self._parameters: Mapping[str, Any] = spec["parameters"]
        self._workspace = Workspace(Path(spec["workspace"]), Path(spec["sockets"]))
        self._spool_dir = Path(spec["spool_dir"])
        self._control = control_fd, control_rest
        self._stop = StopRequest()
        self._group = cgroup.Group.of(spec.get("group"))
        self._engine: Engine = load_engine(spec["engine"])

    def run(self) -> None:
        """Run the engine, end everything it left behind, write the result; raises OSError if it cannot."""
        signal.signal(signal.SIGTERM, lambda *_: self._stop.ask(StopReason.CANCEL))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        spool = SpoolWriter(self._spool_dir, int(self._parameters.get("min_free_bytes", DEFAULT_MIN_FREE_BYTES)))
        cap = int(self._parameters.get("max_log_bytes") or DEFAULT_LOG_BYTES)
        recorder = Recorder(spool, self._masker(), cap, str(self._workspace.project))
        outcome = self._engine.make_outcome(self._parameters, recorder)
        read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
        listener, events_path = _listen(self._workspace)
        settings = PumpSettings(
            marker=self._spec["marker"],
            parent=self._spec["parent"],
            timeout=float(self._spec["timeout_seconds"]),
            grace=float(self._parameters.get("grace_seconds") or DEFAULT_GRACE_SECONDS),
            group=self._group,
        )
        pump = Pump(
            settings, spool, recorder, outcome, self._stop,
            output_fd=read_fd, listener=listener, control_fd=self._control[0], control_rest=self._control[1],
        )  # fmt: skip
        pump.start()
        job = EngineJob(
            workspace=self._workspace,
            parameters=self._parameters,
            environment=engine_environment(self._spec["marker"], self._workspace, self._spec["environment"]),
            output_fd=write_fd,
            events_path=events_path,
            stopping=self._stop.asked,
            limits=self._spec.get("limits") or {},
        )
        exit_code: int | None = None
        trouble = ""
        try:
            exit_code = self._engine.run(job)
        except Exception:
            trouble = traceback.format_exc()
        os.close(write_fd)
        own = {os.getpid()}
        breach = self._group.breach()  # asked before the kill: from then on every fork in there fails
        left = cgroup.end_run(self._spec["marker"], self._group.folders, root=os.getpid(), exclude=own)
        reap_children()
        cgroup.remove(self._group.folders)
        pump.finish()
        trouble = trouble or pump.error
        if trouble:
            recorder.text(trouble, host=None, seq=0, level="ERROR")
        if left:
            text = f"[millwright] processes that could not be ended: {sorted(left)}"
            recorder.text(text, host=None, seq=0, level="ERROR")
        dropped = recorder.finish()
        spool.close()
        if spool.disk_full:
            self._stop.ask(StopReason.DISK_FULL)
        if breach is not None:
            self._stop.ask(StopReason(breach.reason))
        result = outcome.conclude(exit_code, None if trouble else self._stop.reason, dropped)
        if breach is not None:
            result = name_limit(result, StopReason(breach.reason), breach.message)
        if trouble:
            result = self._broken(result, recorder.clean(trouble.strip().splitlines()[-1], 1000))
        write_result(self._spool_dir, result)

    def _masker(self) -> Masker:
        own = self._engine.extra_secrets(self._parameters, self._workspace)
        return Masker([*self._spec["secrets"], *(text for text in own if len(text) >= MIN_SECRET_LENGTH)])

    def _broken(self, result: RunResult, message: str) -> RunResult:
        text = f"The supervisor of the run failed: {message}"
        return replace(result, failure_code=FailureCode.ENGINE_ERROR, message=text)


def main() -> int:
    """Read the spec, prepare this process, supervise."""
    spec, rest = _read_spec(0)
    control_fd = os.dup(0)
    os.set_inheritable(control_fd, False)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGUSR1, lambda *_: None)  # wakes the loop, which compares the parent
    become_subreaper()
    set_parent_death_signal(signal.SIGUSR1)
    os.umask(0o077)
    os.chdir(spec["workspace"])
    Supervision(spec, control_fd, rest).run()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception:
        traceback.print_exc()
        sys.exit(3)
