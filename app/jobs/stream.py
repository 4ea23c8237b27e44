"""Server-sent events of live tails: catch up from the database, then what the hub hands out, in order."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable, Iterator
from typing import Any

from flask import Flask
from sqlalchemy import select

from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.jobs import log_queries, log_tail
from app.jobs.models import Job
from app.jobs.status import JOB_FINAL


def event(name: str, data: dict[str, Any], event_id: str | None = None) -> str:
    """Render one server-sent event (WHATWG HTML, 9.2)."""
    head = f"id: {event_id}\n" if event_id is not None else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"


class Stream:
    """One viewer's stream over one or more jobs. ``positions`` maps a job's UUID to its last line sent."""

    def __init__(
        self, app: Flask, jobs: list[Job], positions: dict[str, int], render_id: Callable[[dict[str, int]], str]
    ) -> None:
        self._app = app
        self._jobs = jobs
        self._at = positions
        self._render_id = render_id
        self._complete: set[str] = set()

    def events(self) -> Iterator[str]:
        """Yield the stream's text; ends when every job is complete, or after ``STREAM_SECONDS``."""
        ends_at = time.monotonic() + log_tail.STREAM_SECONDS
        yield "retry: 1000\n\n"
        with log_tail.hub_of(self._app).follow(self._jobs) as viewer:
            yield from self._catch_up()
            while len(self._complete) < len(self._jobs) and time.monotonic() < ends_at:
                if viewer.overflowed.is_set():
                    viewer.overflowed.clear()
                    _empty(viewer.messages)
                    yield from self._catch_up()
                try:
                    uuid, name, data = viewer.messages.get(timeout=log_tail.HEARTBEAT_SECONDS)
                except queue.Empty:
                    yield ": still here\n\n"
                    continue
                yield from self._handle(uuid, name, data)
        if len(self._complete) == len(self._jobs):
            yield event("end", {"jobs": sorted(self._complete)}, self._render_id(self._at))

    def _handle(self, uuid: str, name: str, data: dict[str, Any]) -> Iterator[str]:
        if name != "lines":
            if data.get("complete"):
                yield from self._catch_up(only=uuid)
                return
            yield event(name, {"job": uuid, **data})
            return
        lines = [line for line in data["lines"] if line["n"] > self._at[uuid]]
        if not lines:
            return
        if lines[0]["n"] > self._at[uuid] + 1:  # the hub began behind this viewer's place
            yield from self._catch_up(only=uuid)
            return
        self._at[uuid] = lines[-1]["n"]
        yield event("lines", {"job": uuid, "lines": lines, "last_line": data["last_line"]}, self._render_id(self._at))

    def _catch_up(self, only: str | None = None) -> Iterator[str]:
        """Yield everything stored after the viewer's places, then tasks and status."""
        for job in self._jobs:
            if only is None or job.job_id == only:
                yield from self._catch_up_job(job.id, job.job_id)

    def _catch_up_job(self, job_pk: int, uuid: str) -> Iterator[str]:
        while True:
            with self._app.app_context(), system_scope("log tail"), unit_of_work(writes=False):
                row = db.session.scalars(select(Job).where(Job.id == job_pk)).one()
                part = log_queries.tail(row, after=self._at[uuid])
                status = log_tail.status_data(row)
                tasks = [] if part.lines else log_queries.tasks(row)
                final = row.status in JOB_FINAL
            if part.lines:
                self._at[uuid] = part.lines[-1]["n"]
                data = {"job": uuid, "lines": part.lines, "last_line": part.last_line}
                yield event("lines", data, self._render_id(self._at))
                continue
            yield event("tasks", {"job": uuid, "tasks": tasks})
            yield event("status", {"job": uuid, **status})
            if final:
                self._complete.add(uuid)
            return


def _empty(messages: queue.Queue[log_tail.Message]) -> None:
    try:
        while True:
            messages.get_nowait()
    except queue.Empty:
        return
