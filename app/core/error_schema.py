"""The one shape of every error answer of the REST API."""

from __future__ import annotations

from marshmallow import fields

from app.core.schemas import Schema


class ErrorSchema(Schema):
    """What went wrong: HTTP code and phrase, a stable word, a sentence with advice, errors by field."""

    code = fields.Integer()
    status = fields.String()
    error = fields.String(metadata={"description": "A stable word for programs, e.g. invalid_transition"})
    message = fields.String(metadata={"description": "For people: what to do next"})
    errors = fields.Dict()
    request_id = fields.String(allow_none=True)
