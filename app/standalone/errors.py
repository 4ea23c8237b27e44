"""What can keep the platform from starting."""

from __future__ import annotations


class StartError(RuntimeError):
    """The platform cannot start; the message says why and what to do next."""
