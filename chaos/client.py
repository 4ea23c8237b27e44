"""Programs that use the platform under chaos: every answer is counted, a lost one is asked for again with its key."""

from __future__ import annotations

import http.client
import json
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

PATIENCE = 240.0  # seconds that a caller goes on trying while the platform is away
PAUSE = 0.25
FINAL_SECONDS = 600.0  # the last post of a load must be through by then
JSON = dict[str, Any]


class Gone(AssertionError):
    """The platform did not take a request although it was asked for minutes."""


@dataclass
class Tally:
    """What all callers met. ``hidden``: 503s without Retry-After; ``seconds``: each answer's time."""

    statuses: Counter[int] = field(default_factory=Counter)
    refused: int = 0  # connections that could not be made or broke
    hidden: int = 0
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, status: int, seconds: float, what: str, headers: http.client.HTTPMessage, body: bytes) -> None:
        """Count an answer."""
        with self._lock:
            self.statuses[status] += 1
            self.seconds.append(seconds)
            if status == 503 and not headers.get("Retry-After"):
                self.hidden += 1
                self.wrong.append(f"{what}: 503 without Retry-After")
            elif status >= 500 and status != 503:
                self.wrong.append(f"{what}: {status} {body[:200]!r}")

    def note_refused(self) -> None:
        """Count a connection that failed."""
        with self._lock:
            self.refused += 1

    @property
    def errors(self) -> int:
        """Answers of 5xx that are never right: all but a 503 that says when to come again."""
        return self.hidden + sum(count for status, count in self.statuses.items() if status >= 500 and status != 503)

    def percentile(self, part: float) -> float:
        """The answer time that this part of all answers stayed below."""
        ordered = sorted(self.seconds)
        return ordered[min(int(len(ordered) * part), len(ordered) - 1)] if ordered else 0.0


class Caller:
    """One caller with a key. Threads need one each; ``tally`` may be shared."""

    def __init__(self, port: int, key: str, tally: Tally) -> None:
        self._port = port
        self._key = key
        self.tally = tally

    def once(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Send one request; (0, None) when the platform could not be reached. Headers as Idempotency_Key="..."."""
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        given = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), given)
            answer = connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException):
            self.tally.note_refused()
            return 0, None
        finally:
            connection.close()
        self.tally.note(answer.status, time.monotonic() - began, f"{method} {path}", answer.headers, data)
        is_json = "json" in (answer.headers.get("Content-Type") or "")
        return answer.status, json.loads(data) if is_json and data else None

    def sure(self, method: str, path: str, body: Any = None, *, patience: float = PATIENCE, **headers: str) -> Any:
        """Send until it is answered with 2xx, as a careful program does; Gone otherwise. Returns the answer's data."""
        end = time.monotonic() + patience
        while True:
            status, data = self.once(method, path, body, **headers)
            if 200 <= status < 300:
                return data
            retried = status in (0, 429, 503) or (status == 409 and (data or {}).get("error") == "in_progress")
            if not retried or time.monotonic() > end:
                raise Gone(f"{method} {path}: {status} {data}")
            time.sleep(PAUSE)

    def post_job(self, playbook_id: int, server_id: int, key: str | None = None, **more: Any) -> JSON:
        """Start one job and be sure of it; returns the job."""
        body = {"playbook_id": playbook_id, "server_id": server_id, **more}
        made: JSON = self.sure("POST", "/jobs", body, Idempotency_Key=key or str(uuid.uuid4()))
        return made

    def launch(self, playbook_id: int, server_ids: list[int], **more: Any) -> JSON:
        """Start one launch of several servers and be sure of it; returns the launch."""
        body = {"playbook_id": playbook_id, "server_ids": server_ids, **more}
        made: JSON = self.sure("POST", "/launches", body, Idempotency_Key=str(uuid.uuid4()))
        return made
