"""Millwright: inventory, runs, live logs, tickets and a tamper-evident audit log.

This module stays empty of imports on purpose: ``app.runners`` is started as a process of its own for
every run and must not pay for the web stack (about a quarter of a second). ``create_app`` imports late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from config import Settings


def create_app(settings: Settings | None = None, *, faces: bool = True) -> Flask:
    """Build the Flask application in its start-up order; see ``app.wiring.build``.

    ``settings`` defaults to what the environment says (``config.load_settings``). Without ``faces`` (pages and REST) it
    is the application of a process that answers no requests.
    """
    from app.wiring import build

    return build(settings, faces=faces)
