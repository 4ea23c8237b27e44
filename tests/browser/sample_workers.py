"""Sample contexts of the page of workers."""

from __future__ import annotations

from typing import Any

from tests.browser.sample_pages import row
from tests.browser.samples import NOW, XSS, page

BECAUSE = "2.6 GB of memory were free when it started, 0.7 GB for each run"
LOAD = {
    "cpus": 2,
    "load1": 0.7,
    "memory_total": 4_000_000_000,
    "memory_free": 1_900_000_000,
    "disk_total": 90_000_000_000,
    "disk_free": 40_000_000_000,
    "log_lag_seconds": 7.0,
    "log_lag_bytes": 4096,
}


def _worker(number: int, **changes: Any) -> Any:
    found: dict[str, Any] = {
        "id": number,
        "name": f"w{number}@runner-{number}",
        "host_name": f"runner-{number}.example.org",
        "version": "0.1.0",
        "state": "online",
        "message": None,
        "running": 3,
        "concurrency": 4,
        "started_at": NOW,
        "last_seen_at": NOW,
        "is_drained": False,
        "run_limits": "one run: 4096 processes by cgroup, 5900 MiB of memory by cgroup",
        "host_load": LOAD,
        "queues": [row(name="runs", places=4, running=3, because=None)],
    }
    return row(**{**found, **changes})


def _workers(**changes: Any) -> dict[str, Any]:
    both = [
        row(name="runs", places=4, running=1, because=None),
        row(name="terraform", places=3, running=2, because=BECAUSE),
    ]
    found: dict[str, Any] = {
        "workers": [
            _worker(1, queues=both),
            _worker(2, state="draining", message=XSS, is_drained=True),
            _worker(3, host_load=None, run_limits=None, running=0),
        ],
        "carried": {1: [row(launch_uuid="u", launch_number=7, title=XSS, began_at=NOW, servers=2)]},
        "pause": None,
        "form": {},
        "errors": {},
    }
    return {**found, **changes}


page("jobs/workers", "jobs/workers.html")(_workers)
page("jobs/workers-none", "jobs/workers.html")(lambda: _workers(workers=[], carried={}))
