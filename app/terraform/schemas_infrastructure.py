"""Shapes of what there is: instances, how they stand, what they cost, and the prices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from marshmallow import fields, validate

from app.core.actor import Actor
from app.core.clock import iso
from app.core.errors import InvalidInput, NotFound
from app.core.schemas import Schema, Strict
from app.core.sort_field import sort_field
from app.terraform import queries, regions
from app.terraform.models_infrastructure import InfrastructureStatus, ResourceCloudStatus, ResourcePrice
from app.terraform.queries_infrastructure import Around, Cost, InfrastructureFilter, Standing

NUMBER = validate.Range(1, 2**31 - 1)
MOST = 1_000_000


class InfrastructureQuery(Strict):
    """Filters, order and paging of instances."""

    q = fields.String(
        validate=validate.Length(max=200), metadata={"description": "Beginning of address or name, or the whole id."}
    )
    project = fields.UUID(metadata={"description": "UUID of a Terraform project."})
    workspace = fields.String(validate=validate.Length(1, 90))
    type = fields.String(validate=validate.Length(1, 200), metadata={"example": "aws_instance"})
    region = fields.String(validate=validate.Length(1, 100), metadata={"example": "eu-central-1"})
    status = fields.Enum(InfrastructureStatus, by_value=True)
    tag = fields.String(
        validate=validate.Length(1, 400), metadata={"description": "A name, or name=value.", "example": "Project=shop"}
    )
    page = fields.Integer(load_default=1, validate=validate.Range(1, 1_000_000))
    page_size = fields.Integer(load_default=50, validate=validate.Range(1, 100))
    after = fields.Integer(validate=validate.Range(0, 2**31 - 1))
    sort = sort_field("created", "address", "name")


class CloudStatusOut(Schema):
    """How an instance stands at its provider, as the newest state says."""

    cloud_resource_id = fields.String(allow_none=True)
    status = fields.String()
    ip_address = fields.String(allow_none=True)
    url = fields.String(allow_none=True)
    cost_per_hour = fields.String(allow_none=True, metadata={"description": "By the prices that people maintain."})
    currency = fields.String(allow_none=True)
    metadata = fields.Dict()
    last_checked_at = fields.String()


class InfrastructureOut(Schema):
    """One instance of a resource."""

    id = fields.String(metadata={"description": "Its UUID here."})
    number = fields.Integer()
    project_id = fields.String()
    project = fields.String()
    workspace = fields.String()
    address = fields.String()
    type = fields.String()
    name = fields.String()
    cloud_id = fields.String(allow_none=True, metadata={"description": "Its id at the provider."})
    status = fields.String()
    region = fields.String(allow_none=True)
    is_region_unknown = fields.Boolean(metadata={"description": "The product's list has no such region."})
    tags = fields.Dict(keys=fields.String(), values=fields.String())
    execution_id = fields.String(allow_none=True, metadata={"description": "What changed it last; null: no execution."})
    changed_version = fields.Integer(allow_none=True, metadata={"description": "Version of the state that said so."})
    cloud_status = fields.Nested(CloudStatusOut, allow_none=True)
    created_at = fields.String()
    updated_at = fields.String()


class InfrastructureDetailOut(InfrastructureOut):
    """One instance with a few of its attributes, what declares it, and the server that it became."""

    terraform_state = fields.Dict(metadata={"description": "Attributes by an allow-list; nothing sensitive."})
    resource_id = fields.String(allow_none=True, metadata={"description": "What declares it."})
    server_id = fields.Integer(allow_none=True)


class CostOut(Schema):
    """What a project costs per hour in one currency, as far as there are prices."""

    currency = fields.String()
    cost_per_hour = fields.String()
    count = fields.Integer(metadata={"description": "How many instances have a price."})


class PriceFields(Strict):
    """What people set on a price."""

    type = fields.String(validate=validate.Length(1, 200), metadata={"example": "aws_instance"})
    attribute = fields.String(validate=validate.Length(max=100), metadata={"example": "instance_type"})
    value = fields.String(validate=validate.Length(max=200), metadata={"example": "t3.micro"})
    region = fields.String(validate=validate.Length(max=100), metadata={"description": "Empty: all of them."})
    price_per_hour = fields.Float(
        allow_nan=False, validate=validate.Range(0, MOST), metadata={"example": 0.0104, "description": "Six digits."}
    )
    currency = fields.String(validate=validate.Regexp(r"[A-Z]{3}\Z"), metadata={"example": "USD"})


class PriceCreate(PriceFields):
    """A new price."""

    type = fields.String(required=True, validate=validate.Length(1, 200), metadata={"example": "aws_instance"})
    price_per_hour = fields.Float(
        required=True, allow_nan=False, validate=validate.Range(0, MOST), metadata={"example": 0.0104}
    )


class PriceEdit(PriceFields):
    """Changes; ``version`` is the one they were made from."""

    version = fields.Integer(strict=True, validate=NUMBER)


class PriceQuery(Strict):
    """Filter, order and paging of prices."""

    type = fields.String(validate=validate.Length(1, 200), metadata={"example": "aws_instance"})
    page = fields.Integer(load_default=1, validate=validate.Range(1, 1_000_000))
    page_size = fields.Integer(load_default=50, validate=validate.Range(1, 100))
    after = fields.Integer(validate=validate.Range(0, 2**31 - 1))
    sort = sort_field("type", "created")


class PriceOut(Schema):
    """A price."""

    id = fields.String()
    type = fields.String()
    attribute = fields.String()
    value = fields.String()
    region = fields.String()
    price_per_hour = fields.String()
    currency = fields.String()
    created_at = fields.String()
    updated_at = fields.String()
    version = fields.Integer()


def to_filter(actor: Actor, query: dict[str, Any]) -> InfrastructureFilter:
    """Return what a query means; raises InvalidInput for a project that is not there."""
    project = None
    if query.get("project") is not None:
        try:
            project = queries.get_project(actor, str(query["project"]))
        except NotFound:
            raise InvalidInput(project="There is no such Terraform project.") from None
    return InfrastructureFilter(
        project=project,
        workspace=query.get("workspace"),
        type=query.get("type"),
        region=query.get("region"),
        status=query.get("status"),
        tag=query.get("tag"),
        text=query.get("q") or None,
    )


def money(amount: float | None) -> str | None:
    """Return an amount with as many digits as it has, four at least for prices below a cent: 0.0104."""
    if amount is None:
        return None
    text = f"{amount:.6f}".rstrip("0")
    whole, _, digits = text.partition(".")
    return f"{whole}.{digits:0<2}"


def cloud_data(row: ResourceCloudStatus | None) -> dict[str, Any] | None:
    """Return how an instance stands as the API shows it."""
    if row is None:
        return None
    return {
        "cloud_resource_id": row.cloud_resource_id,
        "status": row.status,
        "ip_address": row.ip_address,
        "url": row.url,
        "cost_per_hour": money(row.cost_per_hour),
        "currency": row.currency,
        "metadata": row.metadata_ or {},
        "last_checked_at": iso(row.last_checked_at),
    }


def infrastructure_data(found: Standing) -> dict[str, Any]:
    """Return an instance as the API lists it."""
    row = found.resource
    return {
        "id": row.uuid,
        "number": row.id,
        "project_id": found.project.uuid,
        "project": found.project.name,
        "workspace": found.workspace,
        "address": row.address,
        "type": row.type,
        "name": row.name,
        "cloud_id": row.cloud_id,
        "status": row.status.value,
        "region": row.region,
        "is_region_unknown": regions.is_odd(row.type, row.region),
        "tags": row.tags or {},
        "execution_id": row.execution_uuid,
        "changed_version": row.changed_version,
        "cloud_status": cloud_data(found.cloud),
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
    }


def infrastructure_detail(found: Standing, around: Around) -> dict[str, Any]:
    """Return one instance as the API shows it."""
    return {
        **infrastructure_data(found),
        "terraform_state": found.resource.terraform_state or {},
        "resource_id": around.declared.uuid if around.declared else None,
        "server_id": around.server.id if around.server else None,
    }


def cost_data(costs: Sequence[Cost]) -> list[dict[str, Any]]:
    """Return costs as the API shows them."""
    return [{"currency": c.currency, "cost_per_hour": money(c.per_hour), "count": c.count} for c in costs]


def price_data(price: ResourcePrice) -> dict[str, Any]:
    """Return a price as the API shows it."""
    names = ("type", "attribute", "value", "region", "currency", "version")
    return {
        "id": price.uuid,
        **{name: getattr(price, name) for name in names},
        "price_per_hour": money(price.price_per_hour),
        "created_at": iso(price.created_at),
        "updated_at": iso(price.updated_at),
    }
