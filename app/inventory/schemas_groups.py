"""Shapes of server groups, shared by the REST API and the forms."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from app.core.clock import iso
from app.core.schemas import Schema, Strict
from app.core.sort_field import sort_field
from app.inventory import values
from app.inventory.models_groups import ServerGroup
from app.inventory.queries_groups import Nesting
from app.inventory.schemas import ID

VARIABLES = "At most 64 KiB, shown to everybody who sees the group. ansible_* and templates: administrators only."


def _ids(description: str, maximum: int = 1_000, example: list[int] | None = None) -> fields.List[int]:
    return fields.List(
        fields.Integer(strict=True, validate=ID),
        validate=validate.Length(max=maximum),
        metadata={"description": description, "example": example or []},
    )


class GroupFields(Strict):
    """What people set on a group. The rules behind each field stand in inventory.group_draft."""

    name = fields.String(
        validate=validate.Length(1, 100),
        metadata={"description": "As playbooks name it. Not all, ungrouped, tag_... or env_...", "example": "web"},
    )
    description = fields.String(validate=validate.Length(max=values.MAXIMUM_DESCRIPTION), allow_none=True)
    variables = fields.Dict(
        keys=fields.String(validate=validate.Length(1, 100)),
        allow_none=True,
        metadata={"description": VARIABLES, "example": {"http_port": 8080}},
    )
    priority = fields.Integer(
        strict=True,
        validate=validate.Range(1, 1_000),
        metadata={"description": "Among groups of one depth the highest wins (ansible_group_priority).", "example": 1},
    )
    child_ids = _ids("Groups directly inside this one.")
    parent_ids = _ids("Groups that this one is directly inside of.")


class GroupCreate(GroupFields):
    """A new group."""

    name = fields.String(
        required=True,
        validate=validate.Length(1, 100),
        metadata={"description": "As playbooks name it.", "example": "web"},
    )


class GroupEdit(GroupFields):
    """Changes; ``version`` is the one they were made from (If-Match says the same)."""

    version = fields.Integer(strict=True, validate=ID, metadata={"description": "Refused with 409 when not the row's."})


class AllEdit(Strict):
    """The variables of every server."""

    variables = fields.Dict(
        keys=fields.String(validate=validate.Length(1, 100)),
        required=True,
        allow_none=True,
        metadata={"description": VARIABLES, "example": {"ntp_server": "ntp.example.org"}},
    )
    version = fields.Integer(strict=True, validate=validate.Range(0, 2**31 - 1))


class GroupQuery(Strict):
    """Filters, order and paging of the list."""

    q = fields.String(validate=validate.Length(1, 100), metadata={"description": "In the name."})
    sort = sort_field("name", "created")
    page = fields.Integer(load_default=1, validate=validate.Range(1, 10_000))
    page_size = fields.Integer(load_default=50, validate=validate.Range(1, 100))
    after = fields.Integer(validate=ID, metadata={"description": "Id of the last row seen; any depth."})


class MemberQuery(Strict):
    """Paging of a group's servers."""

    nested = fields.Boolean(
        load_default=False, metadata={"description": "With the servers of the groups inside this one."}
    )
    page = fields.Integer(load_default=1, validate=validate.Range(1, 10_000))
    page_size = fields.Integer(load_default=50, validate=validate.Range(1, 100))
    after = fields.Integer(validate=ID, metadata={"description": "Id of the last row seen; any depth."})


class MemberChange(Strict):
    """Servers that come and go; both may be sent at once."""

    add_server_ids = _ids("Put in.", 10_000, [1, 2])
    remove_server_ids = _ids("Take out.", 10_000, [3])


class MemberChanged(Schema):
    """How many servers really came and went."""

    added = fields.Integer()
    removed = fields.Integer()


class GroupOut(GroupFields):
    """One group."""

    id = fields.Integer()
    uuid = fields.String()
    server_count = fields.Integer(metadata={"description": "Active servers directly in it."})
    version = fields.Integer()
    created_at = fields.String()
    updated_at = fields.String()


class AllOut(Schema):
    """The variables of every server."""

    variables = fields.Dict(keys=fields.String())
    version = fields.Integer()


class VariableOut(Schema):
    """One variable of a server and where it comes from."""

    name = fields.String()
    value = fields.Raw(allow_none=True)
    source = fields.String(metadata={"description": "Name of a group ('all' included); empty for the server itself."})
    hidden = fields.List(fields.String(), metadata={"description": "Groups whose value is hidden, nearest first."})


def group_data(group: ServerGroup, nesting: Nesting, count: int) -> dict[str, Any]:
    """Return one group as the API shows it."""
    return {
        "id": group.id,
        "uuid": group.uuid,
        "name": group.name,
        "description": group.description,
        "variables": group.variables or {},
        "priority": group.priority,
        "child_ids": sorted(nesting.children.get(group.id, [])),
        "parent_ids": sorted(nesting.parents.get(group.id, [])),
        "server_count": count,
        "version": group.version,
        "created_at": iso(group.created_at),
        "updated_at": iso(group.updated_at),
    }
