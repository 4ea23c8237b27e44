"""Shapes of what comes in and goes out; the web forms and the REST API load the same ones."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import validate

from app.core.clock import iso
from app.core.schemas import Schema, Strict
from app.core.sort_field import sort_field

MAX_ID = 2**31 - 1


def printable(text: str) -> None:
    """Refuse control characters, line ends and halves of surrogate pairs: for names."""
    if not text.isprintable():
        raise ma.ValidationError("Use printable characters only.")


def storable(text: str) -> None:
    """Refuse NUL and halves of surrogate pairs, which no database takes: for text of several lines."""
    if "\x00" in text or any(0xD800 <= ord(letter) <= 0xDFFF for letter in text):
        raise ma.ValidationError("Contains a character that cannot be stored.")


NAME = (validate.Length(min=1, max=255), printable)


class NoQuery(Strict):
    """No query parameters."""


class Moment(ma.fields.Field[Any]):
    """A moment as ISO 8601 UTC with six digits; only for answers."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return iso(value)


class NewKeySchema(Strict):
    """What somebody asks for: a name, optionally scopes and a lifetime in days."""

    name = ma.fields.String(required=True, validate=NAME, metadata={"example": "nightly report"})
    scopes = ma.fields.List(ma.fields.String(validate=validate.Length(max=50)), validate=validate.Length(max=50))
    expires_in_days = ma.fields.Integer(strict=False, validate=validate.Range(min=1, max=3650))


class KeySchema(Schema):
    """A key as its owner and administrators see it; its text is nowhere."""

    id = ma.fields.Integer()
    user_id = ma.fields.Integer()
    name = ma.fields.String()
    prefix = ma.fields.String()
    scopes = ma.fields.List(ma.fields.String(), allow_none=True)
    is_active = ma.fields.Boolean()
    expires_at = Moment(allow_none=True)
    last_used = Moment(allow_none=True)
    created_at = Moment()


class RenameKeySchema(Strict):
    """Another name for a key, and the version that was seen."""

    name = ma.fields.String(required=True, validate=NAME)
    version = ma.fields.Integer(validate=validate.Range(min=1, max=MAX_ID))


class PageSchema(Strict):
    """Paging of a list; unknown parameters are refused."""

    page = ma.fields.Integer(load_default=1, validate=validate.Range(min=1, max=10_000))
    page_size = ma.fields.Integer(load_default=50, validate=validate.Range(min=1, max=100))
    after = ma.fields.Integer(validate=validate.Range(min=1, max=2**63 - 1))


class KeyQuery(PageSchema):
    """Filters and order of keys."""

    sort = sort_field("id", "expires_at", "last_used")
    is_active = ma.fields.Boolean(metadata={"description": "Not revoked, or revoked."})
    user_id = ma.fields.Integer(
        validate=validate.Range(min=1, max=MAX_ID),
        metadata={"description": "Whose keys; another person's are for administrators."},
    )
    whose = ma.fields.String(
        load_default="own",
        validate=validate.OneOf(("own", "all")),
        metadata={"description": "Without user_id: your own, or all of the tenant (administrators)."},
    )


class MeUserSchema(Schema):
    """The person whose key this is."""

    id = ma.fields.Integer()
    username = ma.fields.String()
    first_name = ma.fields.String(allow_none=True)
    last_name = ma.fields.String(allow_none=True)
    version = ma.fields.Integer()


class MeTenantSchema(Schema):
    """The tenant that the key works in."""

    id = ma.fields.Integer()
    name = ma.fields.String()


class MeKeySchema(Schema):
    """The key itself."""

    id = ma.fields.Integer()
    prefix = ma.fields.String()


class MeSchema(Schema):
    """Who a key acts for, and what it may do."""

    user = ma.fields.Nested(MeUserSchema)
    tenant = ma.fields.Nested(MeTenantSchema)
    role = ma.fields.String()
    scopes = ma.fields.List(ma.fields.String())
    api_key = ma.fields.Nested(MeKeySchema)


class MeEdit(Strict):
    """One's own names."""

    first_name = ma.fields.String(allow_none=True, validate=(validate.Length(max=80), printable))
    last_name = ma.fields.String(allow_none=True, validate=(validate.Length(max=80), printable))
    version = ma.fields.Integer(validate=validate.Range(min=1, max=MAX_ID))


def form_values(schema: Schema, values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Load what a form sent; return (values, {}) or ({}, {field: [sentence]}). Empty fields count as left out."""
    given = {name: value for name, value in values.items() if value not in ("", [], None)}
    try:
        return schema.load(given), {}
    except ma.ValidationError as error:
        messages: dict[str, Any] = error.normalized_messages()  # type: ignore[no-untyped-call]
        return {}, {name: [str(text) for text in _flat(found)] for name, found in messages.items()}


def _flat(found: Any) -> list[Any]:
    if isinstance(found, dict):
        return [text for inner in found.values() for text in _flat(inner)]
    return list(found) if isinstance(found, list) else [found]
