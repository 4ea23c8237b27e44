"""Flask commands. Each module of this package has ``register(app)``."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence

from flask import Flask

# Flask's own commands and flask-smorest's that answer requests or list addresses.
FACE_COMMANDS = frozenset({"run", "routes", "shell", "openapi"})


def serves(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Return whether this process needs pages and REST: all but the ``flask`` commands that answer no request.

    ``flask`` sets FLASK_RUN_FROM_CLI to "true" before it loads an application.
    """
    if environment.get("FLASK_RUN_FROM_CLI") != "true":
        return True
    return bool(FACE_COMMANDS.intersection(arguments)) or "--help" in arguments


def register_commands(app: Flask) -> None:
    """Add the commands of every module in this package."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}").register(app)
