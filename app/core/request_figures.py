"""What this web process has answered: counters for /metrics and one log line a request.

Counters are of this process alone and carry its id as the label ``process``: gunicorn runs several, a scrape meets
one of them, and a counter that jumped between them would look like a restart each time.
"""

from __future__ import annotations

import logging
import os
import time

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

log = logging.getLogger("access")

# Of the answer's first byte, in seconds: pages take tens of milliseconds, a stream's beginning too.
BOUNDS = (0.025, 0.1, 0.3, 1.0, 3.0, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Asked for every few seconds by machines: counted, and not written down while they are answered as they should be.
QUIET = frozenset({"/health", "/ready", "/metrics", "/api/v1/health", "/api/v1/ready"})

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, of no use here
registry = CollectorRegistry()
_requests = Counter(
    "millwright_http_requests",
    "Requests answered by one web process, by route template.",
    ["method", "route", "status", "process"],
    registry=registry,
)
_seconds = Histogram(
    "millwright_http_request_duration_seconds",
    "Time from a request to the first byte of its answer, in one web process.",
    ["route", "process"],
    buckets=BOUNDS,
    registry=registry,
)


def route_template() -> str:
    """Return the request's route as it is written in the code, so that ids make no further series."""
    return request.url_rule.rule if request.url_rule is not None else "(none)"


def init_request_figures(app: Flask) -> None:
    """Count every request and write one line for each."""

    @app.before_request
    def _begin() -> None:
        g.request_began = time.monotonic()

    @app.after_request
    def _end(response: Response) -> Response:
        began = g.get("request_began")
        seconds = 0.0 if began is None else time.monotonic() - began
        route, process = route_template(), str(os.getpid())
        method = request.method if request.method in METHODS else "(other)"
        _requests.labels(method, route, str(response.status_code), process).inc()
        _seconds.labels(route, process).observe(seconds)
        is_static = route.startswith("/static/")
        if not is_static and (route not in QUIET or response.status_code >= 500):
            log.info(
                "request",
                extra={
                    "method": method,
                    "route": route,
                    "status": response.status_code,
                    "ms": round(seconds * 1000, 1),
                },
            )
        return response
