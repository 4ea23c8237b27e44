"""Shapes of what is kept beside a server."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from app.core.clock import iso
from app.inventory import credentials
from app.inventory.models_kept import CredentialKind, ServerCredential
from app.inventory.schemas import Strict

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


def credential_data(row: ServerCredential) -> dict[str, Any]:
    """Return one stored password as the API shows it: without the password."""
    return {"kind": row.kind, "set_at": iso(row.set_at), "set_by": row.set_by}
