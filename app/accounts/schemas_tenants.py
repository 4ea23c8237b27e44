"""Shapes of tenants."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from app.accounts.models import Plan, Tenant, User
from app.accounts.person_rules import EMAIL_LENGTH
from app.accounts.schemas import MAX_ID, Moment, PageSchema, printable, storable
from app.core.schemas import Schema, Strict
from app.core.sort_field import sort_field

TENANT_NAME = (validate.Length(1, 255), printable)
SLUG_NOTE = "1 to 63 of a-z, 0-9 and dash; unique."
SERVICES = validate.Range(0, 1_000_000)


class TenantQuery(PageSchema):
    """Filters and order of tenants."""

    sort = sort_field("id", "slug")
    plan = fields.Enum(Plan, by_value=True)
    is_active = fields.Boolean()
    q = fields.String(validate=validate.Length(1, 100), metadata={"description": "In name, slug or domain."})


class _TenantFields(Strict):
    slug = fields.String(validate=validate.Length(1, 63), metadata={"description": SLUG_NOTE, "example": "acme"})
    description = fields.String(allow_none=True, validate=(validate.Length(max=2000), storable))
    domain = fields.String(
        allow_none=True,
        validate=(validate.Length(max=191), printable),
        metadata={"description": "Unique.", "example": "acme.example.org"},
    )
    plan = fields.Enum(Plan, by_value=True, metadata={"example": "starter"})
    max_services = fields.Integer(strict=True, validate=SERVICES, metadata={"example": 5})


class TenantCreate(_TenantFields):
    """A new tenant with its first administrator; the answer holds their password, which works once."""

    name = fields.String(required=True, validate=TENANT_NAME, metadata={"example": "Acme"})
    admin_username = fields.String(
        required=True, validate=(validate.Length(1, 80), printable), metadata={"example": "acme-admin"}
    )
    admin_email = fields.String(
        required=True, validate=(validate.Length(3, EMAIL_LENGTH), printable), metadata={"example": "it@example.org"}
    )


class TenantEdit(_TenantFields):
    """Changes; what is left out stays. ``is_active`` false refuses its people and keys everywhere."""

    name = fields.String(validate=TENANT_NAME, metadata={"example": "Acme Ltd"})
    is_active = fields.Boolean(truthy={True}, falsy={False})
    version = fields.Integer(
        strict=True,
        validate=validate.Range(1, MAX_ID),
        metadata={"description": "Refused with 409 when not the row's.", "example": 1},
    )


class TenantOut(Schema):
    """A tenant."""

    uuid = fields.String()
    name = fields.String()
    slug = fields.String()
    description = fields.String(allow_none=True)
    domain = fields.String(allow_none=True)
    plan = fields.String()
    max_services = fields.Integer()
    is_active = fields.Boolean()
    people = fields.Integer(metadata={"description": "Active people."})
    version = fields.Integer()
    created_at = Moment()
    updated_at = Moment()


class FirstAdminOut(Schema):
    """The first administrator; the password is shown this once."""

    username = fields.String()
    email = fields.String()
    one_time_password = fields.String()


class TenantMade(TenantOut):
    """A tenant that was just made."""

    first_admin = fields.Nested(FirstAdminOut)


def tenant_data(tenant: Tenant, people: int) -> dict[str, Any]:
    """Return a tenant as the API and exports show it."""
    shown: dict[str, Any] = {
        name: getattr(tenant, name) for name in TenantOut().fields if name not in ("plan", "people")
    }
    return {**shown, "plan": tenant.plan.value, "people": people}


def first_admin_data(admin: User, one_time_password: str) -> dict[str, Any]:
    """Return the first administrator with the password that nobody sees again."""
    return {"username": admin.username, "email": admin.email, "one_time_password": one_time_password}
