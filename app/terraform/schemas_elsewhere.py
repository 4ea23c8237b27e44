"""Shapes of states that live elsewhere, shared by the REST API and the forms."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from app.core.clock import iso
from app.core.schemas import Schema, Strict
from app.terraform import elsewhere_config
from app.terraform.elsewhere_kinds import KEYS
from app.terraform.models_state import TerraformState

_KEYS = "; ".join(f"{backend}: {', '.join(key.name for key in keys)}" for backend, keys in KEYS.items())
_CONFIG = {
    "description": f"Texts and switches. {_KEYS}. access_key, secret_key, token and sse_customer_key are write-only.",
    "example": {"bucket": "acme-terraform", "key": "network/terraform.tfstate", "region": "eu-central-1"},
}
_MINUTES = {"description": "Read again by itself so often; null: only when somebody asks.", "example": 60}


class StateElsewhereCreate(Strict):
    """A state that lives elsewhere."""

    workspace = fields.String(required=True, validate=validate.Length(1, 90), metadata={"example": "production"})
    backend = fields.String(required=True, validate=validate.OneOf(list(KEYS)), metadata={"example": "s3"})
    backend_config = fields.Dict(
        keys=fields.String(validate=validate.Length(1, 100)),
        required=True,
        validate=validate.Length(max=100),
        metadata=_CONFIG,
    )
    read_every_minutes = fields.Integer(strict=True, load_default=None, allow_none=True, metadata=_MINUTES)


class StateElsewhereEdit(Strict):
    """Changes; ``version`` is the one they were made from (If-Match says the same)."""

    backend_config = fields.Dict(
        keys=fields.String(validate=validate.Length(1, 100)),
        validate=validate.Length(max=100),
        metadata={
            **_CONFIG,
            "description": "Takes the place of what is shown. A secret that is not sent stays, an empty one goes; with "
            "another endpoint all go.",
        },
    )
    read_every_minutes = fields.Integer(strict=True, allow_none=True, metadata=_MINUTES)
    version = fields.Integer(
        strict=True,
        validate=validate.Range(1, 2**31 - 1),
        metadata={"description": "Refused with 409 when not the row's."},
    )


class StateElsewhereOut(Schema):
    """Where a state lives, and how the last reading went."""

    workspace = fields.String()
    backend = fields.String()
    location = fields.String()
    backend_config = fields.Dict(allow_none=True, metadata={"description": "Without secrets; null: cannot be opened."})
    secrets = fields.List(fields.String(), metadata={"description": "Names of the secrets that are stored."})
    read_every_minutes = fields.Integer(allow_none=True)
    next_read_at = fields.String(allow_none=True)
    read_at = fields.String(allow_none=True)
    read_error = fields.String(allow_none=True)
    read_note = fields.String(allow_none=True)
    version = fields.Integer()


def elsewhere_data(head: TerraformState) -> dict[str, Any]:
    """Return where a state lives as the API shows it."""
    shown = elsewhere_config.shown(head) or {"config": None, "secrets": []}
    return {
        "workspace": head.workspace,
        "backend": head.backend,
        "location": head.backend_location,
        "backend_config": shown["config"],
        "secrets": shown["secrets"],
        "read_every_minutes": head.read_every_minutes,
        "next_read_at": iso(head.next_read_at),
        "read_at": iso(head.read_at),
        "read_error": head.read_error,
        "read_note": head.read_note,
        "version": head.backend_version,
    }
