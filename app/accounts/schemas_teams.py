"""Shapes of teams."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from app.accounts.models import User
from app.accounts.models_teams import Team
from app.accounts.schemas import MAX_ID, Moment, PageSchema, printable, storable
from app.core.schemas import Schema, Strict
from app.core.sort_field import sort_field

TEAM_NAME = (validate.Length(1, 100), printable)
DESCRIPTION = (validate.Length(max=2000), storable)


class TeamQuery(PageSchema):
    """Filters and order of teams."""

    sort = sort_field("id", "name")
    is_active = fields.Boolean()
    q = fields.String(validate=validate.Length(1, 100), metadata={"description": "In name or description."})


class TeamCreate(Strict):
    """A new team, without members."""

    name = fields.String(required=True, validate=TEAM_NAME, metadata={"example": "Network on-call"})
    description = fields.String(allow_none=True, validate=DESCRIPTION, metadata={"example": "Switches and firewalls"})


class TeamEdit(Strict):
    """Changes; what is left out stays."""

    name = fields.String(validate=TEAM_NAME, metadata={"example": "Network"})
    description = fields.String(allow_none=True, validate=DESCRIPTION)
    is_active = fields.Boolean(truthy={True}, falsy={False})
    version = fields.Integer(
        strict=True,
        validate=validate.Range(1, MAX_ID),
        metadata={"description": "Refused with 409 when not the row's.", "example": 1},
    )


class MemberAdd(Strict):
    """Who joins."""

    user_id = fields.Integer(required=True, strict=True, validate=validate.Range(1, MAX_ID), metadata={"example": 7})


class TeamOut(Schema):
    """A team."""

    uuid = fields.String()
    name = fields.String()
    description = fields.String(allow_none=True)
    is_active = fields.Boolean()
    members = fields.Integer(metadata={"description": "How many people are in it."})
    version = fields.Integer()
    created_at = Moment()
    updated_at = Moment()


class MemberOut(Schema):
    """A person in a team."""

    id = fields.Integer()
    username = fields.String()
    first_name = fields.String(allow_none=True)
    last_name = fields.String(allow_none=True)
    is_active = fields.Boolean()


def team_data(team: Team, members: int) -> dict[str, Any]:
    """Return a team as the API and exports show it."""
    shown: dict[str, Any] = {name: getattr(team, name) for name in TeamOut().fields if name != "members"}
    return {**shown, "members": members}


def member_data(user: User) -> dict[str, Any]:
    """Return a member as the API shows them: no address, everybody in the tenant may ask."""
    return {name: getattr(user, name) for name in MemberOut().fields}
