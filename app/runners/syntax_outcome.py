"""Follow ``ansible-playbook --syntax-check``: no host, no task, only what it says and how it ends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from app.runners.base import FailureCode, HostResult, RunResult, StopReason
from app.runners.outcome import STOP_CODES, STOP_MESSAGES
from app.runners.recorder import Recorder

MAX_MESSAGE = 4000
# "Origin: site.yml:3:5" (ansible-core 2.19) and "... in 'site.yml': line 3, column 5" (before).
_PLACE = re.compile(r"Origin: (?P<new>\S+?):(?P<line>\d+)|'(?P<old>[^'\s]+)': line (?P<older>\d+)")


class SyntaxOutcome:
    """Turns what the check prints into one result for all ``hosts``; a mistake's message begins with file:line."""

    def __init__(self, hosts: Iterable[str], recorder: Recorder, version: str = "") -> None:
        self._hosts = list(hosts)
        self._recorder = recorder
        self._words: list[str] = []
        self._version = version

    def handle(self, event: Mapping[str, Any]) -> None:
        """Take one event of the plugin; raises KeyError if it is malformed."""
        if event["e"] == "hello":
            self._version = self._recorder.clean(str(event["ver"]), 50)
        elif event["e"] == "text":
            self._recorder.text(event["x"], host=None, seq=0, level=event["v"])
            self.hear(event["x"], event["v"])

    def hear(self, text: str, level: str) -> None:
        """Remember what was said, newest last."""
        if level in ("ERROR", "INFO") and text.strip():
            self._words = [*self._words[-15:], self._recorder.clean(text, 2000)]

    def conclude(self, exit_code: int | None, stopped_by: StopReason | None, lines_dropped: int) -> RunResult:
        """Return success for exit code 0, else ``engine_error`` with what was said."""
        code: FailureCode | None = None
        message = ""
        if stopped_by is not None:
            code, message = STOP_CODES[stopped_by], STOP_MESSAGES[stopped_by]
        elif exit_code != 0:
            code, message = FailureCode.ENGINE_ERROR, self._message()
        return RunResult(
            exit_code=exit_code,
            failure_code=code,
            message=message,
            hosts={name: HostResult(code, message) for name in self._hosts},
            engine_version=self._version,
            stopped_by=stopped_by,
            lines_dropped=lines_dropped,
        )

    def _message(self) -> str:
        said = " ".join(self._words) or "ansible-playbook ended without a word."
        found = _PLACE.search(said)
        place = f"{found['new'] or found['old']}:{found['line'] or found['older']}: " if found else ""
        return f"{place}{said}"[:MAX_MESSAGE]
