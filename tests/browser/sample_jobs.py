"""Sample contexts of the pages of jobs, launches, tickets and audit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.browser.sample_pages import JOBS, LAUNCHES, job, launch, listing, row
from tests.browser.samples import NOW, XSS, page


def job_page(status: str, **more: Any) -> dict[str, Any]:
    one = job(
        3,
        status,
        failed_task="Install packages",
        error_message=f"No space left on device {XSS}" if status == "failed" else None,
        usual_seconds=90.0,
        is_check=True,
        cancel_requested_at=None,
        engine="default",
        engine_version="2.19.14",
        collections={"community.general": "9.1.0"},
        can_cancel_alone=True,
        task_counts={"ok": 12, "changed": 2, "failed": 1, "skipped": 0},
        extra_vars={"release": "v1.2", "note": XSS},
    )
    log = {
        "base": "/nowhere",
        "stream_url": "",
        "job_id": "x",
        "status": status,
        "last_line": 0,
        "first_failure_line": None,
        "raw_url": "/raw",
        "download_url": "/d",
    }
    return {
        "job": one,
        "log": log,
        "ticket": row(number=7, ticket_id="t7", title="x", status="open"),
        "may_cancel": True,
        **more,
    }


FILTERS: dict[str, Any] = {
    "playbooks": [(3, XSS)],
    "users": [(1, "amelie.koch")],
    "sources": [("web", "web")],
    "origins": [("u1", XSS)],
    "failure_codes": [("task_failed", "task failed")],
    "default_sort": "-created",
}
page("jobs/job-failed", "jobs/job.html")(lambda: job_page("failed"))
page("jobs/job-waiting", "jobs/job.html")(lambda: job_page("pending", ticket=None))
page("jobs/jobs", "jobs/jobs.html")(lambda: {"page": listing(JOBS), **FILTERS})
page("jobs/jobs-empty", "jobs/jobs.html")(lambda: {"page": listing([], 0), **FILTERS})
page("jobs/launches", "jobs/launches.html")(lambda: {"page": listing(LAUNCHES, None, None), **FILTERS})
page("jobs/launches-empty", "jobs/launches.html")(lambda: {"page": listing([], 0), **FILTERS})


def matrix() -> dict[str, Any]:
    tasks = [
        {
            "seq": n,
            "name": f"Task {n}: {('Gather facts', 'Install packages', 'Template the configuration', XSS)[n % 4]}",
        }
        for n in range(1, 25)
    ]
    words = ("ok", "ok", "changed", "skipped", "ok", "ignored", "rescued")
    rows = []
    for n in range(1, 13):
        end = 8 if n == 1 else 5 if n == 2 else 25
        cells = {t: {"status": words[(t * n) % 7], "duration_ms": 800 * t, "first_line": t * 10} for t in range(1, end)}
        if n < 3:
            cells[end] = {
                "status": "failed" if n == 1 else "unreachable",
                "duration_ms": 90,
                "first_line": 88,
            }
        rows.append(
            {
                "number": n,
                "job_id": f"j{n}",
                "server_name": f"web-{n}.example.org",
                "cells": cells,
                "waiting_because": None,
                "status": "failed" if n < 3 else "running" if n < 6 else "success",
                "failure_code": "unreachable" if n == 2 else None,
            }
        )
    return {"tasks": tasks, "hidden_tasks": 31, "rows": rows, "page": None}


def launch_page(one: SimpleNamespace, table: dict[str, Any]) -> dict[str, Any]:
    return {
        "launch": one,
        "matrix": table,
        "inputs": [("Servers", "environment production"), ("release", XSS)],
        "relaunch_of": {"number": 300, "uuid": "u300"},
        "differences": ["servers -web-3", f"release 1.2 -> {XSS}"],
        "may_cancel": True,
    }


NO_ROWS: dict[str, Any] = {"tasks": [], "hidden_tasks": 0, "rows": [], "page": None}
page("jobs/launch-running", "jobs/launch.html")(lambda: launch_page(launch(310, "running", 2), matrix()))
page("jobs/launch-failed", "jobs/launch.html")(lambda: launch_page(launch(309, "failed", 2), matrix()))
page("jobs/launch-waiting", "jobs/launch.html")(lambda: launch_page(launch(311, "pending"), NO_ROWS))


def log_store(**more: Any) -> dict[str, Any]:
    """How the log is kept, with and without damage."""
    values = {
        "stores": [
            row(store="folder", segments=180_000, lines=540_000_000, raw_bytes=4 * 10**10, stored_bytes=7 * 10**9)
        ],
        "waiting_runs": 1_204,
        "oldest_waiting": NOW,
        "damaged": 1,
        "leftovers": 2,
        "to_remove": 12,
        **more,
    }
    found = row(
        uuid="01234567-89ab-cdef-0123-456789abcdef",
        run_id=310,
        store="folder",
        lines=4000,
        damage="its SHA-256 is not the one of the sealed lines",
        damaged_at=NOW,
    )
    return {
        "state": row(**values),
        "damaged": [found] if values["damaged"] else [],
        "seal_after_days": 3,
        "store": "folder",
    }


page("jobs/log-store", "jobs/log_store.html")(log_store)
page("jobs/log-store-empty", "jobs/log_store.html")(
    lambda: log_store(stores=[], damaged=0, waiting_runs=0, oldest_waiting=None, leftovers=0, to_remove=0)
)
