"""Server-sent events of live tails: catch up from the database, then what the hub hands out, in order."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from flask import Flask
from sqlalchemy import select

from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.jobs import log_queries, log_tail
from app.jobs.models import Job


def event(name: str, text: str, event_id: str | None = None) -> str:
    """Render one server-sent event (WHATWG HTML, 9.2); ``text`` is JSON without line ends."""
    head = f"id: {event_id}\n" if event_id is not None else ""
    return f"{head}event: {name}\ndata: {text}\n\n"


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the database has of a job behind a viewer's place; ``tasks`` None: there are more lines."""

    job_pk: int
    uuid: str
    lines: list[dict[str, Any]]
    tasks: list[dict[str, Any]] | None
    status: dict[str, Any]


class Stream:
    """One viewer's stream over one or more jobs. ``positions`` maps a job's UUID to its last line sent.

    ``whole`` promises every line (programs). A browser fetches what its screen shows by number, so it may be sent only
    the newest lines of a job that prints faster than it is read.
    """

    def __init__(
        self,
        app: Flask,
        jobs: list[Job],
        positions: dict[str, int],
        render_id: Callable[[dict[str, int]], str],
        *,
        whole: bool,
    ) -> None:
        """Take a place among the viewers until ``close``; RateLimited when there is none."""
        self._app = app
        self._jobs = jobs
        self._at = positions
        self._render_id = render_id
        self._whole = whole
        self._complete: set[str] = set()
        self._viewer = log_tail.hub_of(app).join(jobs)

    def close(self) -> None:
        """Give the place back; a second call does nothing."""
        log_tail.hub_of(self._app).leave(self._viewer)

    def events(self) -> Iterator[str]:
        """Yield the stream's text; ends when every job is complete, or after ``STREAM_SECONDS``."""
        ends_at = time.monotonic() + log_tail.STREAM_SECONDS
        viewer = self._viewer
        yield "retry: 1000\n\n"
        yield from self._catch_up()
        while len(self._complete) < len(self._jobs) and time.monotonic() < ends_at:
            if viewer.overflowed.is_set():
                viewer.overflowed.clear()
                _empty(viewer.messages)
                yield from self._catch_up()
            try:
                news = viewer.messages.get(timeout=log_tail.HEARTBEAT_SECONDS)
            except queue.Empty:
                yield ": still here\n\n"
                continue
            yield from self._handle(news)
        if len(self._complete) == len(self._jobs):
            yield event("end", json.dumps({"jobs": sorted(self._complete)}), self._render_id(self._at))

    def _handle(self, news: log_tail.News) -> Iterator[str]:
        if news.name != "lines":
            if news.data.get("complete"):
                yield from self._catch_up(only=news.uuid)
            else:
                yield event(news.name, news.text)
            return
        lines, at = news.data["lines"], self._at[news.uuid]
        if lines[-1]["n"] <= at:
            return
        if lines[0]["n"] > at + 1 and self._whole:  # the hub began behind this viewer's place, or left lines out
            yield from self._catch_up(only=news.uuid)
            return
        self._at[news.uuid] = lines[-1]["n"]
        if lines[0]["n"] <= at:
            news = log_tail.make_news(
                news.uuid, "lines", {**news.data, "lines": [line for line in lines if line["n"] > at]}
            )
        yield event("lines", news.text, self._render_id(self._at))

    def _catch_up(self, only: str | None = None) -> Iterator[str]:
        """Yield what is stored after the viewer's places, then tasks and status."""
        behind = {job.id for job in self._jobs if only is None or job.job_id == only}
        while behind:
            for stored in self._read(behind):
                if stored.lines:
                    self._at[stored.uuid] = stored.lines[-1]["n"]
                    data = {"lines": stored.lines, "last_line": stored.status["last_line"]}
                    yield event("lines", log_tail.make_news(stored.uuid, "lines", data).text, self._render_id(self._at))
                if stored.tasks is None:
                    continue
                behind.discard(stored.job_pk)
                yield event("tasks", log_tail.make_news(stored.uuid, "tasks", {"tasks": stored.tasks}).text)
                yield event("status", log_tail.make_news(stored.uuid, "status", stored.status).text)
                if stored.status["complete"]:
                    self._complete.add(stored.uuid)

    def _read(self, job_pks: set[int]) -> list[_Stored]:
        """Read the next lines of these jobs in one unit of work, and the tasks of those that have no more."""
        found = []
        with self._app.app_context(), system_scope("log tail"), unit_of_work(writes=False):
            for row in db.session.scalars(select(Job).where(Job.id.in_(job_pks)).order_by(Job.id)).all():
                lines: list[dict[str, Any]] = []
                at = self._at[row.job_id]
                if row.log_lines > at:
                    whole = self._whole
                    lines = list(log_queries.tail(row, after=at).lines) if whole else log_tail.new_lines(row, at)
                is_last = not lines or lines[-1]["n"] >= row.log_lines
                tasks = list(log_queries.tasks(row)) if is_last else None
                found.append(_Stored(row.id, row.job_id, lines, tasks, log_tail.status_data(row)))
        return found


def _empty(messages: queue.Queue[log_tail.News]) -> None:
    try:
        while True:
            messages.get_nowait()
    except queue.Empty:
        return
