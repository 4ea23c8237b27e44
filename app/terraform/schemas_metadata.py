"""Shape of what the graph keeps of a project, a module or a resource."""

from __future__ import annotations

from marshmallow import fields, validate

from app.core.schemas import Schema, Strict

_FAR = validate.Range(-1_000_000, 1_000_000)


class TerraformPosition(Strict):
    """Where it lies."""

    x = fields.Float(required=True, allow_nan=False, validate=_FAR, metadata={"example": 120.5})
    y = fields.Float(required=True, allow_nan=False, validate=_FAR, metadata={"example": -40})


class TerraformMetadata(Strict):
    """Changes: a key that is null is taken away, one that is not there stays as it is."""

    position = fields.Nested(TerraformPosition, allow_none=True)
    zoom = fields.Float(allow_none=True, allow_nan=False, validate=validate.Range(0.01, 100), metadata={"example": 1})
    color = fields.String(
        allow_none=True, validate=validate.Regexp(r"#[0-9a-fA-F]{6}\Z"), metadata={"example": "#1d6fa5"}
    )
    icon = fields.String(
        allow_none=True, validate=validate.Regexp(r"[a-z0-9][a-z0-9_-]{0,49}\Z"), metadata={"example": "server"}
    )
    collapsed = fields.Boolean(
        allow_none=True, truthy={True}, falsy={False}, metadata={"description": "Shown without its content."}
    )
    labels = fields.List(
        fields.String(validate=validate.Length(1, 50)),
        allow_none=True,
        validate=validate.Length(max=20),
        metadata={"example": ["edge"]},
    )


class TerraformMetadataOut(Schema):
    """All that is kept."""

    metadata = fields.Dict()
