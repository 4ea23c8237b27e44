"""The terraform engine: the commands of one operation, started one after the other, followed through ``-json``.

``RunSpec.parameters`` (JSON data; every key but ``binary`` and ``operation`` may be missing):

=========================  ============================================================================
binary                     absolute path of terraform or tofu on the worker
operation                  init, plan, apply (of ``plan``), destroy (so too), refresh, read (of ``elsewhere``)
working_directory          folder inside the project that holds the configuration
backend                    {"address", "username", "password", "retry_max"} of the state (HTTP backend)
elsewhere                  what is read: see ``terraform_elsewhere``
variables                  {name: JSON value}
secret_variables           {name: JSON value}; masked wherever they are printed
environment                {name: text} for providers, e.g. AWS_REGION
provider_environment       {name: text} for providers, e.g. AWS_ACCESS_KEY_ID; masked likewise
provider_overrides         [{"name", "alias", "arguments"}] of instances of providers; no secrets, plans have them
aws_profiles               {profile: {"access_key", "secret_key", "token"}}; masked, in a file of the run's inputs
plan                       base64 of the sealed plan that is applied
artifact_key               base64 of the key that plan and salvaged state are sealed with
targets, replaces          lists of resource addresses
is_destroy                 bool: plan the end of everything
is_refresh_only            bool: only look what changed outside
is_speculative             bool: takes no lock and never waits for one
lock_holder                sentence that names who holds the state's lock as the run begins, if somebody does
lock_timeout_seconds       how long to wait for a lock that somebody else holds
parallelism                operations at once, terraform's default is 10
mirror, plugin_cache       directories: provider packages to install from, and shared between runs
grace_seconds              from the polite stop to the kill (read by the supervisor)
max_log_bytes, min_free_bytes, limits   as for ansible
=========================  ============================================================================

Artifacts: ``summary`` (JSON, ``terraform_plan.summarize``), ``plan_text``, ``plan_json`` (redacted), ``graph`` (DOT);
sealed under ``artifact_key``: ``plan`` (the plan file), ``state`` (``errored.tfstate``, what terraform could not
hand to its backend) and ``state_elsewhere`` (what was read).

terraform gets one signal, SIGTERM from the supervisor, which it takes as its first interrupt: it stops after what is
under way, hands its state over and gives the lock back (``internal/command/meta.go``; a second one would end it at
once). What lives after the grace is killed, with everything that it started.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from app.runners import terraform_elsewhere
from app.runners.base import FailureCode, RunSpec
from app.runners.engines import EngineJob, Outcome
from app.runners.masking import MIN_SECRET_LENGTH
from app.runners.recorder import Recorder
from app.runners.sealed import SealError, unseal
from app.runners.terraform_outcome import VARIABLES_NAME, TerraformOutcome
from app.runners.terraform_providers import environment_of, secrets_of, write_providers
from app.runners.terraform_steps import (
    OVERRIDE_NAME,
    PLAN_NAME,
    RC_NAME,
    Step,
    folder_of,
    steps,
)
from app.runners.workspace import Workspace, WorkspaceError

RETRIES = 5  # of a call to the backend, with growing pauses: half a minute
ERRORED_STATE = "errored.tfstate"  # written beside the configuration when the backend is gone at the end
BACKEND_NOTE = ".terraform/terraform.tfstate"  # where terraform notes at init which backend it has
MAX_CAPTURE = 268_435_456  # of one command's data, e.g. a plan as JSON
_EXEC_CHILD = Path(__file__).with_name("exec_child.py")
_BACKEND = 'terraform {\n  backend "http" {}\n}\n'
_AT_ONCE = 65_536  # bytes of output that are handed on together
_CACHE_PAUSE = 0.2  # seconds between two looks at the plugin cache's lock
_TAIL_SECONDS = 2.0  # after terraform has ended, for what is still in the pipe; a stray child may hold it open


def write_inputs(spec: RunSpec, workspace: Workspace) -> None:
    """Write variables, plan, CLI settings and the backend's override; raises WorkspaceError."""
    given = spec.parameters
    binary = Path(str(given["binary"]))
    if not binary.is_absolute() or not os.access(binary, os.X_OK):
        text = f"This worker has no program {binary}. Install it there, or choose another one."
        raise WorkspaceError(FailureCode.ENGINE_ERROR, text)
    folder = Path(folder_of(given, workspace))
    if not folder.is_dir():
        text = f"The project has no folder {given.get('working_directory')!r}. Correct it on the project's page."
        raise WorkspaceError(FailureCode.ENGINE_ERROR, text)
    for step in steps(given, workspace):
        assert step.argv
    variables = {**(given.get("variables") or {}), **(given.get("secret_variables") or {})}
    workspace.write_input(VARIABLES_NAME, json.dumps(variables))
    workspace.write_input(RC_NAME, _rc(given))
    if given.get("elsewhere"):
        terraform_elsewhere.write(given, workspace)
        (folder / OVERRIDE_NAME).write_text(terraform_elsewhere.declaration(given), encoding="ascii")
    if given.get("backend"):
        override = folder / OVERRIDE_NAME
        override.unlink(missing_ok=True)
        override.write_text(_BACKEND, encoding="ascii")
    write_providers(given, folder, workspace)
    if given.get("plan"):
        workspace.write_input(PLAN_NAME, _opened_plan(given))


def _opened_plan(given: Mapping[str, Any]) -> bytes:
    try:
        return unseal(base64.b64decode(given["artifact_key"]), "plan", base64.b64decode(given["plan"]))
    except SealError as error:
        text = f"The saved plan cannot be opened ({error}). Make a new one."
        raise WorkspaceError(FailureCode.ENGINE_ERROR, text) from error


def _rc(given: Mapping[str, Any]) -> str:
    """Return the CLI configuration (https://developer.hashicorp.com/terraform/cli/config/config-file)."""
    lines = ["disable_checkpoint = true"]
    if given.get("plugin_cache"):
        lines.append(f"plugin_cache_dir = {json.dumps(str(given['plugin_cache']))}")
    if given.get("mirror"):
        path = json.dumps(str(given["mirror"]))
        lines.append(f"provider_installation {{\n  filesystem_mirror {{\n    path = {path}\n  }}\n}}")
    return "\n".join(lines) + "\n"


def extra_secrets(parameters: Mapping[str, Any], workspace: Workspace) -> list[str]:
    """Return the texts among secret variables, provider credentials and the backend's password."""
    found = [str((parameters.get("backend") or {}).get("password") or "")]
    found += [str(text) for text in (parameters.get("provider_environment") or {}).values()]
    found += _texts(parameters.get("secret_variables") or {})
    found += secrets_of(parameters)
    found += [str(text) for text in (parameters.get("elsewhere") or {}).get("secrets") or ()]
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, int | float) and not isinstance(value, bool) and len(str(value)) >= MIN_SECRET_LENGTH:
        yield str(value)


def make_outcome(parameters: Mapping[str, Any], recorder: Recorder) -> Outcome:
    """Return the follower of an operation."""
    return TerraformOutcome(parameters, recorder)


def _environment(job: EngineJob) -> dict[str, str]:
    backend = job.parameters.get("backend") or {}
    around = {**(job.parameters.get("environment") or {}), **(job.parameters.get("provider_environment") or {})}
    made = {
        **{str(name): str(text) for name, text in around.items()},
        **environment_of(job.parameters, job.workspace),
        **job.environment,
        # Where providers listen. TMPDIR may be too long for a socket, and a provider that cannot listen just ends.
        "PLUGIN_UNIX_SOCKET_DIR": str(job.workspace.sockets),
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        "TF_CLI_CONFIG_FILE": str(job.workspace.inputs / RC_NAME),
        "CHECKPOINT_DISABLE": "1",
    }
    if backend:
        address = str(backend["address"])
        made |= {
            "TF_HTTP_ADDRESS": address,
            "TF_HTTP_LOCK_ADDRESS": address,
            "TF_HTTP_UNLOCK_ADDRESS": address,
            "TF_HTTP_USERNAME": str(backend["username"]),
            "TF_HTTP_PASSWORD": str(backend["password"]),
            "TF_HTTP_RETRY_MAX": str(int(backend.get("retry_max", RETRIES))),
        }
    return made


def run(job: EngineJob) -> int | None:
    """Run the commands in the calling thread; return the exit code of the one that failed, else 0."""
    commands = steps(job.parameters, job.workspace)
    folder = Path(folder_of(job.parameters, job.workspace))
    with closing(_Channel(job.events_path)) as channel:
        code = 0
        for step in commands:
            if job.stopping():
                return None
            channel.send(e="step", n=step.name, c=step.capture)
            with _alone_in_cache(job, step):
                code = _run_step(job, step, folder, channel)
            if step.name == "init" and not code and (wrong := _foreign_backend(folder, job.parameters)):
                channel.send(e="out", x=json.dumps(wrong))
                code = 1
            good = code in step.good
            channel.send(e="end", n=step.name, rc=code, ok=good, opt=step.is_optional)
            if not good and not step.is_optional:
                break
            code = 0
        if (folder / ERRORED_STATE).is_file():
            channel.send(e="file", n="state", path=str(folder / ERRORED_STATE))
        if job.parameters["operation"] == "plan" and not code:
            channel.send(e="file", n="plan", path=str(job.workspace.inputs / PLAN_NAME))
        return code


def _foreign_backend(folder: Path, given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return an error, as terraform's stream has them, when the files lead the state past the backend that is given."""
    if not given.get("backend"):
        return None
    try:
        found = json.loads((folder / BACKEND_NOTE).read_bytes())
        kind, address = found["backend"]["type"], (found["backend"].get("config") or {}).get("address")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        kind, address = "none", None
    if kind == "http" and address in (None, "", given["backend"]["address"]):
        return None
    detail = (
        f"The files configure a backend of their own ({kind}) in an override file, so the platform would not know the "
        "state. Nothing was run. Remove that block: the state is kept on the platform by itself."
    )
    said = {"severity": "error", "summary": "The state would be kept elsewhere", "detail": detail}
    return {"@level": "error", "@message": said["summary"], "type": "diagnostic", "diagnostic": said}


@contextmanager
def _alone_in_cache(job: EngineJob, step: Step) -> Iterator[None]:
    """Hold the plugin cache while providers are installed: terraform does not promise that two may do so at once."""
    if step.name != "init" or not job.parameters.get("plugin_cache"):
        yield
        return
    folder = Path(str(job.parameters["plugin_cache"]))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / ".lock").open("w") as file:
        while not job.stopping():
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_CACHE_PAUSE)
        yield


class _Channel:
    """The private socket to the supervisor's pump: one JSON object per line, from any thread."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(path)
        self._lock = threading.Lock()

    def send(self, **event: Any) -> None:
        with self._lock:
            self._socket.sendall(json.dumps(event).encode("ascii") + b"\n")

    def close(self) -> None:
        self._socket.close()


def _run_step(job: EngineJob, step: Step, folder: Path, channel: _Channel) -> int:
    limits = json.dumps({**job.limits, **(job.parameters.get("limits") or {})})
    wrapper = [sys.executable, "-I", "-S", str(_EXEC_CHILD), str(os.getpid()), limits]
    process = subprocess.Popen(
        wrapper + list(step.argv),
        cwd=folder,
        env=_environment(job),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    target = job.workspace.inputs / f"{step.capture}.captured" if step.capture else None
    reader = threading.Thread(target=_read, args=(process.stdout, target, channel), daemon=True)
    errors = threading.Thread(target=_read, args=(process.stderr, None, channel, "err"), daemon=True)
    for thread in (reader, errors):
        thread.start()
    code = process.wait()
    end = time.monotonic() + _TAIL_SECONDS
    for thread in (reader, errors):
        thread.join(max(0.0, end - time.monotonic()))
    if target is not None and code in step.good and not reader.is_alive():
        channel.send(e="data", n=step.capture, path=str(target))
    return code


def _read(stream: Any, target: Path | None, channel: _Channel, kind: str = "out") -> None:
    """Hand every line on as it comes, or write data into a file. ``kind``: out, or err for standard error."""
    if target is None:
        parts: list[bytes] = []  # of a line whose end has not come yet
        while data := stream.read1(_AT_ONCE):
            whole, newline, rest = data.rpartition(b"\n")
            if newline:  # what came together goes on together: an event each would cost more than terraform itself
                channel.send(e=kind, x=b"".join([*parts, whole]).decode("utf-8", "replace"))
                parts = []
            if rest:
                parts.append(rest)
        if parts:
            channel.send(e=kind, x=b"".join(parts).decode("utf-8", "replace"))
        return
    left = MAX_CAPTURE
    with target.open("wb") as file:
        while left > 0 and (data := stream.read1(1_048_576)):
            file.write(data[:left])
            left -= len(data)
