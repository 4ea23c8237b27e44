"""The doorbell: Celery messages that carry a run id and a protocol version, sent after the commit.

A message may be lost, doubled, late or forged without harm: the database row decides. Hence no result
backend, no late acknowledgement, JSON only, and a publisher that gives up quickly (the keeper rings again).
"""

from __future__ import annotations

import logging

from celery import Celery

from app.core import wake
from app.core.db import after_commit
from config import Settings

log = logging.getLogger(__name__)

# Version of the executor port and of the message. A worker of version N works with platform and schema of N-1 and N+1:
# the message is a run's id and this number, the schema only grows within a version (docs/algorithms.md, "Versions").
PROTOCOL = 1
EXECUTE = "jobs.execute"
RUN_QUEUE = "runs"

celery_app = Celery("millwright")


def configure_celery(settings: Settings) -> Celery:
    """Set up the one Celery application of this process from the settings."""
    tls = wake.tls_options(settings)
    celery_app.conf.update(
        broker_url=settings.redis_url,
        result_backend=None,
        task_ignore_result=True,
        accept_content=["json"],  # a pickled body in the broker is discarded, never loaded
        task_serializer="json",
        task_acks_late=False,  # redelivery would add nothing to the keeper's sweep and double long runs
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_hijack_root_logger=False,
        worker_soft_shutdown_timeout=settings.drain_seconds,
        worker_concurrency=settings.worker_concurrency,
        worker_max_tasks_per_child=200,
        worker_send_task_events=False,
        worker_enable_remote_control=False,  # no revoke, no remote commands: nothing here needs them
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # A Redis that refuses writes (a full disk) answers the worker's waiting with an error; without this the worker
        # would end, and its runs with it.
        broker_channel_error_retry=True,
        broker_transport_options={"socket_timeout": 5, "socket_connect_timeout": 1, "socket_keepalive": True},
        task_default_queue=RUN_QUEUE,
        task_create_missing_queues=True,
        timezone="UTC",
        broker_use_ssl=tls or None,
    )
    return celery_app


def understands(protocol: object) -> bool:
    """Say whether a message of that version is for this worker: its own, the one before or the one after."""
    return isinstance(protocol, int) and abs(protocol - PROTOCOL) <= 1


def ring(run_id: int, to: str = RUN_QUEUE) -> bool:
    """Send the doorbell of a run into its queue now; False when the broker cannot be had (the keeper rings again)."""
    return _send(EXECUTE, to, {"run_id": run_id})


def send(task_name: str, **ids: int) -> bool:
    """Send any doorbell now: row ids and the protocol version only. False when the broker cannot be had.

    Asked first is a client that does not wait: kombu's own goes on trying for six seconds.
    """
    return _send(task_name, RUN_QUEUE, ids)


def _send(task_name: str, to: str, ids: dict[str, int]) -> bool:
    if not wake.is_reachable():
        log.warning("%s not sent: no broker", task_name, extra=dict(ids))
        return False
    try:
        celery_app.send_task(task_name, kwargs={**ids, "protocol": PROTOCOL}, queue=to, retry=False, ignore_result=True)
    except Exception as error:  # kombu raises whatever its transport raises
        log.warning("%s not sent: %s", task_name, type(error).__name__, extra=dict(ids))
        return False
    return True


def send_after_commit(task_name: str, **ids: int) -> None:
    """Send a doorbell once this unit of work is committed; nothing is sent when it is rolled back."""

    def deliver() -> None:
        send(task_name, **ids)

    after_commit(deliver)


def ring_after_commit(run_id: int, to: str = RUN_QUEUE) -> None:
    """Ring once this unit of work is committed; nothing is sent when it is rolled back."""

    def send() -> None:
        ring(run_id, to)

    after_commit(send)
