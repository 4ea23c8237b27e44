"""Serves the log's data contract with made-up jobs of any size, and lets a test cut, refuse and go on.

Run ``python -m tests.browser.log_app`` from the repository's root and open http://127.0.0.1:5056/log/big.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, Response, abort, render_template_string, request

from tests.browser.preview_app import create_preview

PAGE = """{% extends "base.html" %}{% block title %}Log{% endblock %}{% block content %}
{{ ui.page_head("Job #1412", status_word=log.status) }}{% include "_log.html" %}{% endblock %}"""
FINAL = ("success", "failed", "cancelled")


@dataclass
class FakeJob:
    """A job whose line ``n`` is ``text(n)`` with level ``level(n)``; grows by ``publish``."""

    job_id: str
    total: int
    status: str = "success"
    text: Callable[[int], str] = lambda n: f"ok: [web-1] line {n}"
    level: Callable[[int], str] = lambda _n: "INFO"
    per_task: int = 1000
    failed_task: int | None = None
    first_failure: int | None = None
    runs: list[dict[str, Any]] = field(default_factory=list)
    cut_off: bool = False  # it ended in the middle of its last task
    changed: threading.Condition = field(default_factory=threading.Condition)
    generation: int = 0  # streams of an older generation end: the network was cut
    refuse: int = 0  # HTTP status that streams get instead
    requests: Counter[str] = field(default_factory=Counter)
    resumed_from: list[str] = field(default_factory=list)
    open_streams: int = 0

    @property
    def complete(self) -> bool:
        return self.status in FINAL

    def line(self, n: int) -> dict[str, Any]:
        stamp = f"2026-11-21T03:{n // 60 % 60:02}:{n % 60:02}+00:00"
        seq = (n - 1) // self.per_task + 1
        return {"n": n, "s": seq, "v": self.level(n), "x": self.text(n), "t": stamp, "c": 0}

    def tasks(self) -> list[dict[str, Any]]:
        out = []
        for seq in range(1, (self.total - 1) // self.per_task + 2 if self.total else 1):
            last = min(seq * self.per_task, self.total)
            open_ = (self.cut_off or not self.complete) and last == self.total
            status = "failed" if seq == self.failed_task else None if open_ else "changed" if seq % 3 == 0 else "ok"
            out.append(
                {
                    "s": seq,
                    "play": "Set up web",
                    "task": f"Task number {seq}",
                    "module": "ansible.builtin.command",
                    "path": f"site.yml:{seq * 4}",
                    "status": status,
                    "duration_ms": None if open_ else 1250 * seq,
                    "first_line": (seq - 1) * self.per_task + 1,
                    "last_line": None if open_ else last,
                }
            )
        return out

    def change(self, act: Callable[[], None]) -> None:
        with self.changed:
            act()
            self.changed.notify_all()

    def publish(self, count: int) -> None:
        self.change(lambda: setattr(self, "total", self.total + count))

    def finish(self, status: str) -> None:
        self.change(lambda: setattr(self, "status", status))

    def cut(self) -> None:
        self.change(lambda: setattr(self, "generation", self.generation + 1))


def create_log_app(*jobs: FakeJob) -> Flask:
    """Return the preview application with ``/log/<job_id>`` for every job and the data behind it."""
    app = create_preview()
    known = {job.job_id: job for job in jobs}

    def find(job_id: str) -> FakeJob:
        return known.get(job_id) or abort(404)

    @app.get("/log/<job_id>")
    def log_page(job_id: str) -> str:
        job = find(job_id)
        log = {
            "base": f"/jobs/{job_id}",
            "stream_url": "/stream",
            "job_id": job_id,
            "status": job.status,
            "last_line": job.total,
            "first_failure_line": job.first_failure,
            "raw_url": f"/jobs/{job_id}/raw",
            "download_url": f"/jobs/{job_id}/download",
        }
        return render_template_string(PAGE, log=log)

    @app.get("/jobs/<job_id>/lines")
    def lines(job_id: str) -> dict[str, Any]:
        job = find(job_id)
        job.requests["lines"] += 1
        level = request.args.get("level", "")
        limit = min(1000, int(request.args.get("limit", 500)))
        if "before" in request.args:
            numbers = iter(range(int(request.args["before"]) - 1, 0, -1))
        else:
            numbers = iter(range(int(request.args.get("after", 0)) + 1, job.total + 1))
        found = []
        for n in numbers:
            if not level or job.level(n) == level:
                found.append(job.line(n))
            if len(found) == limit:
                break
        return {
            "lines": sorted(found, key=lambda line: line["n"]),
            "last_line": job.total,
            "complete": job.complete,
            "status": job.status,
            "first_failure_line": job.first_failure,
        }

    @app.get("/jobs/<job_id>/tasks")
    def tasks(job_id: str) -> dict[str, Any]:
        find(job_id).requests["tasks"] += 1
        return {"tasks": find(job_id).tasks()}

    @app.get("/jobs/<job_id>/run-lines")
    def run_lines(job_id: str) -> list[dict[str, Any]]:
        return find(job_id).runs

    @app.get("/jobs/<job_id>/search")
    def search(job_id: str) -> dict[str, Any]:
        job = find(job_id)
        job.requests["search"] += 1
        after, limit = int(request.args.get("after", 0)), int(request.args.get("limit", 200))
        scan = min(job.total, after + 200_000)
        hits: list[dict[str, Any]] = []
        for n in range(after + 1, scan + 1):
            if request.args["q"].lower() in job.text(n).lower():
                hits.append({"n": n, "x": job.text(n)})
                if len(hits) == limit:
                    scan = n
                    break
        return {"hits": hits, "more": scan < job.total, "scanned_to": scan}

    @app.get("/stream")
    def stream() -> Response:
        cursors = {name: int(after) for name, after in (item.rsplit(":", 1) for item in request.args.getlist("job"))}
        resumed = request.headers.get("Last-Event-ID", "")
        cursors.update({k: int(v) for k, v in (item.rsplit(":", 1) for item in resumed.split(",") if item)})
        jobs = [find(name) for name in cursors]
        for job in jobs:
            job.requests["stream"] += 1
            job.resumed_from.append(resumed)
            if job.refuse:
                return Response("busy", job.refuse)
        return Response(events(jobs, cursors), mimetype="text/event-stream")

    return app


def events(jobs: list[FakeJob], cursors: dict[str, int]) -> Iterator[str]:
    """Yield one stream: what is new, then wait; ends when the test cuts it or all jobs are final and told."""
    begun = [job.generation for job in jobs]
    told: set[str] = set()
    for job in jobs:
        job.open_streams += 1
    try:
        yield "retry: 200\n\n"
        while len(told) < len(jobs):
            _wait_for_news(jobs, begun, cursors)
            if [job.generation for job in jobs] != begun:
                return
            for job in jobs:
                yield from _news(job, cursors, told)
            yield ": still here\n\n"
    finally:
        for job in jobs:
            job.open_streams -= 1


def _wait_for_news(jobs: list[FakeJob], begun: list[int], cursors: dict[str, int]) -> None:
    first = jobs[0]
    with first.changed:
        quiet = all(job.total == cursors[job.job_id] and not job.complete for job in jobs)
        if quiet and [job.generation for job in jobs] == begun:
            first.changed.wait(0.5 if len(jobs) == 1 else 0.05)


def _news(job: FakeJob, cursors: dict[str, int], told: set[str]) -> Iterator[str]:
    name, total, final = job.job_id, job.total, job.complete
    while cursors[name] < total:
        batch = [job.line(n) for n in range(cursors[name] + 1, min(total, cursors[name] + 200) + 1)]
        cursors[name] = batch[-1]["n"]
        data = {"job": name, "lines": batch, "last_line": total}
        places = ",".join(f"{job_id}:{line}" for job_id, line in cursors.items())
        yield f"id: {places}\nevent: lines\ndata: {json.dumps(data)}\n\n"
    if name in told:
        return
    yield f"event: tasks\ndata: {json.dumps({'job': name, 'tasks': job.tasks()[-3:]})}\n\n"
    if final:
        told.add(name)
        yield f"event: status\ndata: {json.dumps({'job': name, 'status': job.status, 'complete': True})}\n\n"


def million() -> FakeJob:
    """Return a failed job of a million lines whose task 700 failed."""
    return FakeJob(
        "big",
        1_000_000,
        status="failed",
        level=lambda n: "ERROR" if 699_500 < n <= 699_520 else "WARNING" if n % 9973 == 0 else "INFO",
        text=lambda n: (
            f"fatal: [web-1]: FAILED! => \x1b[0;31mno space left\x1b[0m, line {n}"
            if 699_500 < n <= 699_520
            else f"\x1b[0;32mok: [web-1]\x1b[0m => (item={n}) unpacked /srv/{n * 7919 % 99991}/asset.bin"
        ),
        failed_task=700,
        first_failure=699_501,
        runs=[
            {
                "after_line": 3,
                "v": "WARNING",
                "x": "[WARNING]: Platform linux is using a discovered interpreter",
            }
        ],
    )


if __name__ == "__main__":
    create_log_app(million(), FakeJob("live", 4000, status="running", per_task=300)).run(port=5056, threaded=True)
