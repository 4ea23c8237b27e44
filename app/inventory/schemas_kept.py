"""Shapes of what is kept beside a server."""

from __future__ import annotations

import json
from typing import Any

from marshmallow import fields, validate

from app.core.clock import iso
from app.core.schemas import Schema, Strict
from app.inventory import credentials
from app.inventory.models_kept import CredentialKind, ServerCredential, ServerFacts

KINDS = tuple(kind.value for kind in CredentialKind)


class PasswordIn(Strict):
    """A password to keep; it is never given back."""

    password = fields.String(
        required=True,
        load_only=True,
        validate=validate.Length(credentials.MINIMUM, credentials.MAXIMUM),
        metadata={"description": "Masked in every log, so at least 8 characters.", "example": "correct horse battery"},
    )


class CredentialOut(Schema):
    """That a password is set, not which."""

    kind = fields.String(validate=validate.OneOf(KINDS))
    set_at = fields.String()
    set_by = fields.Integer(allow_none=True, metadata={"description": "Id of the user who set it."})


class FactsOut(Schema):
    """What a server said of itself. A foreign machine wrote the values: never evaluate them."""

    gathered_at = fields.String()
    job_id = fields.String(allow_none=True, metadata={"description": "The job that gathered them."})
    size = fields.Integer(metadata={"description": "Bytes that are kept."})
    sent_size = fields.Integer(metadata={"description": "Bytes that the last gathering sent."})
    left_out = fields.List(
        fields.String(), metadata={"description": "Facts that were too large to keep; 256 KiB are kept in all."}
    )
    facts = fields.Dict(keys=fields.String(), metadata={"description": "As Ansible's setup module names them."})


def facts_data(row: ServerFacts) -> dict[str, Any]:
    """Return the facts of a server as the API shows them."""
    return {
        "gathered_at": iso(row.gathered_at),
        "job_id": row.job_uuid,
        "size": row.size,
        "sent_size": row.sent_size,
        "left_out": row.left_out or [],
        "facts": json.loads(row.data),
    }


def credential_data(row: ServerCredential) -> dict[str, Any]:
    """Return one stored password as the API shows it: without the password."""
    return {"kind": row.kind, "set_at": iso(row.set_at), "set_by": row.set_by}
