"""Follow a playbook by the events of our callback plugin and say honestly what became of every host.

A host that has no failed task is not thereby a success: ansible stops a play for hosts that did nothing wrong
(any_errors_fatal, max_fail_percentage, run_once) and never begins later batches and plays, without an event.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.runners.base import FailureCode, HostResult, RunResult, StopReason, TaskStatus
from app.runners.recorder import Recorder

STOP_CODES: Mapping[StopReason, FailureCode] = {
    StopReason.CANCEL: FailureCode.CANCELLED,
    StopReason.TIMEOUT: FailureCode.TIMEOUT,
    StopReason.SHUTDOWN: FailureCode.SHUTDOWN,
    StopReason.ORPHANED: FailureCode.LOST,
    StopReason.DISK_FULL: FailureCode.DISK_FULL,
    StopReason.CUT_OFF: FailureCode.LOST,
    StopReason.MEMORY_LIMIT: FailureCode.MEMORY_LIMIT,
    StopReason.PROCESS_LIMIT: FailureCode.PROCESS_LIMIT,
}
STOP_MESSAGES: Mapping[StopReason, str] = {
    StopReason.CANCEL: "The run was cancelled before it ended.",
    StopReason.TIMEOUT: "The run was stopped at its time limit.",
    StopReason.SHUTDOWN: "The run was stopped because its worker was stopped.",
    StopReason.ORPHANED: "The run was stopped because the worker process that watched it ended.",
    StopReason.DISK_FULL: "The run was stopped because the worker's disk is full.",
    StopReason.CUT_OFF: "The worker was cut off from the database and stopped the run by itself. "
    "Look at the servers before you launch again; part of the work may be done.",
    StopReason.MEMORY_LIMIT: "The run was stopped at its memory limit.",
    StopReason.PROCESS_LIMIT: "The run was stopped at its limit of processes.",
}

SSH_ENDED_EARLY = re.compile(r"Data could not be sent to remote host\b.*\bBroken pipe\s*$", re.DOTALL)
SSH_ENDED_ADVICE = (
    "ssh ended before it took the task, and ansible does not say why. "
    "Test the connection of the server: it names the cause."
)


def with_advice(message: str) -> str:
    """Return the message of a failed result with what to do next where ansible's own words hide the cause.

    ssh that ends before it took the task (a foreign host key, a refused sign-in) says why on its stderr, but ansible
    reads that only if ssh is gone one millisecond after the pipe broke (``Connection._send_initial_data`` of 2.19).
    """
    if SSH_ENDED_EARLY.search(message):
        return f"{message} {SSH_ENDED_ADVICE}"
    return message


def name_limit(result: RunResult, reason: StopReason, sentence: str) -> RunResult:
    """Return the result with the limit that was hit in its words, for the run and for each host that failed.

    Hosts of a playbook that came to its end keep their codes: some task failed there, at the limit or before it.
    """
    if result.failure_code is None:
        return result
    general = STOP_MESSAGES[reason]

    def said(message: str) -> str:
        return sentence if message == general else f"{message} {sentence}".strip()

    hosts = {
        name: host if host.failure_code is None else replace(host, message=said(host.message))
        for name, host in result.hosts.items()
    }
    return replace(result, failure_code=STOP_CODES[reason], message=said(result.message), hosts=hosts)


@dataclass(slots=True)
class _Host:
    took_part: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    code: FailureCode | None = None
    message: str = ""
    task: str = ""
    module: str = ""

    def fail(self, code: FailureCode, message: str, task: str = "", module: str = "") -> None:
        if self.code is None:  # the first reason stays
            self.code, self.message, self.task, self.module = code, message, task, module


class PlaybookOutcome:
    """Turns events into records and, at the end, into a RunResult for the run's own hosts."""

    def __init__(self, hosts: Iterable[str], recorder: Recorder) -> None:
        self._hosts: dict[str, _Host] = {name: _Host() for name in hosts}
        self._others: dict[str, _Host] = {}
        self._recorder = recorder
        self._play = ""
        self._batch: list[str] = []
        self._stopped_for: set[str] = set()  # hosts of the present batch that ansible dropped without a fault
        self._broken = False  # the present batch ended with no host left
        self._waiting: dict[str, set[str]] = {}  # play id -> its hosts that no batch has had yet
        self._play_id = ""
        self._aimed: set[str] = set()
        self._finished = False
        self.engine_version = ""
        self.last_words: list[str] = []  # of the engine itself, newest last

    # --- events

    def handle(self, event: Mapping[str, Any]) -> None:
        """Take one event of the plugin; raises KeyError, TypeError or ValueError if it is malformed."""
        kind = event["e"]
        if kind == "text":
            host = event["h"]
            self._recorder.text(event["x"], host=host, seq=event["s"], level=event["v"], further=event.get("c"))
            if host is None:
                self.hear(event["x"], event["v"])
        elif kind == "task":
            self._recorder.task(int(event["s"]), event["p"], event["n"], event["m"], event["f"], event["y"])
        elif kind == "res":
            self._result(event)
        elif kind == "facts":
            if event["h"] in self._hosts:  # facts of the platform's own localhost are nobody's
                self._recorder.facts(event["h"], event["d"], int(event["z"]), event["x"])
        elif kind == "play":
            self._begin_play(event)
        elif kind == "nomore":
            self._broken = True
            self._stopped_for.update(self._batch)
        elif kind == "stats":
            self._finish(event["left"])
        elif kind == "hello":
            self.engine_version = self._recorder.clean(str(event["ver"]), 50)

    def hear(self, text: str, level: str) -> None:
        """Remember what the engine itself said, for the message of a run that it gave up."""
        if level in ("ERROR", "INFO") and text.strip():
            self.last_words = [*self.last_words[-7:], self._recorder.clean(text, 2000)]

    def _host(self, name: str) -> _Host:
        if name in self._hosts:
            return self._hosts[name]
        return self._others.setdefault(name, _Host())

    def _begin_play(self, event: Mapping[str, Any]) -> None:
        self._close_batch()
        name = event["p"]
        self._recorder.play(name)
        if event["id"] != self._play_id and self._play_id:
            self._waiting.pop(self._play_id, None)  # another play began: what was left out was meant so
        self._play, self._play_id = self._recorder.clean(name), event["id"]
        if "all" in event:
            self._waiting[self._play_id] = set(event["all"])
            self._aimed.update(event["all"])
        self._batch = list(event["batch"])
        self._waiting.setdefault(self._play_id, set()).difference_update(self._batch)
        for host in self._batch:
            self._host(host).took_part = True

    def _close_batch(self) -> None:
        message = f"The play “{self._play}” was stopped because of other servers before it ended on this one."
        for name in self._stopped_for:
            self._host(name).fail(FailureCode.INCOMPLETE, message)
        self._stopped_for = set()

    def _result(self, event: Mapping[str, Any]) -> None:
        status = TaskStatus(event["st"])
        name, host = event["h"], self._host(event["h"])
        host.took_part = True
        host.counts[status.value] = host.counts.get(status.value, 0) + 1
        self._recorder.result(name, int(event["s"]), status, int(event["d"]), event["df"])
        if status in (TaskStatus.FAILED, TaskStatus.UNREACHABLE):
            code = FailureCode.TASK_FAILED if status is TaskStatus.FAILED else FailureCode.UNREACHABLE
            task, module = self._recorder.clean(event["n"]), self._recorder.clean(event["m"])
            host.fail(code, with_advice(self._recorder.clean(event["msg"], 2000)), task, module)
            if event.get("all"):
                self._stopped_for.update(self._batch)

    def _finish(self, left: Sequence[Sequence[str]]) -> None:
        self._close_batch()
        self._broken = self._broken or (
            bool(self._batch) and all(self._host(name).code is not None for name in self._batch)
        )
        never = set(self._waiting.get(self._play_id, ())) if self._broken else set()
        for hosts in left:
            self._aimed.update(hosts)
            never.update(hosts)
        for name in never:
            host = self._host(name)
            if host.took_part:
                host.fail(FailureCode.INCOMPLETE, "The playbook was stopped before all of it ran on this server.")
            else:
                host.fail(FailureCode.NOT_REACHED, "The playbook was stopped before it came to this server.")
        for name, host in self._hosts.items():
            if not host.took_part and name not in self._aimed:
                host.fail(FailureCode.NO_HOSTS, "No play of the playbook is aimed at this server.")
        self._finished = True

    # --- the end

    def conclude(self, exit_code: int | None, stopped_by: StopReason | None, lines_dropped: int) -> RunResult:
        """Return how the run ended; ``stopped_by`` counts only if the playbook had not ended by itself."""
        if self._finished:
            stopped_by = None
        code: FailureCode | None
        if stopped_by is not None:
            code, message = STOP_CODES[stopped_by], STOP_MESSAGES[stopped_by]
            self._fail_the_rest(code, message)
        elif not self._finished:
            code, message = FailureCode.ENGINE_ERROR, self._engine_message(exit_code)
            self._fail_the_rest(code, message)
        else:
            code, message = self._summary()
            if code is None and exit_code:
                code, message = FailureCode.ENGINE_ERROR, self._engine_message(exit_code)
        return RunResult(
            exit_code=exit_code,
            failure_code=code,
            message=message,
            hosts={
                name: HostResult(host.code, host.message, host.task, host.module, dict(host.counts))
                for name, host in self._hosts.items()
            },
            engine_version=self.engine_version,
            stopped_by=stopped_by,
            lines_dropped=lines_dropped,
        )

    def _fail_the_rest(self, code: FailureCode, message: str) -> None:
        for host in self._hosts.values():
            host.fail(code, message)

    def _summary(self) -> tuple[FailureCode | None, str]:
        failed = {name: host for name, host in self._hosts.items() if host.code is not None}
        outside = {name: host for name, host in self._others.items() if host.code is not None}
        if not failed and not outside:
            return None, ""
        codes = {host.code for host in (*failed.values(), *outside.values())}
        order = (FailureCode.TASK_FAILED, FailureCode.UNREACHABLE, FailureCode.NO_HOSTS)
        code = next((code for code in order if code in codes), FailureCode.TASK_FAILED)
        if codes == {FailureCode.NO_HOSTS}:
            return code, "The playbook matched none of the run's servers."
        parts = []
        if failed:
            parts.append(f"{len(failed)} of {len(self._hosts)} servers did not succeed.")
        for name, host in list(outside.items())[:5]:
            parts.append(f"On {name}, the task “{host.task}” failed: {host.message}")
        return code, " ".join(parts)

    def _engine_message(self, exit_code: int | None) -> str:
        how = "ended" if exit_code is None else f"ended with exit code {exit_code}"
        if exit_code is not None and exit_code < 0:
            how = f"was killed by signal {-exit_code}"
        words = " ".join(self.last_words)
        return f"ansible-playbook {how}. {words}".strip()[:4000]
