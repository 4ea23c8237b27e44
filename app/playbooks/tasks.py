"""The worker's face of the projects: the doorbell of a sync."""

from __future__ import annotations

from app.core.queue import PROTOCOL, celery_app
from app.playbooks.service_sync import SYNC_PROJECT
from app.playbooks.sync_work import sync_project


@celery_app.task(name=SYNC_PROJECT, ignore_result=True)  # type: ignore[untyped-decorator]
def answer_sync(sync_id: int, protocol: int = PROTOCOL) -> None:
    """Answer a doorbell: sync the project if that is asked for. Everything else is read from the database."""
    if isinstance(sync_id, int) and protocol in (PROTOCOL, PROTOCOL - 1):
        with celery_app.flask_app.app_context():
            sync_project(sync_id)
