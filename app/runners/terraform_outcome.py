"""Follow terraform by its machine-readable stream and say what became of the run and of every resource.

Messages: https://developer.hashicorp.com/terraform/internals/machine-readable-ui (version 1.x). Each command is a task,
and so is each resource that is created, changed or destroyed; its lines and its result stand under it. A line that is
no JSON object is text.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.runners import terraform_elsewhere
from app.runners.base import FailureCode, HostResult, RunResult, StopReason, TaskStatus
from app.runners.outcome import STOP_CODES, STOP_MESSAGES
from app.runners.recorder import Recorder
from app.runners.sealed import seal
from app.runners.terraform_advice import about_lock, advice_for
from app.runners.terraform_plan import plan_base, redact_plan, summarize

VARIABLES_NAME = "variables.tfvars.json"  # in which terraform is given the values of variables
HOST = "terraform"  # the one job of the run
_LEVELS = {"error": "ERROR", "warn": "WARNING", "debug": "DEBUG", "trace": "DEBUG"}
_CHATTER = {"version", "planned_change", "refresh_start", "refresh_complete"}
_MOST_ERROR_LINES = 14  # of standard error that become the message
_PREAMBLE = "encountered problems during initiali"  # "described below": what follows says it
_LEAVES_ALONE = {"read", "noop", "open", "renew", "close"}
LAST_WORDS, MORE_WORDS = 7, 31  # lines before the last one; a backend that cannot be reached says more
SALVAGED = (
    "terraform could not hand its last state to the platform. It was salvaged from the worker and is stored as soon as "
    "it fits; look at the project's state before you apply again."
)


class TerraformOutcome:
    """Turns the events of ``runners.terraform`` into records, and at the end into a RunResult."""

    def __init__(self, parameters: Mapping[str, Any], recorder: Recorder) -> None:
        self._operation = str(parameters.get("operation"))
        self._key = base64.b64decode(parameters["artifact_key"]) if parameters.get("artifact_key") else b""
        self._secret_names = frozenset(parameters.get("secret_variables") or ())
        self._recorder = recorder
        self._seq = 0
        self._step = 0  # task_seq of the present command
        self._step_name = ""
        self._capturing = ""
        self._began = time.monotonic()
        self._resources: dict[str, tuple[int, float]] = {}  # address -> its task_seq, when it began
        self._counts: dict[str, int] = {}
        self._failures: list[tuple[str, str]] = []  # task, message
        self._last_words: list[str] = []
        self._error_words: list[str] = []  # of the present command: its standard error from the first "Error: " on
        self._ended_with: int | None = None  # exit code of a command that failed and said nothing in its stream
        self._lock_holder = str(parameters.get("lock_holder") or "")
        self._finished = False
        self._salvaged = False
        self._elsewhere: Mapping[str, Any] = parameters.get("elsewhere") or {}
        self._refused = False  # what was read cannot be used
        self.engine_version = ""

    # --- events

    def handle(self, event: Mapping[str, Any]) -> None:
        """Take one event of the adapter; raises KeyError, TypeError or ValueError if it is malformed."""
        kind = event["e"]
        if kind == "out":
            for line in str(event["x"]).split("\n"):
                self._output(line)
        elif kind == "err":
            for line in str(event["x"]).split("\n"):
                self._error_output(line)
        elif kind == "step":
            self._begin_step(str(event["n"]), str(event["c"]))
        elif kind == "end":
            self._end_step(event)
        elif kind == "data":
            self._data(str(event["n"]), Path(event["path"]).read_bytes())
        elif kind == "file":
            self._file(str(event["n"]), Path(event["path"]).read_bytes())

    def _error_output(self, line: str) -> None:
        """Take a line of standard error: from "Error: " on it says why the command failed."""
        self.hear(line, "INFO")
        self._text(line, "ERROR" if self._error_words else "INFO")

    def hear(self, text: str, level: str) -> None:
        """Remember what was printed outside of the stream: why terraform could not start, or crashed."""
        if text.strip():
            words = self._recorder.clean(text, 1000)
            most = MORE_WORDS if self._elsewhere else LAST_WORDS
            self._last_words = [*self._last_words[-most:], words]
            words = words.strip()
            if words.startswith("Error: ") and any(_PREAMBLE in line for line in self._error_words[:1]):
                self._error_words = []
            if (self._error_words or words.startswith("Error: ")) and len(self._error_words) < _MOST_ERROR_LINES:
                self._error_words.append(words)

    def _begin_step(self, name: str, capture: str) -> None:
        self._step_name, self._capturing, self._began = name, capture, time.monotonic()
        self._error_words = []
        self._seq += 1
        self._step = self._seq
        self._recorder.task(self._seq, self._operation, f"terraform {name}", name, "", "task")

    def _end_step(self, event: Mapping[str, Any]) -> None:
        code, good = int(event["rc"]), bool(event["ok"]) and not self._refused
        for address, (seq, began) in self._resources.items():  # it was stopped or died in the middle of them
            self._result(seq, TaskStatus.FAILED, began)
            self._failures.append((address, "Nobody knows how it ended: terraform ended before."))
        self._resources = {}
        status = TaskStatus.OK if good else TaskStatus.IGNORED if event.get("opt") else TaskStatus.FAILED
        if status is TaskStatus.FAILED and not self._failures:
            self._ended_with = code  # put into words at the end: what it printed may not have arrived yet
        self._result(self._step, status, self._began)
        self._finished = good

    def _how(self, code: int) -> str:
        if self._error_words and not self._elsewhere:
            return f"terraform {self._step_name}: {' '.join(self._error_words).removeprefix('Error: ')}"[:2000]
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        words = " ".join(self._last_words)
        means = ""
        if self._elsewhere:
            means, words = terraform_elsewhere.meaning(words), terraform_elsewhere.error_of(words)
        return f"{means}terraform {self._step_name} {how}. {words}".strip()

    def _result(self, seq: int, status: TaskStatus, began: float) -> None:
        self._counts[status.value] = self._counts.get(status.value, 0) + 1
        self._recorder.result(HOST, seq, status, int((time.monotonic() - began) * 1000), None)

    def _text(self, text: str, level: str = "INFO", seq: int | None = None) -> None:
        if text.strip():
            self._recorder.text(text.rstrip("\n"), host=HOST, seq=self._step if seq is None else seq, level=level)

    # --- the stream

    def _output(self, line: str) -> None:
        message = _parsed(line)
        if message is None:
            self._text(line)
            if line.strip():
                self._last_words = [*self._last_words[-7:], self._recorder.clean(line, 1000)]
            return
        kind = message.get("type")
        text = str(message.get("@message", ""))
        level = _LEVELS.get(str(message.get("@level")), "INFO")
        if kind == "version":
            self.engine_version = f"{'OpenTofu' if 'tofu' in message else 'Terraform'} " + str(
                message.get("terraform") or message.get("tofu") or ""
            )
        if kind == "diagnostic":
            self._diagnostic(message["diagnostic"])
        elif kind in ("apply_start", "ephemeral_op_start"):
            self._begin_resource(message["hook"], text)
        elif kind in ("apply_complete", "apply_errored", "ephemeral_op_complete", "ephemeral_op_errored"):
            self._end_resource(message["hook"], text, failed=str(kind).endswith("errored"))
        elif isinstance(message.get("hook"), dict):
            seq = self._resources.get(_address(message["hook"]), (self._step, 0.0))[0]
            self._text(text, "DEBUG" if kind in _CHATTER else level, seq)
        else:
            self._text(text, level)

    def _begin_resource(self, hook: Mapping[str, Any], text: str) -> None:
        address = _address(hook)
        self._seq += 1
        self._resources[address] = self._seq, time.monotonic()
        self._recorder.task(self._seq, self._operation, address, str(hook.get("action", "")), "", "task")
        self._text(text, "INFO", self._seq)

    def _end_resource(self, hook: Mapping[str, Any], text: str, *, failed: bool) -> None:
        address = _address(hook)
        seq, began = self._resources.pop(address, (self._step, self._began))
        self._text(text, "ERROR" if failed else "INFO", seq)
        changed = (
            TaskStatus.OK if hook.get("action") in ("read", "noop", "open", "renew", "close") else TaskStatus.CHANGED
        )
        if seq != self._step:
            self._result(seq, TaskStatus.FAILED if failed else changed, began)

    def _diagnostic(self, found: Mapping[str, Any]) -> None:
        is_error = found.get("severity") == "error"
        place = _place(found)
        head = f"{'Error' if is_error else 'Warning'}: {found.get('summary', '')}"
        detail = str(found.get("detail") or "")
        code = str(((found.get("snippet") or {}).get("code")) or "") if place else ""
        parts = [head, f"  on {place}" if place else "", *(f"    {row}" for row in code.splitlines()), detail]
        address = str(found.get("address") or "")
        self._text("\n".join(part for part in parts if part), "ERROR" if is_error else "WARNING")
        if is_error:
            where = f" ({place})" if place else ""
            message = about_lock(str(found.get("summary")), detail, self._lock_holder)
            message = message or f"{found.get('summary', '')}{where}. {detail}".strip()
            task = address or f"terraform {self._step_name}"
            self._failures.append((self._recorder.clean(task, 255), self._recorder.clean(message, 2000)))

    # --- data and files

    def _data(self, name: str, data: bytes) -> None:
        if name == "plan_json":
            plan = json.loads(data)
            self._recorder.artifact("summary", json.dumps(summarize(plan)).encode())
            kept = json.dumps(redact_plan(plan, self._secret_names))
            self._recorder.artifact("plan_json", self._recorder.mask(kept).encode())
        elif name == terraform_elsewhere.ARTIFACT:
            self._read_state(data)
        else:
            self._recorder.artifact(name, self._recorder.mask(data.decode("utf-8", "replace")).encode())

    def _read_state(self, data: bytes) -> None:
        problem = terraform_elsewhere.problem_of(data, self._elsewhere)
        if problem is None:
            self._recorder.artifact(terraform_elsewhere.ARTIFACT, seal(self._key, terraform_elsewhere.ARTIFACT, data))
            return
        self._refused = True
        self._text(problem, "ERROR")
        self._failures.append((f"terraform {self._step_name}", problem))

    def _file(self, name: str, data: bytes) -> None:
        if not self._key:
            raise ValueError(f"nothing to seal the {name} with")
        if name == "state":
            self._salvaged = True
            self._text(SALVAGED, "WARNING")
        elif name == "plan":
            self._recorder.artifact("plan_base", json.dumps(plan_base(data)).encode())
        self._recorder.artifact(name, seal(self._key, name, data))

    # --- the end

    def conclude(self, exit_code: int | None, stopped_by: StopReason | None, lines_dropped: int) -> RunResult:
        """Return how the run ended; a stop that was asked for counts unless every command had ended well."""
        failed = bool(exit_code) or not self._finished
        if not failed:
            stopped_by = None
        if self._ended_with is not None and not self._failures:
            self._failures.append((f"terraform {self._step_name}", self._how(self._ended_with)))
        task, message = self._failures[0] if self._failures else ("", "")
        code: FailureCode | None = None
        if stopped_by is not None:
            code, message = STOP_CODES[stopped_by], STOP_MESSAGES[stopped_by]
        elif failed:
            named = exit_code in (0, 1, 2)
            code = FailureCode.TASK_FAILED if named and self._failures else FailureCode.ENGINE_ERROR
            message = message or self._how(exit_code or 0)
            message = f"{message} {advice_for(message)}".strip()
        if self._salvaged:
            message = f"{message} {SALVAGED}".strip()
        host = HostResult(None, counts=self._counts)
        if code is not None:
            host = HostResult(code, message, task, self._step_name, self._counts)
        return RunResult(
            exit_code=exit_code,
            failure_code=code,
            message=message,
            hosts={HOST: host},
            engine_version=self.engine_version,
            stopped_by=stopped_by,
            lines_dropped=lines_dropped,
        )


def _parsed(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) and "@message" in message else None


def _address(hook: Mapping[str, Any]) -> str:
    return str((hook.get("resource") or {}).get("addr", ""))


def _place(found: Mapping[str, Any]) -> str:
    where = found.get("range") or {}
    name = str(where.get("filename") or "")
    if not name or Path(name).name == VARIABLES_NAME:  # one line with every value; the text names the variable
        return ""
    return f"{name} line {(where.get('start') or {}).get('line', '?')}"
