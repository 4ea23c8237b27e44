"""The error tree: each has a code, an HTTP status and a message that says what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

UNKNOWN_FIELD = "There is no such field here. Take it out."


class AppError(Exception):
    """Base of every expected error. ``error`` is the stable word that programs compare."""

    status = 500
    error = "internal_error"

    def __init__(self, message: str, *, errors: Mapping[str, Any] | None = None, error: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.errors = dict(errors or {})
        if error is not None:
            self.error = error


class BadRequest(AppError):
    """The request cannot be read at all."""

    status = 400
    error = "bad_request"


class NotFound(AppError):
    """Unknown, or somebody else's: both look the same."""

    status = 404
    error = "not_found"

    def __init__(self, what: str = "This") -> None:
        super().__init__(f"{what} does not exist, or you may not see it. Check the address or go back to the list.")


class NotSignedIn(AppError):
    """No valid session or key."""

    status = 401
    error = "not_authenticated"

    def __init__(self, message: str = "Send a valid API key as 'Authorization: Bearer <key>'.") -> None:
        super().__init__(message)


class PermissionDenied(AppError):
    """The actor is known and may not. Recorded in the audit log as a refusal."""

    status = 403
    error = "permission_denied"

    def __init__(self, permission: str, role: str) -> None:
        super().__init__(
            f"Your role ({role}) or this key's scopes do not include '{permission}'. "
            "Ask an administrator of your tenant."
        )
        self.permission = permission


class Conflict(AppError):
    """The state or version of the thing forbids it."""

    status = 409
    error = "conflict"


class Locked(AppError):
    """Somebody else holds it now."""

    status = 423
    error = "locked"


class InvalidTransition(Conflict):
    """A status change that the transition table does not have."""

    error = "invalid_transition"


class VersionConflict(Conflict):
    """Somebody else saved in between."""

    error = "version_conflict"

    def __init__(self) -> None:
        super().__init__("Somebody else changed this in the meantime. Load it again, then repeat your change.")


class InvalidInput(AppError):
    """Input that cannot be used; ``errors`` maps field names to lists of sentences."""

    status = 422
    error = "invalid_input"

    def __init__(self, message: str = "Some values cannot be used; see the fields.", **errors: str) -> None:
        super().__init__(message, errors={name: [text] for name, text in errors.items()})


class RateLimited(AppError):
    """Too many tries; ``retry_after_seconds`` goes into Retry-After."""

    status = 429
    error = "rate_limited"

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(AppError):
    """A dependency is down; ``retry_after_seconds`` goes into Retry-After."""

    status = 503
    error = "unavailable"

    def __init__(self, message: str, retry_after_seconds: int = 5) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
