"""Shapes of what people set for instances of providers."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from app.core.clock import iso
from app.core.schemas import Schema, Strict
from app.terraform.queries_provider_settings import Instance


class TerraformProviderSet(Strict):
    """Settings of an instance. Region and arguments are replaced; credentials that are not named stay."""

    region = fields.String(
        load_default=None, allow_none=True, validate=validate.Length(max=200), metadata={"example": "eu-west-1"}
    )
    configuration = fields.Dict(
        keys=fields.String(validate=validate.Length(1, 200)),
        load_default=dict,
        metadata={"description": "Arguments that are no secret, as JSON data.", "example": {"max_retries": 5}},
    )
    credentials = fields.Dict(
        keys=fields.String(validate=validate.Length(1, 200)),
        values=fields.String(allow_none=True, validate=validate.Length(max=16_384)),
        load_default=dict,
        metadata={
            "description": "Write-only. Of aws: access_key, secret_key, token. Null takes one away.",
            "example": {"token": None},
        },
    )
    version = fields.Integer(strict=True, validate=validate.Range(1, 2**31 - 1))


class TerraformProviderSettingsOut(Schema):
    """Settings of an instance, its credentials by name alone."""

    instance = fields.String(metadata={"description": "As the files name it.", "example": "aws.west"})
    name = fields.String()
    alias = fields.String(metadata={"description": "Empty: the default instance."})
    region = fields.String(allow_none=True)
    configuration = fields.Dict()
    credentials = fields.List(fields.String())
    is_declared = fields.Boolean(metadata={"description": "Whether the files in force declare or use it."})
    updated_at = fields.String()
    version = fields.Integer()


def settings_data(found: Instance) -> dict[str, Any]:
    """Return the settings of an instance as the API shows them."""
    row = found.settings
    assert row is not None
    return {
        "instance": found.instance,
        "name": row.name,
        "alias": row.alias,
        "region": row.region,
        "configuration": row.configuration or {},
        "credentials": row.credential_names or [],
        "is_declared": found.is_declared,
        "updated_at": iso(row.updated_at),
        "version": row.version,
    }
