"""Bases of all marshmallow schemas: what they share whatever they describe."""

from __future__ import annotations

from typing import Any, Self

import marshmallow
from marshmallow import RAISE

from app.core.errors import UNKNOWN_FIELD


class Schema(marshmallow.Schema):
    """A schema is never changed once it is made; a copy of it is itself.

    flask-smorest copies the whole documentation of a view for each decorator on it, schemas with all their fields
    included: two fifths of the time that the web process took to start.
    """

    error_messages = {"unknown": UNKNOWN_FIELD}  # noqa: RUF012 - marshmallow's own way

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return itself."""
        return self


class Strict(Schema):
    """Refuses what it does not know."""

    class Meta:
        """Unknown fields are errors, in bodies and in queries."""

        unknown = RAISE
