"""Bases of all marshmallow schemas: what they share whatever they describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import marshmallow
from marshmallow import RAISE, ValidationError, pre_load

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


def _can_be_kept(value: Any) -> bool:
    """Say whether texts in a value can be written as UTF-8: JSON can name half of a pair, and no database takes it."""
    stack = [value]  # no recursion: values come as deep as the parser takes them
    while stack:
        one = stack.pop()
        if isinstance(one, str):
            if not one.isascii() and any("\ud800" <= character <= "\udfff" for character in one):
                return False
        elif isinstance(one, Mapping):
            stack.extend(one.keys())
            stack.extend(one.values())
        elif isinstance(one, list):
            stack.extend(one)
    return True


class Strict(Schema):
    """Refuses what it does not know, and text that is none."""

    class Meta:
        """Unknown fields are errors, in bodies and in queries."""

        unknown = RAISE

    @pre_load
    def _refuse_half_characters(self, data: Any, **_: Any) -> Any:
        if isinstance(data, Mapping):
            wrong = [str(name) for name, value in data.items() if not (_can_be_kept(name) and _can_be_kept(value))]
            if wrong:
                said = ["This holds half of a character (a lone surrogate)."]
                raise ValidationError({ascii(name)[1:-1]: said for name in wrong})
        return data
