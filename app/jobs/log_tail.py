"""Live tails: rows after line N, pushed as they are stored, resumable by line number.

One reader thread per process reads and renders what is new of each followed job once, however many viewers it has;
it is woken through Redis and looks by itself every second, so it is correct without. A viewer that is slow, or joins
late, reads what it missed from the database. Where a job prints faster than anybody reads, the reader hands out its
newest lines only. Viewers are capped below the thread count of the web process.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from sqlalchemy import select

from app.core import wake
from app.core.db import db, unit_of_work
from app.core.errors import RateLimited
from app.core.runtime import settings
from app.core.tenancy import system_scope
from app.jobs import log_queries
from app.jobs.closing import run_topic
from app.jobs.log_models import RunTask, TaskResult
from app.jobs.models import Job, Run
from app.jobs.status import JOB_FINAL

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0  # how often the reader looks without being woken
PAUSE_SECONDS = 0.03  # least time between two looks: lines that come together are sent together
NEWEST_LINES = 200  # of more new lines than fit into one answer only so many are handed out: a few screens
QUEUE_LENGTH = 64  # messages a slow viewer may be behind before it reads from the database instead
HEARTBEAT_SECONDS = 15.0
STREAM_SECONDS = 120.0  # then the stream ends and the browser resumes: a revoked session sees no more than this


@dataclass(slots=True)
class Followed:
    """One job as the reader knows it. ``line`` and the rest are what viewers were told last."""

    job_pk: int
    tenant_id: int
    run_id: int
    uuid: str
    line: int
    status: str = ""
    shipped: int = -1  # records of the run stored at the last look: the same number means that nothing is new
    result_id: int = 0
    task_seq: int = 0
    viewers: int = 0


@dataclass(frozen=True, slots=True)
class News:
    """One event of a job, for all who follow it. ``text`` is the data with the job's UUID as JSON, rendered once."""

    uuid: str
    name: str
    data: dict[str, Any]
    text: str


def make_news(uuid: str, name: str, data: dict[str, Any]) -> News:
    """Return an event with its text."""
    text = json.dumps({"job": uuid, **data}, ensure_ascii=False, separators=(",", ":"))
    return News(uuid, name, data, text)


@dataclass(slots=True, eq=False)
class Viewer:
    """One stream: which jobs it follows, and what waits to be sent."""

    jobs: dict[str, Followed]
    messages: queue.Queue[News] = field(default_factory=lambda: queue.Queue(QUEUE_LENGTH))
    overflowed: threading.Event = field(default_factory=threading.Event)

    def offer(self, news: News) -> None:
        """Hand over an event, or remember that this viewer has to read for itself."""
        try:
            self.messages.put_nowait(news)
        except queue.Full:
            self.overflowed.set()


class TailHub:
    """The reader of one process. Started with the first viewer, idle without any."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._viewers: list[Viewer] = []
        self._followed: dict[int, Followed] = {}
        self._thread: threading.Thread | None = None

    def join(self, jobs: list[Job]) -> Viewer:
        """Register a viewer of ``jobs`` until ``leave``; RateLimited when there are too many."""
        with self._lock:
            if self.viewers() >= settings().max_stream_viewers:
                raise RateLimited("Too many live streams on this server just now. Poll the log instead.", 5)
            viewer = Viewer({})
            for job in jobs:
                known = self._followed.get(job.id)
                if known is None:
                    known = Followed(job.id, job.tenant_id, job.run_id, job.job_id, job.log_lines)
                    self._followed[job.id] = known
                known.viewers += 1
                viewer.jobs[job.job_id] = known
            self._viewers.append(viewer)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._read_for_ever, name="log-tail", daemon=True)
                self._thread.start()
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer; a second call does nothing."""
        with self._lock:
            if viewer not in self._viewers:
                return
            self._viewers.remove(viewer)
            for known in viewer.jobs.values():
                known.viewers -= 1
                if known.viewers <= 0:
                    self._followed.pop(known.job_pk, None)

    def viewers(self) -> int:
        """Return how many streams are open in this process."""
        return len(self._viewers)

    def _read_for_ever(self) -> None:
        bell = _Bell()
        while True:
            with self._lock:
                if not self._followed:
                    self._thread = None
                    bell.close()
                    return
                followed = list(self._followed.values())
            try:
                with self._app.app_context(), system_scope("log tail"), unit_of_work(writes=False):
                    messages = list(_look(followed))
            except Exception as error:  # the database is away: viewers keep waiting, nothing is lost
                log.warning("tail: %s", type(error).__name__)
                messages = []
                time.sleep(LOOK_SECONDS)
            if messages:
                self._distribute(messages)
            time.sleep(PAUSE_SECONDS)
            bell.wait({run_topic(job.run_id) for job in followed}, LOOK_SECONDS)

    def _distribute(self, messages: list[News]) -> None:
        with self._lock:
            viewers = list(self._viewers)
        for viewer in viewers:
            for message in messages:
                if message.uuid in viewer.jobs:
                    viewer.offer(message)


class _Bell:
    """Waits for a wake-up of one of some topics; without Redis it just waits a little."""

    def __init__(self) -> None:
        self._pubsub: Any = None
        self._retry_at = 0.0

    def wait(self, topics: set[str], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                if self._pubsub is None:
                    if time.monotonic() < self._retry_at:
                        time.sleep(min(left, 0.25))
                        return
                    self._pubsub = wake.connect(timeout=5.0).pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
                    self._pubsub.psubscribe(f"{wake.PREFIX}run:*")
                woken = self._names_one_of(topics, left)
            except Exception as error:
                log.info("tail without wake-ups: %s", type(error).__name__)
                self.close()
                self._retry_at = time.monotonic() + wake.RETRY_SECONDS
                continue
            if woken:
                return

    def _names_one_of(self, topics: set[str], seconds: float) -> bool:
        """Wait for a wake-up and take all that have come with it: one look answers them all."""
        woken = False
        message = self._pubsub.get_message(timeout=seconds)
        while message is not None:
            woken |= message["channel"].decode().removeprefix(wake.PREFIX) in topics
            message = self._pubsub.get_message(timeout=0)
        return woken

    def close(self) -> None:
        if self._pubsub is not None:
            try:
                self._pubsub.close()
            except Exception:
                log.debug("wake-up connection was gone already")
            self._pubsub = None


def _look(followed: list[Followed]) -> Iterator[News]:
    known = {job.job_pk: job for job in followed}
    rows = db.session.execute(
        select(Job, Run.shipped_records)
        .join(Run, (Run.tenant_id == Job.tenant_id) & (Run.id == Job.run_id))
        .where(Job.id.in_(known))
    ).all()
    for row, shipped in rows:
        job = known[row.id]
        if shipped == job.shipped and row.status.value == job.status and row.log_lines <= job.line:
            continue
        job.shipped = shipped
        if row.log_lines > job.line:
            lines = new_lines(row, job.line)
            if lines:
                job.line = lines[-1]["n"]
                yield make_news(job.uuid, "lines", {"lines": lines, "last_line": row.log_lines})
        tasks = _new_tasks(job)
        if tasks:
            yield make_news(job.uuid, "tasks", {"tasks": tasks})
        if row.status.value != job.status:
            job.status = row.status.value
            yield make_news(job.uuid, "status", status_data(row))


def new_lines(job: Job, after: int) -> list[dict[str, Any]]:
    """Return a job's lines behind a number; of more than fit into one answer the newest few."""
    if job.log_lines - after <= log_queries.LINE_LIMIT:
        return list(log_queries.tail(job, after=after).lines)
    return list(log_queries.tail(job, after=after, before=job.log_lines + 1, limit=NEWEST_LINES).lines)


def status_data(job: Job) -> dict[str, Any]:
    """Return what a stream says when a job's status changed."""
    return {
        "status": job.status.value,
        "complete": job.status in JOB_FINAL,
        "last_line": job.log_lines,
        "first_failure_line": job.first_failure_line,
    }


def _new_tasks(job: Followed) -> list[dict[str, Any]]:
    begun = db.session.scalars(
        select(RunTask)
        .where(RunTask.tenant_id == job.tenant_id, RunTask.run_id == job.run_id, RunTask.task_seq > job.task_seq)
        .order_by(RunTask.task_seq)
        .limit(500)
    ).all()
    ended = db.session.execute(
        select(RunTask, TaskResult)
        .join(
            TaskResult,
            (TaskResult.tenant_id == RunTask.tenant_id)
            & (TaskResult.job_id == job.job_pk)
            & (TaskResult.task_seq == RunTask.task_seq),
        )
        .where(RunTask.tenant_id == job.tenant_id, RunTask.run_id == job.run_id, TaskResult.id > job.result_id)
        .order_by(TaskResult.id)
        .limit(500)
    ).all()
    found = {task.task_seq: log_queries.task_data(task, None) for task in begun}
    for task, result in ended:
        found[task.task_seq] = log_queries.task_data(task, result)
        job.result_id = max(job.result_id, result.id)
    if begun:
        job.task_seq = begun[-1].task_seq
    return [found[seq] for seq in sorted(found)]


def hub_of(app: Flask) -> TailHub:
    """Return the tail hub of this process, made at the first call."""
    hub: TailHub = app.extensions.setdefault("millwright_tail_hub", TailHub(app))
    return hub
