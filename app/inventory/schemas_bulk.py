"""Shapes of one change to many servers."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from app.core.schemas import Schema, Strict
from app.inventory import values
from app.inventory.schemas import ID, ServerQuery, to_filter
from app.inventory.service_bulk import FIELDS, MAXIMUM_SERVERS, BulkChange, BulkResult


class FilterIn(ServerQuery):
    """The filters of the list, in a body."""

    class Meta(ServerQuery.Meta):
        """Marshmallow's options."""

        exclude = ("page", "page_size", "after", "sort")


def _tags(description: str) -> fields.List[Any]:
    return fields.List(
        fields.String(validate=validate.Length(1, 50)),
        load_default=list,
        validate=validate.Length(max=values.MAXIMUM_TAGS),
        metadata={"description": description, "example": ["web"]},
    )


class BulkIn(Strict):
    """Which servers, and what to do to all of them."""

    server_ids = fields.List(
        fields.Integer(strict=True, validate=ID), load_default=list, validate=validate.Length(max=MAXIMUM_SERVERS)
    )
    filter = fields.Nested(FilterIn, load_default=None, metadata={"description": "Or all that match; as in the list."})
    versions = fields.Dict(
        keys=fields.String(validate=validate.Regexp(r"[0-9]{1,10}\Z")),
        values=fields.Integer(strict=True, validate=ID),
        load_default=dict,
        validate=validate.Length(max=MAXIMUM_SERVERS),
        metadata={"description": "Versions that the choice was made from, by id of the server.", "example": {"7": 3}},
    )
    add_tags = _tags("Tags that each of them gets.")
    remove_tags = _tags("Tags that none of them keeps.")
    environment = fields.String(validate=validate.Length(0, 50), allow_none=True, metadata={"example": "staging"})
    ssh_user = fields.String(validate=validate.Length(1, 50))
    ssh_port = fields.Integer(strict=True, validate=validate.Range(1, 65_535))
    python_interpreter = fields.String(validate=validate.Length(0, 255), allow_none=True)
    jump_host_id = fields.Integer(strict=True, validate=ID, allow_none=True)
    is_active = fields.Boolean(truthy={True}, falsy={False}, metadata={"description": "Activate or deactivate."})
    test = fields.Boolean(
        truthy={True}, falsy={False}, load_default=False, metadata={"description": "Test each connection."}
    )
    dry_run = fields.Boolean(
        truthy={True}, falsy={False}, load_default=False, metadata={"description": "Only say which servers it means."}
    )

    @validates_schema(skip_on_field_errors=True)
    def _one_choice(self, data: dict[str, Any], **_kw: Any) -> None:
        if bool(data["server_ids"]) == (data["filter"] is not None):
            raise ValidationError("Give server_ids or a filter.", "server_ids")


class BulkRowOut(Schema):
    """One server of the bulk."""

    id = fields.Integer()
    hostname = fields.String()
    version = fields.Integer()
    changed = fields.Boolean(metadata={"description": "False: it was so already, or this is a dry run."})


class BulkOut(Schema):
    """What was done, or would be."""

    count = fields.Integer()
    dry_run = fields.Boolean()
    servers = fields.List(fields.Nested(BulkRowOut))


def to_change(data: dict[str, Any]) -> BulkChange:
    """Return the change of loaded BulkIn data."""
    return BulkChange(
        add_tags=tuple(data["add_tags"]),
        remove_tags=tuple(data["remove_tags"]),
        fields={name: data[name] for name in FIELDS if name in data},
        is_active=data.get("is_active"),
        test=data["test"],
    )


def to_choice(data: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``service_bulk.choose`` from loaded BulkIn data."""
    wanted = data["filter"]
    return {
        "server_ids": data["server_ids"],
        "wanted": None if wanted is None else to_filter(wanted, wanted.get("is_active", True)),
    }


def bulk_row(result: BulkResult) -> dict[str, Any]:
    """Return one server of the bulk as the API shows it."""
    server = result.server
    return {"id": server.id, "hostname": server.hostname, "version": server.version, "changed": result.changed}
