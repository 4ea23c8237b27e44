"""Structured logs: one JSON object a line on standard error, with request, launch, run and job ids."""

from __future__ import annotations

import logging
import sys

import structlog

from config import Settings


def configure_logging(settings: Settings) -> None:
    """Send every logger of this process through one JSON formatter. Call once at start."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for noisy in ("werkzeug", "kombu", "amqp", "celery.redirected"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
