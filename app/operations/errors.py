"""What stops an operation."""

from __future__ import annotations


class OperationStopped(RuntimeError):
    """The operation cannot go on; the message says what to do. What was changed before stands in it."""
