"""The worker's face: the doorbell's task, and what a worker process does around it."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Sequence
from typing import Any

from celery import signals

from app.core import log_context, queue, wake
from app.core.db import db
from app.core.queue import EXECUTE, PROTOCOL, RUN_QUEUE, celery_app
from app.core.runtime import settings
from app.jobs import lost_begins, places, watchdog, workers
from app.jobs.database_port import DatabasePort
from app.jobs.executor import execute_run
from app.jobs.port import Carrier
from app.runners.process import set_parent_death_signal

log = logging.getLogger(__name__)


@celery_app.task(name=EXECUTE, bind=True, ignore_result=True)  # type: ignore[untyped-decorator]
def execute(self: Any, run_id: int, protocol: int = PROTOCOL) -> None:
    """Answer a doorbell: carry the run if it is to be had. Everything else is read from the database."""
    if not isinstance(run_id, int) or not queue.understands(protocol) or not workers.has_room():
        log.warning("doorbell.ignored", extra={"run_id": run_id, "protocol": protocol})
        return
    carrier = Carrier(workers.this_process(), settings().host_name, self.request.hostname, self.request.id)
    try:
        with celery_app.flask_app.app_context(), log_context.carrying(worker=str(self.request.hostname)):
            execute_run(DatabasePort(), run_id, carrier)
    except Exception:
        log.exception("run.dropped", extra={"run_id": run_id})
        _end_this_child()


_is_child = False


def _end_this_child() -> None:
    """End a pool child that dropped a run: while it lives no watchdog gives the run back or ends it."""
    if _is_child:
        os._exit(1)


@signals.worker_process_init.connect  # type: ignore[untyped-decorator]
def _child_started(**_kw: Any) -> None:
    """In a new pool child: die with the main process, and open connections of its own."""
    global _is_child
    _is_child = True
    parent = os.getppid()
    set_parent_death_signal(signal.SIGKILL)  # the supervisor sees it and ends the engine; a watchdog ships the rest
    if os.getppid() != parent:
        os._exit(1)
    wake.forget_connection()
    with celery_app.flask_app.app_context():
        db.engine.dispose(close=False)


class WorkerLife(threading.Thread):
    """Beside the Celery worker's main loop: sign of life, reaping of pool children, the end of draining."""

    def __init__(self, name: str, served: Sequence[str] = (RUN_QUEUE,), has: places.WorkerPlaces | None = None) -> None:
        super().__init__(name="worker-life", daemon=True)
        self._served, self._has = tuple(served), has
        self._worker = name
        self._drain_since: float | None = None

    def drain(self) -> None:
        """The worker was asked to stop: say so now, and end what still runs when its time is over."""
        self._drain_since = time.monotonic()

    def run(self) -> None:
        """Loop until the process ends; a lost database is waited for."""
        log_context.begin(worker=self._worker)
        known = self._try(lambda: workers.register(self._worker, self._served, self._has))
        compared = self._try(lost_begins.report_here)
        next_beat, said = 0.0, ""
        while True:
            now = time.monotonic()
            # Until it is heard: who starts while the database is away would stay what its row says, e.g. draining.
            known = known or self._try(lambda: workers.register(self._worker, self._served, self._has))
            if now >= next_beat:
                next_beat = now + workers.BEAT_SECONDS
                self._try(lambda: workers.beat(self._worker))
                compared = self._try(lost_begins.report_if_wanted if compared else lost_begins.report_here)
            self._try(watchdog.reap_this_host)
            if self._drain_since is not None and not said:
                self._try(lambda: workers.drain(self._worker))
                said = "draining"
            over = self._drain_since is not None and now - self._drain_since >= settings().drain_seconds
            if over and said == "draining":
                self._try(lambda: workers.stop_now(self._worker))
                said = "stopping"
            time.sleep(1.0)

    def _try(self, work: Any) -> bool:
        """Do it; False when it could not be done now."""
        with celery_app.flask_app.app_context():
            try:
                work()
                return True
            except Exception as error:  # the database is away: this thread must outlive that
                log.warning("worker.life: %s", type(error).__name__)
                return False
            finally:
                db.session.remove()


_life: WorkerLife | None = None
_places: places.WorkerPlaces | None = None


@signals.worker_init.connect  # type: ignore[untyped-decorator]
def _worker_sized(sender: Any, **_kw: Any) -> None:
    """Before the worker starts its processes: as many as it has places, by its queues and the memory that is free."""
    global _places
    told, usual = sender.concurrency, celery_app.conf.worker_concurrency
    asked = told if isinstance(told, int) and told != usual else None  # --concurrency
    with celery_app.flask_app.app_context():
        _places = places.of_worker(sorted(celery_app.amqp.queues.consume_from), asked)
    sender.concurrency = _places.concurrency


@signals.worker_ready.connect  # type: ignore[untyped-decorator]
def _worker_ready(sender: Any, **_kw: Any) -> None:
    global _life
    _life = WorkerLife(str(sender.hostname), sorted(celery_app.amqp.queues.consume_from), _places)
    _life.start()


@signals.worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _worker_stopping(**_kw: Any) -> None:
    if _life is not None:
        _life.drain()


@signals.worker_shutdown.connect  # type: ignore[untyped-decorator]
def _worker_stopped(sender: Any, **_kw: Any) -> None:
    with celery_app.flask_app.app_context():
        try:
            workers.leave(str(sender.hostname))
        except Exception as error:
            log.warning("worker.leave: %s", type(error).__name__)
