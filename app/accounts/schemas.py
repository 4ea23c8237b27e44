"""Shapes of what comes in and goes out; the web forms and the REST API load the same ones."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import validate

from app.core.clock import iso

NAME = validate.Length(min=1, max=255)


class Moment(ma.fields.Field[Any]):
    """A moment as ISO 8601 UTC with six digits; only for answers."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return iso(value)


class NewKeySchema(ma.Schema):
    """What somebody asks for: a name, optionally scopes and a lifetime in days."""

    class Meta:
        """Unknown fields are refused."""

        unknown = ma.RAISE

    name = ma.fields.String(required=True, validate=NAME)
    scopes = ma.fields.List(ma.fields.String(validate=validate.Length(max=50)), validate=validate.Length(max=50))
    expires_in_days = ma.fields.Integer(strict=False, validate=validate.Range(min=1, max=3650))


class KeySchema(ma.Schema):
    """A key as its owner sees it; its text is nowhere."""

    id = ma.fields.Integer()
    name = ma.fields.String()
    prefix = ma.fields.String()
    scopes = ma.fields.List(ma.fields.String(), allow_none=True)
    is_active = ma.fields.Boolean()
    expires_at = Moment(allow_none=True)
    last_used = Moment(allow_none=True)
    created_at = Moment()


class PageSchema(ma.Schema):
    """Paging of a list; unknown parameters are refused."""

    class Meta:
        """Unknown parameters are refused."""

        unknown = ma.RAISE

    page = ma.fields.Integer(load_default=1, validate=validate.Range(min=1, max=10_000))
    page_size = ma.fields.Integer(load_default=50, validate=validate.Range(min=1, max=100))
    after = ma.fields.Integer(validate=validate.Range(min=1, max=2**63 - 1))


class MeUserSchema(ma.Schema):
    """The person whose key this is."""

    id = ma.fields.Integer()
    username = ma.fields.String()


class MeTenantSchema(ma.Schema):
    """The tenant that the key works in."""

    id = ma.fields.Integer()
    name = ma.fields.String()


class MeKeySchema(ma.Schema):
    """The key itself."""

    id = ma.fields.Integer()
    prefix = ma.fields.String()


class MeSchema(ma.Schema):
    """Who a key acts for, and what it may do."""

    user = ma.fields.Nested(MeUserSchema)
    tenant = ma.fields.Nested(MeTenantSchema)
    role = ma.fields.String()
    scopes = ma.fields.List(ma.fields.String())
    api_key = ma.fields.Nested(MeKeySchema)


def form_values(schema: ma.Schema, values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Load what a form sent; return (values, {}) or ({}, {field: [sentence]}). Empty fields count as left out."""
    given = {name: value for name, value in values.items() if value not in ("", [])}
    try:
        return schema.load(given), {}
    except ma.ValidationError as error:
        messages: dict[str, Any] = error.normalized_messages()  # type: ignore[no-untyped-call]
        return {}, {name: [str(text) for text in _flat(found)] for name, found in messages.items()}


def _flat(found: Any) -> list[Any]:
    if isinstance(found, dict):
        return [text for inner in found.values() for text in _flat(inner)]
    return list(found) if isinstance(found, list) else [found]
