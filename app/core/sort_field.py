"""The ``sort`` parameter of a list's query schema."""

from __future__ import annotations

from marshmallow import fields, validate


def sort_field(*names: str) -> fields.String:
    """Return the field for the keys ``names``: each upwards, and with a minus sign in front downwards."""
    words = [word for name in names for word in (name, f"-{name}")]
    return fields.String(
        validate=validate.OneOf(words),
        metadata={"description": "Order of the list; with - in front downwards.", "example": words[0]},
    )
