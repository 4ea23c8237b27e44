"""The platform in the words of Prometheus. Names, units and labels: docs/operations.md, "Metrics".

Nearly all of it is read from the database, so that every web process of every machine says the same. Labels are
bounded: statuses, reasons, codes, chores, workers; never a tenant, server, person or playbook.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import psutil
import redis
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from app.core import request_figures
from app.core.db_time import db_now
from app.core.probe import looking
from app.core.single_flight import SingleFlight
from app.core.tenancy import system_scope
from app.core.version import VERSION
from app.dashboard import metrics_read
from app.dashboard.health import ask_redis
from app.dashboard.metrics_read import Snapshot
from app.jobs.figures import BOUNDS
from app.jobs.status import WorkerState

log = logging.getLogger(__name__)

FRESH_SECONDS = 4.0  # several scrapers cost one look; below any sensible interval of scraping
WAIT_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Seen:
    """One look. ``snapshot`` and the seconds are None when the database or Redis did not answer."""

    snapshot: Snapshot | None
    database_seconds: float | None
    redis_seconds: float | None


def _look() -> Seen:
    snapshot, database_seconds, redis_seconds = None, None, None
    try:
        with system_scope("metrics"), looking() as session:
            session.execute(select(1))
            began = time.monotonic()
            now = session.scalars(select(db_now())).one()
            database_seconds = time.monotonic() - began
            snapshot = metrics_read.read(session, now)
    except (SQLAlchemyError, OSError) as error:
        log.warning("metrics without the database: %s", type(error).__name__)
        snapshot = database_seconds = None
    try:
        began = time.monotonic()
        redis_seconds = time.monotonic() - began if ask_redis() is None else None
    except (redis.RedisError, OSError):
        redis_seconds = None
    return Seen(snapshot, database_seconds, redis_seconds)


flight: SingleFlight[Seen] = SingleFlight(_look, FRESH_SECONDS)


def render(*, viewers: int, pool: tuple[int, int]) -> bytes:
    """Return the text of /metrics. ``viewers``: live streams here; ``pool``: connections in use and at most, here."""
    seen = flight.get(WAIT_SECONDS) or Seen(None, None, None)
    registry = CollectorRegistry()
    registry.register(_Collector(seen, viewers, pool))
    return generate_latest(registry) + generate_latest(request_figures.registry)


class _Collector:
    def __init__(self, seen: Seen, viewers: int, pool: tuple[int, int]) -> None:
        self._seen, self._viewers, self._pool = seen, viewers, pool

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        yield _gauge("build_info", "The version that answers.", ["version"], [((VERSION,), 1)])
        yield from _dependency("database", self._seen.database_seconds)
        yield from _dependency("redis", self._seen.redis_seconds)
        yield from self._process()
        if self._seen.snapshot is not None:
            for part in (_work, _ends, _log, _workers, _keeper):
                yield from part(self._seen.snapshot)

    def _process(self) -> Iterator[Metric]:
        process = str(os.getpid())
        used, most = self._pool
        yield _gauge(
            "database_pool_connections",
            "Database connections of this web process that are in use, and how many there may be.",
            ["state", "process"],
            [(("used", process), used), (("limit", process), most)],
        )
        yield _gauge("stream_viewers", "Live streams of this web process.", ["process"], [((process,), self._viewers)])
        memory = psutil.Process().memory_info().rss
        yield _gauge("web_resident_memory_bytes", "Memory of this web process.", ["process"], [((process,), memory)])


Rows = Iterable[tuple[tuple[str, ...], float]]


def _gauge(name: str, text: str, labels: list[str], rows: Rows) -> Metric:
    family = GaugeMetricFamily(f"millwright_{name}", text, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def _one(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"millwright_{name}", text, value=value)


def _counter(name: str, text: str, labels: list[str], rows: Rows) -> Metric:
    family = CounterMetricFamily(f"millwright_{name}", text, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def _dependency(name: str, seconds: float | None) -> Iterator[Metric]:
    title = name.capitalize()
    yield _one(f"{name}_up", f"Whether {title} answers within its time.", float(seconds is not None))
    if seconds is not None:
        yield _one(f"{name}_latency_seconds", f"One round trip to {title}.", seconds)


def _work(now: Snapshot) -> Iterator[Metric]:
    yield _one("dispatch_paused", "Whether nothing is started on purpose.", float(now.paused))
    yield _gauge("runs", "Open runs by status.", ["status"], [((key,), value) for key, value in now.runs.items()])
    yield _gauge("jobs", "Open jobs by status.", ["status"], [((key,), value) for key, value in now.jobs.items()])
    yield _gauge(
        "runs_waiting",
        "Waiting runs by why they wait.",
        ["reason"],
        [((reason,), count) for reason, count in now.waiting.items()],
    )
    yield _one("run_oldest_waiting_seconds", "Age of the run that waits longest.", now.oldest_waiting_seconds)
    rows = [((priority,), count) for priority, count in sorted(now.tickets.items())]
    yield _gauge("tickets_open", "Open tickets by priority.", ["priority"], rows)


def _ends(now: Snapshot) -> Iterator[Metric]:
    for what, text in (("runs", "Runs that ended"), ("jobs", "Jobs that ended with their run")):
        rows = [(key[1:], value) for key, value in sorted(now.figures.items()) if key[0] == what and len(key) == 3]
        yield _counter(f"{what}_ended", f"{text}, by success or failure code.", ["kind", "outcome"], rows)
    yield _histogram(now, "seconds", "run_duration_seconds", "From begin to end of a run.")
    yield _histogram(now, "waited", "run_wait_seconds", "From the launch to the begin of a run.")


def _histogram(now: Snapshot, what: str, name: str, text: str) -> Metric:
    family = HistogramMetricFamily(f"millwright_{name}", text, labels=["kind"])
    for kind in sorted({key[1] for key in now.figures if key[0] == what}):
        total, buckets = 0.0, []
        for bound in (*BOUNDS, float("inf")):
            total += now.figures.get((what, kind, "le", str(bound)), 0.0)
            buckets.append(("+Inf" if bound == float("inf") else str(bound), total))
        family.add_metric([kind], buckets, sum_value=now.figures.get((what, kind, "sum"), 0.0))
    return family


def _log(now: Snapshot) -> Iterator[Metric]:
    text = "Records of output (lines, tasks, results) that are stored."
    yield _counter("log_records_stored", text, [], [((), now.records)])
    yield _counter("log_stored_bytes", "Spooled output that is stored, in its spool's form.", [], [((), now.bytes)])


def _workers(now: Snapshot) -> Iterator[Metric]:
    workers = now.workers
    yield _gauge(
        "worker_info",
        "A worker of the last day.",
        ["worker", "host", "version"],
        [((w.name, w.host_name, w.version), 1) for w in workers],
    )
    states = [(w.name, "silent" if now.is_silent(w) else w.state.value) for w in workers]
    names = [name for state in WorkerState for name in [state.value] if state is not WorkerState.OFFLINE] + ["silent"]
    yield _gauge(
        "worker_state",
        "1 for the state that a worker is in.",
        ["worker", "state"],
        [((worker, name), float(name == state)) for worker, state in states for name in names],
    )
    said = [(w, now.load.get(w.id)) for w in workers]
    for name, text, rows in (
        ("worker_slots", "Runs that a worker carries at most.", [((w.name,), float(w.concurrency)) for w in workers]),
        ("worker_runs", "Runs that it carries.", [((w.name,), float(load.running if load else 0)) for w, load in said]),
        (
            "worker_silence_seconds",
            "Time since its last sign of life.",
            [((w.name,), max(0.0, (now.now - w.last_seen_at).total_seconds())) for w in workers],
        ),
        (
            "lease_age_seconds",
            "Age of the oldest lease among the runs that it carries.",
            [((w.name,), load.lease_seconds if load else 0.0) for w, load in said],
        ),
    ):
        yield _gauge(name, text, ["worker"], rows)
    for key, name, text in (
        ("log_lag_seconds", "log_lag_seconds", "Age of the oldest output on a worker's disk that is not stored yet."),
        ("log_lag_bytes", "log_lag_bytes", "Output on a worker's disk that is not stored yet."),
        ("load1", "worker_host_load1", "Load average of a worker's machine over a minute."),
        ("memory_free", "worker_host_memory_free_bytes", "Memory that a worker's machine could still give."),
        ("disk_free", "worker_host_disk_free_bytes", "Free disk under a worker's data folder."),
    ):
        rows = [((w.name,), float(w.host_load[key])) for w in workers if w.host_load and key in w.host_load]
        yield _gauge(name, text, ["worker"], rows)


def _keeper(now: Snapshot) -> Iterator[Metric]:
    yield _one("keeper_leading", "Whether a keeper leads.", float(now.keeper_leads))
    if now.keeper_silence_seconds is not None:
        text = "Time since the leading keeper finished a round of its chores."
        yield _one("keeper_silence_seconds", text, now.keeper_silence_seconds)
    chores = now.chores
    text = "How long a chore of the keeper took last."
    yield _gauge("keeper_chore_last_duration_seconds", text, ["chore"], [((c.name,), c.seconds) for c in chores])
    yield _counter("keeper_chore_runs", "How often it was done.", ["chore"], [((c.name,), c.rounds) for c in chores])
    yield _counter(
        "keeper_chore_failures", "How often it failed.", ["chore"], [((c.name,), c.failures) for c in chores]
    )
