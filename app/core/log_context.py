"""The ids that every log line of a piece of work carries, bound at one place for each kind of process.

A web request: ``request_id``, then ``tenant_id`` and ``user_id``, then ``launch_uuid`` or ``job_id`` where the address
or the act names one. A worker's child: ``run_id``, ``run_uuid``, ``attempt``, ``launch_uuid``. The keeper: ``chore``.
Never a name, an address or a value that somebody typed.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from structlog import contextvars


def begin(**ids: str | int) -> None:
    """Forget what this thread worked on before, and carry ``ids`` from now on: the start of a request."""
    contextvars.clear_contextvars()
    contextvars.bind_contextvars(**ids)


def add(**ids: str | int) -> None:
    """Carry further ids until the work ends."""
    contextvars.bind_contextvars(**ids)


def carrying(**ids: str | int) -> AbstractContextManager[None]:
    """Carry ids inside a block; what was bound before it is bound again afterwards."""
    return contextvars.bound_contextvars(**ids)
