"""The worker's face: doorbells of what follows ends of executions, versions of states, new files."""

from __future__ import annotations

from app.core.queue import PROTOCOL, celery_app
from app.terraform.configuration_work import read_configuration
from app.terraform.doorbells import READ
from app.terraform.follow_up import FOLLOW, follow_up
from app.terraform.infrastructure_sync import FOLLOW_STATE, follow_state


@celery_app.task(name=FOLLOW, ignore_result=True)
def answer_follow_up(execution_id: int, protocol: int = PROTOCOL) -> None:
    """Answer a doorbell: follow an execution up if that is due. Everything else is read from the database."""
    if isinstance(execution_id, int) and protocol in (PROTOCOL, PROTOCOL - 1):
        with celery_app.flask_app.app_context():
            follow_up(execution_id)


@celery_app.task(name=READ, ignore_result=True)
def answer_read_configuration(revision_id: int, protocol: int = PROTOCOL) -> None:
    """Answer a doorbell: read a revision's configuration if that is due."""
    if isinstance(revision_id, int) and protocol in (PROTOCOL, PROTOCOL - 1):
        with celery_app.flask_app.app_context():
            read_configuration(revision_id)


@celery_app.task(name=FOLLOW_STATE, ignore_result=True)
def answer_follow_state(state_id: int, protocol: int = PROTOCOL) -> None:
    """Answer a doorbell: bring the instances of a state to its newest version if that is due."""
    if isinstance(state_id, int) and protocol in (PROTOCOL, PROTOCOL - 1):
        with celery_app.flask_app.app_context():
            follow_state(state_id)
