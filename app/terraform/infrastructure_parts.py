"""What hangs on the rows of instances: their tags for filters, and how they stand and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Select, Table, bindparam, delete, insert, select, update

from app.core.actor import Actor
from app.core.db import db
from app.core.table import new_uuid
from app.core.tenancy import scoped
from app.terraform.infrastructure_facts import Facts
from app.terraform.infrastructure_status import CHUNK
from app.terraform.models_infrastructure import (
    InfrastructureResource,
    InfrastructureStatus,
    InfrastructureTag,
    ResourceCloudStatus,
)
from app.terraform.models_state import TerraformState
from app.terraform.prices import price_of, prices_of

_GONE = "terminated"
_SHOWN = ("cloud_resource_id", "status", "ip_address", "url", "cost_per_hour", "currency", "metadata")


def write(system: Actor, head: TerraformState, facts: Sequence[Facts], written_at: datetime) -> None:
    """Bring tags and standing of a state's instances to what it says; those that are gone stand as terminated."""
    ids: dict[str, int] = {}
    gone: list[int] = []
    for row in db.session.execute(
        _of(system, head).with_only_columns(
            InfrastructureResource.id, InfrastructureResource.address, InfrastructureResource.status
        )
    ):
        ids[row.address] = row.id
        if row.status is InfrastructureStatus.DESTROYED:
            gone.append(row.id)
    there = {ids[one.address]: one for one in facts}
    _tags(system, head, there)
    _standing(system, head, there, gone, written_at)


def _of(system: Actor, head: TerraformState) -> Select[Any]:
    return scoped(system, InfrastructureResource).where(InfrastructureResource.state_id == head.id)


def _ids_of(system: Actor, head: TerraformState) -> Select[Any]:
    return select(InfrastructureResource.id).where(
        InfrastructureResource.tenant_id == system.tenant_id, InfrastructureResource.state_id == head.id
    )


def _tags(system: Actor, head: TerraformState, there: Mapping[int, Facts]) -> None:
    known: dict[int, dict[str, str]] = {}
    for row in db.session.execute(
        scoped(system, InfrastructureTag)
        .where(InfrastructureTag.resource_id.in_(_ids_of(system, head)))
        .with_only_columns(InfrastructureTag.resource_id, InfrastructureTag.name, InfrastructureTag.value)
    ):
        known.setdefault(row.resource_id, {})[row.name] = row.value
    other = sorted(key for key, one in there.items() if known.get(key, {}) != one.tags)
    had = [key for key in other if key in known]
    for start in range(0, len(had), CHUNK):
        db.session.execute(
            delete(InfrastructureTag)
            .where(
                InfrastructureTag.tenant_id == system.tenant_id,
                InfrastructureTag.resource_id.in_(had[start : start + CHUNK]),
            )
            .execution_options(synchronize_session=False)
        )
    new = [
        {"tenant_id": system.tenant_id, "resource_id": key, "name": name, "value": value}
        for key in other
        for name, value in there[key].tags.items()
    ]
    if new:
        db.session.execute(insert(InfrastructureTag), new)


def _standing(
    system: Actor, head: TerraformState, there: Mapping[int, Facts], gone: Sequence[int], written_at: datetime
) -> None:
    prices = prices_of(system, {one.type for one in there.values()})
    known = {
        row.resource_id: row
        for row in db.session.execute(
            scoped(system, ResourceCloudStatus)
            .where(ResourceCloudStatus.resource_id.in_(_ids_of(system, head)))
            .with_only_columns(
                ResourceCloudStatus.resource_id,
                *(getattr(ResourceCloudStatus, "metadata_" if name == "metadata" else name) for name in _SHOWN),
            )
        )
    }
    new: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for key, one in there.items():
        values = _values(one, prices)
        row = known.get(key)
        if row is None:
            new.append({"tenant_id": system.tenant_id, "uuid": new_uuid(), "resource_id": key, **_named(values)})
        elif any(row._mapping[name] != value for name, value in _named(values).items()):
            changed.append({"row_id": key, **{f"new_{name}": value for name, value in values.items()}})
    if new:
        db.session.execute(insert(ResourceCloudStatus), [{**one, "last_checked_at": written_at} for one in new])
    table = cast(Table, ResourceCloudStatus.__table__)
    if changed:
        db.session.connection().execute(
            update(table)
            .where(table.c.tenant_id == system.tenant_id, table.c.resource_id == bindparam("row_id"))
            .values({name: bindparam(f"new_{name}", type_=table.c[name].type) for name in _SHOWN}),
            changed,
        )
    db.session.execute(
        update(ResourceCloudStatus)
        .where(
            ResourceCloudStatus.tenant_id == system.tenant_id,
            ResourceCloudStatus.resource_id.in_(_ids_of(system, head)),
        )
        .values(last_checked_at=written_at)
        .execution_options(synchronize_session=False)
    )
    ended = [key for key in gone if key in known and known[key].status != _GONE]
    for start in range(0, len(ended), CHUNK):
        db.session.execute(
            update(ResourceCloudStatus)
            .where(
                ResourceCloudStatus.tenant_id == system.tenant_id,
                ResourceCloudStatus.resource_id.in_(ended[start : start + CHUNK]),
            )
            .values(status=_GONE, ip_address=None, url=None, cost_per_hour=None, currency=None)
            .execution_options(synchronize_session=False)
        )


def _values(one: Facts, prices: Mapping[str, Any]) -> dict[str, Any]:
    price = price_of(prices.get(one.type, ()), one.shown, one.region)
    return {
        "cloud_resource_id": one.cloud_id,
        "status": one.standing.status,
        "ip_address": one.standing.ip_address,
        "url": one.standing.url,
        "cost_per_hour": price.price_per_hour if price else None,
        "currency": price.currency if price else None,
        "metadata": dict(one.standing.metadata) or None,
    }


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by the names that the model has for them."""
    return {("metadata_" if name == "metadata" else name): value for name, value in values.items()}
