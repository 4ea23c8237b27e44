"""Reads of what there is: instances with how they stand, what they cost, and the prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.core.pagination import COUNT_CAP, Page, paginate
from app.core.permissions import Permission, require
from app.core.searching import begins
from app.core.sorting import SortKeys
from app.core.tenancy import scoped
from app.core.words_in_use import words_in_use
from app.inventory.models import Server
from app.terraform.models import TerraformProject
from app.terraform.models_configuration import TerraformResource
from app.terraform.models_infrastructure import (
    InfrastructureResource,
    InfrastructureStatus,
    InfrastructureTag,
    ResourceCloudStatus,
    ResourcePrice,
)
from app.terraform.models_servers import TerraformServer
from app.terraform.models_state import TerraformState

I = InfrastructureResource  # noqa: E741 - the columns of every statement here
MOST_WORDS = 60  # types or regions that a filter offers; the address takes any
SORT = SortKeys("-created", {"created": I.id, "address": I.address, "name": I.name})
PRICE_SORT = SortKeys("type", {"type": ResourcePrice.type, "created": ResourcePrice.id})


@dataclass(frozen=True, slots=True)
class InfrastructureFilter:
    """What a list shows; nothing given is everything. ``tag`` is a name, or name=value."""

    project: TerraformProject | None = None
    workspace: str | None = None
    type: str | None = None
    region: str | None = None
    status: InfrastructureStatus | None = None
    tag: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """An instance with its project, its workspace, and how it stands."""

    resource: InfrastructureResource
    project: TerraformProject
    workspace: str
    cloud: ResourceCloudStatus | None


@dataclass(frozen=True, slots=True)
class Around:
    """What belongs to one instance: what declares it, and the server that it became."""

    declared: TerraformResource | None
    server: Server | None


@dataclass(frozen=True, slots=True)
class Cost:
    """What instances cost per hour in one currency, and how many of them have a price."""

    currency: str
    per_hour: float
    count: int


def list_infrastructure(
    actor: Actor,
    wanted: InfrastructureFilter,
    *,
    page: int = 1,
    page_size: int = 50,
    after: int | None = None,
    sort: str | None = None,
) -> Page[Standing]:
    """Return instances with how they stand; five queries at most."""
    require(actor, Permission.TERRAFORM_VIEW)
    statement = scoped(actor, I)
    if wanted.project is not None:
        statement = statement.where(I.project_id == wanted.project.id)
    if wanted.workspace is not None:
        named = TerraformState.workspace == wanted.workspace  # kept in ASCII: MySQL compares no other letters with it
        states = scoped(actor, TerraformState).where(named if wanted.workspace.isascii() else TerraformState.id == 0)
        if wanted.project is not None:
            states = states.where(TerraformState.project_id == wanted.project.id)
        statement = statement.where(I.state_id.in_(states.with_only_columns(TerraformState.id)))
    if wanted.type is not None:
        statement = statement.where(I.type == wanted.type)
    if wanted.region is not None:
        statement = statement.where(I.region == wanted.region)
    if wanted.status is not None:
        statement = statement.where(I.status == wanted.status)
    if wanted.tag is not None:
        name, is_pair, value = wanted.tag.partition("=")
        tags = scoped(actor, InfrastructureTag).where(InfrastructureTag.name == name)
        if is_pair:
            tags = tags.where(InfrastructureTag.value == value)
        statement = statement.where(I.id.in_(tags.with_only_columns(InfrastructureTag.resource_id)))
    if wanted.text is not None:
        statement = statement.where(_fits(actor, wanted.text.strip()))
    rows = paginate(statement, I.id, page=page, page_size=page_size, after=after, sort=SORT.pick(sort))
    return rows.with_items(_standing(actor, rows.items))


def _fits(actor: Actor, text: str) -> ColumnElement[bool]:
    """Say whether address or name begins with ``text``, or the id is it."""
    name, own, address = begins(I.name, text), I.cloud_id == text, begins(I.address, text)
    if not text.isascii():  # addresses are kept in ASCII, and MySQL refuses to compare others with them
        return or_(name, own)
    few = scoped(actor, I).with_only_columns(I.id).limit(COUNT_CAP + 1).subquery()
    if (db.session.scalar(select(func.count()).select_from(few)) or 0) <= COUNT_CAP:
        return or_(name, own, address)
    # One of them: for an OR MySQL reads every row after all.
    if "_" in text or ("." in text and not text.startswith("arn:")):
        return address
    return own if ":" in text or any(sign.isdigit() for sign in text) else name


def _standing(actor: Actor, rows: Sequence[InfrastructureResource]) -> list[Standing]:
    if not rows:
        return []
    projects = {
        row.id: row
        for row in db.session.scalars(
            scoped(actor, TerraformProject).where(TerraformProject.id.in_({row.project_id for row in rows}))
        )
    }
    spaces = db.session.execute(
        select(TerraformState.id, TerraformState.workspace).where(
            TerraformState.tenant_id == actor.tenant_id, TerraformState.id.in_({row.state_id for row in rows})
        )
    )
    workspaces = {row.id: row.workspace for row in spaces}
    clouds = {
        row.resource_id: row
        for row in db.session.scalars(
            scoped(actor, ResourceCloudStatus).where(ResourceCloudStatus.resource_id.in_([row.id for row in rows]))
        )
    }
    return [
        Standing(row, projects[row.project_id], workspaces.get(row.state_id, ""), clouds.get(row.id)) for row in rows
    ]


def get_infrastructure(actor: Actor, uuid: str) -> Standing:
    """Return one instance; raises NotFound."""
    require(actor, Permission.TERRAFORM_VIEW)
    found = db.session.scalar(scoped(actor, I).where(I.uuid == uuid))
    if found is None:
        raise NotFound("This resource")
    return _standing(actor, [found])[0]


def around(actor: Actor, found: InfrastructureResource) -> Around:
    """Return what declares an instance, and the server that it became."""
    require(actor, Permission.TERRAFORM_VIEW)
    declared = None
    if found.terraform_resource_id is not None:
        declared = db.session.scalar(
            scoped(actor, TerraformResource).where(TerraformResource.id == found.terraform_resource_id)
        )
    server = db.session.scalar(
        scoped(actor, Server)
        .join(
            TerraformServer,
            (TerraformServer.tenant_id == Server.tenant_id) & (TerraformServer.server_id == Server.id),
        )
        .where(
            TerraformServer.tenant_id == actor.tenant_id,
            TerraformServer.state_id == found.state_id,
            TerraformServer.address == found.address,
        )
    )
    return Around(declared, server)


def instances_of(actor: Actor, declared: TerraformResource, limit: int = 100) -> Sequence[Standing]:
    """Return the instances of a declared resource by address, at most ``limit``."""
    require(actor, Permission.TERRAFORM_VIEW)
    rows = db.session.scalars(
        scoped(actor, I).where(I.terraform_resource_id == declared.id).order_by(I.address).limit(limit)
    ).all()
    return _standing(actor, rows)


def types(actor: Actor, project: TerraformProject | None = None) -> Sequence[str]:
    """Return the types that there are, for a filter; at most MOST_WORDS."""
    require(actor, Permission.TERRAFORM_VIEW)
    return _words(actor, project, I.type)


def regions(actor: Actor, project: TerraformProject | None = None) -> Sequence[str]:
    """Return the regions that there are, for a filter; at most MOST_WORDS."""
    require(actor, Permission.TERRAFORM_VIEW)
    return _words(actor, project, I.region)


def _words(actor: Actor, project: TerraformProject | None, column: InstrumentedAttribute[Any]) -> Sequence[str]:
    if project is None:
        return words_in_use(column, I.tenant_id == actor.tenant_id, limit=MOST_WORDS)
    found = scoped(actor, I).where(I.project_id == project.id, column.is_not(None))
    return db.session.scalars(found.with_only_columns(column).distinct().order_by(column).limit(MOST_WORDS)).all()


def costs(actor: Actor, project: TerraformProject) -> Sequence[Cost]:
    """Return what a project's instances cost per hour by currency, as far as they have prices; one query."""
    require(actor, Permission.TERRAFORM_VIEW)
    rows = db.session.execute(
        select(
            ResourceCloudStatus.currency,
            func.sum(ResourceCloudStatus.cost_per_hour).label("total"),
            func.count().label("counted"),
        )
        .join(I, (I.tenant_id == ResourceCloudStatus.tenant_id) & (I.id == ResourceCloudStatus.resource_id))
        .where(
            ResourceCloudStatus.tenant_id == actor.tenant_id,
            I.tenant_id == actor.tenant_id,
            I.project_id == project.id,
            ResourceCloudStatus.cost_per_hour.is_not(None),
        )
        .group_by(ResourceCloudStatus.currency)
        .order_by(ResourceCloudStatus.currency)
    )
    return [Cost(row.currency or "", round(float(row.total), 6), row.counted) for row in rows]


# --- prices


def list_prices(
    actor: Actor,
    *,
    kind: str | None = None,
    page: int = 1,
    page_size: int = 50,
    after: int | None = None,
    sort: str | None = None,
) -> Page[ResourcePrice]:
    """Return prices by type."""
    require(actor, Permission.TERRAFORM_VIEW)
    statement = scoped(actor, ResourcePrice)
    if kind is not None:
        statement = statement.where(ResourcePrice.type == kind if kind.isascii() else ResourcePrice.id == 0)
    return paginate(
        statement, ResourcePrice.id, page=page, page_size=page_size, after=after, sort=PRICE_SORT.pick(sort)
    )


def get_price(actor: Actor, uuid: str) -> ResourcePrice:
    """Return one price; raises NotFound."""
    require(actor, Permission.TERRAFORM_VIEW)
    found = db.session.scalar(scoped(actor, ResourcePrice).where(ResourcePrice.uuid == uuid))
    if found is None:
        raise NotFound("This price")
    return found


def count_prices(actor: Actor) -> int:
    """Return how many prices there are."""
    require(actor, Permission.TERRAFORM_VIEW)
    return db.session.scalar(select(func.count()).select_from(scoped(actor, ResourcePrice).subquery())) or 0
