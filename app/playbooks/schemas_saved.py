"""Shapes of saved launches and of the rights to them; shared by the pages and the REST API."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from app.core.actor import Role
from app.core.schemas import Schema, Strict
from app.core.sort_field import sort_field
from app.jobs.models import Launch
from app.playbooks.models_saved import GrantAct, SavedLaunch
from app.playbooks.queries_saved import GrantRow
from app.playbooks.saved_inputs import ASKABLE, selection_from
from app.playbooks.saved_statistics import SavedFigures
from app.playbooks.schemas import MAX_ID, OptionFields, PageQuery, SelectionFields, identifier, text

_ASK = fields.List(
    fields.String(validate=validate.Length(1, 120)),
    validate=validate.Length(max=120),
    metadata={
        "description": f"Inputs that may be changed at a launch: {', '.join(ASKABLE)}, extra_vars.<name>.",
        "example": ["servers", "extra_vars.release"],
    },
)
_VALUES = {"description": "Values of declared variables, secret ones too.", "example": {"release": "1.4"}}


class SavedQuery(PageQuery):
    """Filters of GET /saved-launches."""

    q = text(0, 100, load_default=None)
    tag = text(1, 50, load_default=None)
    playbook_id = fields.Integer(load_default=None, validate=validate.Range(1, MAX_ID))
    owner_id = fields.Integer(load_default=None, validate=validate.Range(1, MAX_ID))
    active = fields.Boolean(load_default=True, metadata={"description": "false lists deactivated ones."})
    favourite = fields.Boolean(load_default=False, metadata={"description": "Only those that you marked."})
    launchable = fields.Boolean(load_default=False, metadata={"description": "Only those that you may launch."})
    sort = sort_field("name", "updated", "created")


class _SavedFields(Strict):
    description = text(0, 5000, allow_none=True)
    tags = fields.List(text(1, 50), validate=validate.Length(max=20))
    selection = fields.Nested(SelectionFields, metadata={"example": {"server_tags": ["web"], "limit": "!web-3"}})
    options = fields.Nested(OptionFields, metadata={"example": {"check": False, "forks": 10}})
    extra_vars = fields.Dict(keys=fields.String(), metadata=_VALUES)
    ask = _ASK


class NewSavedSchema(_SavedFields):
    """POST /saved-launches."""

    name = text(1, 255, required=True, metadata={"example": "Patch the web servers"})
    playbook_id = identifier(metadata={"description": "Needed unless from_launch is given."})
    from_launch = fields.UUID(
        metadata={"description": "A past launch: what is left out here is taken from it, its secrets included."}
    )

    @validates_schema(skip_on_field_errors=True)
    def _of_something(self, data: dict[str, Any], **_kw: Any) -> None:
        if "playbook_id" not in data and "from_launch" not in data:
            raise ValidationError("Name a playbook, or a past launch with from_launch.", "playbook_id")


class EditSavedSchema(_SavedFields):
    """PATCH /saved-launches/{uuid}; only what is given changes.

    ``extra_vars`` replaces all values; secrets that are left out are kept, null takes one away.
    """

    name = text(1, 255)
    is_active = fields.Boolean()
    version = fields.Integer(strict=True, load_default=None, metadata={"description": "The version you read."})


class CopySavedSchema(Strict):
    """POST /saved-launches/{uuid}/copy."""

    name = text(1, 255, load_default=None, allow_none=True, metadata={"example": "Patch the mail servers"})


class LaunchSavedSchema(OptionFields):
    """POST /saved-launches/{uuid}/launch: only inputs that it asks for."""

    server_ids = fields.List(
        identifier(), validate=validate.Length(max=10_000), metadata={"description": "Some of its servers."}
    )
    limit = text(0, 2000, allow_none=True, metadata={"description": "Narrows its servers by host name."})
    extra_vars = fields.Dict(keys=fields.String(), metadata={"example": {"release": "1.4"}})


class GrantSchema(Strict):
    """POST /saved-launches/{uuid}/grants: to one of a person, a team, a role."""

    act = fields.Enum(GrantAct, by_value=True, required=True, metadata={"example": "launch"})
    user_id = identifier()
    team_uuid = fields.UUID()
    role = fields.Enum(Role, by_value=True, metadata={"example": "viewer"})


class GrantOut(Schema):
    """A right to a saved launch."""

    id = fields.Integer()
    act = fields.Enum(GrantAct, by_value=True)
    kind = fields.String(metadata={"enum": ["user", "team", "role"]})
    name = fields.String()
    user_id = fields.Integer(allow_none=True)
    team_uuid = fields.String(allow_none=True)
    role = fields.String(allow_none=True)
    is_active = fields.Boolean(metadata={"description": "false: the person or team is deactivated."})


class SavedOut(Schema):
    """A saved launch as the API shows it; secrets only by name."""

    uuid = fields.String(metadata={"format": "uuid"})
    name = fields.String()
    description = fields.String(allow_none=True)
    playbook_id = fields.Integer()
    playbook_name = fields.String()
    owner_id = fields.Integer()
    owner_name = fields.String()
    tags = fields.List(fields.String())
    selection = fields.Dict()
    options = fields.Dict()
    extra_vars = fields.Dict()
    secret_names = fields.List(fields.String())
    ask = fields.List(fields.String())
    is_active = fields.Boolean()
    is_favourite = fields.Boolean()
    may_launch = fields.Boolean(metadata={"description": "Whether this key may launch it."})
    may_edit = fields.Boolean()
    runs_30d = fields.Integer()
    success_rate = fields.Float(allow_none=True)
    usual_seconds = fields.Float(allow_none=True)
    last_launch_uuid = fields.String(allow_none=True)
    last_status = fields.String(allow_none=True)
    last_launched_at = fields.AwareDateTime(allow_none=True)
    version = fields.Integer()
    created_at = fields.AwareDateTime()
    updated_at = fields.AwareDateTime()


def saved_json(saved: SavedLaunch, figures: SavedFigures, **more: Any) -> dict[str, Any]:
    """Return what SavedOut dumps; ``more``: the names and rights around it."""
    selection, last = selection_from(saved.selection), figures.last
    shown: Launch | None = last
    return {
        **{
            name: getattr(saved, name)
            for name in (
                *("id", "uuid", "name", "description", "playbook_id", "owner_id", "is_active", "ask", "options"),
                *("version", "created_at", "updated_at"),
            )
        },
        "tags": saved.tags or [],
        "selection": {
            **{name: value for name, value in saved.selection.items() if name != "tags"},
            **({"server_tags": list(selection.tags)} if selection.tags else {}),
        },
        "extra_vars": saved.variables,
        "secret_names": saved.secret_names or [],
        "runs_30d": figures.runs,
        "success_rate": figures.success_rate,
        "usual_seconds": figures.usual_seconds,
        "last_launch_uuid": shown.uuid if shown else None,
        "last_status": shown.status.value if shown else None,
        "last_launched_at": shown.created_at if shown else None,
        **more,
    }


def grant_json(row: GrantRow) -> dict[str, Any]:
    """Return what GrantOut dumps."""
    return {name: getattr(row, name) for name in row.__slots__}
