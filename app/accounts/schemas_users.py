"""Shapes of people as administrators see and change them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from marshmallow import fields, validate

from app.accounts.models import User, UserSession
from app.accounts.person_rules import EMAIL_LENGTH
from app.accounts.schemas import MAX_ID, Moment, PageSchema, printable
from app.core.actor import Role
from app.core.schemas import Schema, Strict
from app.core.sort_field import sort_field

PERSON_NAME = (validate.Length(max=80), printable)
VERSION = validate.Range(min=1, max=MAX_ID)


class UserQuery(PageSchema):
    """Filters and order of people."""

    sort = sort_field("id", "username", "last_login")
    role = fields.Enum(Role, by_value=True)
    is_active = fields.Boolean()
    q = fields.String(
        validate=validate.Length(1, 100), metadata={"description": "In the user name, the names or the address."}
    )


class UserCreate(Strict):
    """A new person; the answer holds a password that works once."""

    username = fields.String(
        required=True,
        validate=(validate.Length(1, 80), printable),
        metadata={"description": "Lower case; unique over the whole platform.", "example": "ada"},
    )
    email = fields.String(
        required=True, validate=(validate.Length(3, EMAIL_LENGTH), printable), metadata={"example": "ada@example.org"}
    )
    role = fields.Enum(Role, by_value=True, load_default=Role.VIEWER, metadata={"example": "operator"})
    first_name = fields.String(allow_none=True, validate=PERSON_NAME, metadata={"example": "Ada"})
    last_name = fields.String(allow_none=True, validate=PERSON_NAME, metadata={"example": "Lovelace"})


class UserEdit(Strict):
    """Changes; what is left out stays. A new role or ``is_active`` false ends their sessions and keys."""

    email = fields.String(validate=(validate.Length(3, EMAIL_LENGTH), printable))
    role = fields.Enum(Role, by_value=True, metadata={"example": "viewer"})
    first_name = fields.String(allow_none=True, validate=PERSON_NAME)
    last_name = fields.String(allow_none=True, validate=PERSON_NAME)
    is_active = fields.Boolean(truthy={True}, falsy={False})
    version = fields.Integer(
        strict=True, validate=VERSION, metadata={"description": "Refused with 409 when not the row's.", "example": 1}
    )


class UserOut(Schema):
    """A person."""

    id = fields.Integer()
    username = fields.String()
    email = fields.String()
    first_name = fields.String(allow_none=True)
    last_name = fields.String(allow_none=True)
    role = fields.String()
    is_active = fields.Boolean()
    is_platform_admin = fields.Boolean()
    is_locked = fields.Boolean(metadata={"description": "Too many failed sign-ins in the last minutes."})
    password_change_required = fields.Boolean()
    password_changed_at = Moment(allow_none=True)
    last_login = Moment(allow_none=True)
    version = fields.Integer()
    created_at = Moment()
    updated_at = Moment()


class UserMade(UserOut):
    """A person with the password that was just made; it is shown this once."""

    one_time_password = fields.String()


class SessionOut(Schema):
    """A signed-in browser."""

    id = fields.Integer()
    ip_address = fields.String(allow_none=True)
    user_agent = fields.String(allow_none=True)
    created_at = Moment()
    last_seen_at = Moment()
    expires_at = Moment()


def user_data(user: User, locked: Collection[int] = ()) -> dict[str, Any]:
    """Return a person as the API and exports show them."""
    shown: dict[str, Any] = {
        name: getattr(user, name) for name in UserOut().fields if name not in ("role", "is_locked")
    }
    return {**shown, "role": user.role.value, "is_locked": user.id in locked}


def session_data(row: UserSession) -> dict[str, Any]:
    """Return a session as the API shows it."""
    return {name: getattr(row, name) for name in SessionOut().fields}
