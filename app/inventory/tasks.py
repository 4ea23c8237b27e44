"""The worker's face of the inventory: the doorbell of a connection test."""

from __future__ import annotations

from app.core.queue import PROTOCOL, celery_app
from app.inventory.connection_test import test_server
from app.inventory.service_tests import TEST_SERVER


@celery_app.task(name=TEST_SERVER, ignore_result=True)  # type: ignore[untyped-decorator]
def answer_test(server_id: int, protocol: int = PROTOCOL) -> None:
    """Answer a doorbell: test the server if a test is asked for. Everything else is read from the database."""
    if isinstance(server_id, int) and protocol in (PROTOCOL, PROTOCOL - 1):
        with celery_app.flask_app.app_context():
            test_server(server_id)
