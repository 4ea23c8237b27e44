"""The demo's REST client: JSON requests, and a job's log as it grows. Standard library only.

It uses nothing but the documented API, so it shows what any program can do with a key.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from app.standalone.errors import StartError

REQUEST_SECONDS = 15.0
SILENCE_SECONDS = 30.0  # the stream says something every few seconds, if only that it is still there
STREAM_TRIES = 3
POLL_SECONDS = 0.5
Json = dict[str, Any]


class StoryError(StartError):
    """A step of the demo did not go as told; the message says which and what to look at."""


class Client:
    """One platform and one key."""

    def __init__(self, base_url: str, key: str) -> None:
        self._base = f"{base_url}/api/v1"
        self._key = key
        self.polled = False  # whether the last log that was followed had to be polled

    def _open(
        self, path: str, *, seconds: float, body: Json | None = None, extra: Mapping[str, str] | None = None
    ) -> HTTPResponse:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._key}", **(extra or {})}
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = Request(self._base + path, data=data, headers=headers)  # noqa: S310 - our own http URL
        answer: HTTPResponse = urlopen(request, timeout=seconds)  # noqa: S310
        return answer

    def ask(self, path: str, *, body: Json | None = None, **query: object) -> Any:
        """Return the JSON answer of a GET, or of a POST when there is a body. StoryError for any other answer."""
        address = f"{path}?{urlencode(query)}" if query else path
        try:
            with self._open(address, body=body, seconds=REQUEST_SECONDS) as answer:
                return json.load(answer)
        except HTTPError as error:
            with error:
                said = error.read(2000).decode("utf-8", "replace")
            verb = "GET" if body is None else "POST"
            raise StoryError(f"{verb} /api/v1{address} was answered with {error.code}: {said}") from error
        except (URLError, OSError, HTTPException) as error:
            raise StoryError(f"The platform did not answer /api/v1{address}: {error}") from error

    def follow(self, job_id: str, seconds: float) -> Iterator[Json]:
        """Yield every line of a job's log in order, from the first to the last, as it is written.

        Follows the live stream and resumes it behind the last line seen; a stream that cannot be had is replaced by
        polling. StoryError when the log is not complete after ``seconds``.
        """
        deadline = time.monotonic() + seconds
        after, tries = 0, 0
        self.polled = False
        while tries < STREAM_TRIES and time.monotonic() < deadline:
            tries += 1
            try:
                for name, data in self._events(job_id, after):
                    for line in data["lines"] if name == "lines" else ():
                        after, tries = line["n"], 0
                        yield line
                    if name == "end":
                        return
                    if time.monotonic() > deadline:
                        break
            except (URLError, OSError, HTTPException):
                time.sleep(POLL_SECONDS)
        self.polled = True
        yield from self._poll(job_id, after, deadline, seconds)

    def _poll(self, job_id: str, after: int, deadline: float, seconds: float) -> Iterator[Json]:
        while True:
            part = self.ask(f"/jobs/{job_id}/logs", after=after)
            for line in part["lines"]:
                after = line["n"]
                yield line
            if part["complete"] and after >= part["last_line"]:
                return
            if time.monotonic() > deadline:
                raise StoryError(f"The job did not end within {seconds:g} s; it is '{part['status']}'.")
            time.sleep(POLL_SECONDS)

    def _events(self, job_id: str, after: int) -> Iterator[tuple[str, Json]]:
        """Yield (name, data) of the stream's events (server-sent events: WHATWG HTML, 9.2)."""
        headers = {"Last-Event-ID": str(after), "Accept": "text/event-stream"}
        with self._open(f"/jobs/{job_id}/stream", seconds=SILENCE_SECONDS, extra=headers) as stream:
            name, data = "", ""
            for raw in stream:
                field, _, value = raw.decode().rstrip("\n").partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    data = value
                elif not field and data:
                    yield name, json.loads(data)
                    name, data = "", ""
