"""Reads of what there is: instances with how they stand, what they cost, and the prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.core.pagination import Page, paginate
from app.core.permissions import Permission, require
from app.core.searching import begins
from app.core.sorting import SortKeys
from app.core.tenancy import scoped
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
        found = [begins(I.name, wanted.text), I.cloud_id == wanted.text]
        if wanted.text.isascii():
            found.append(begins(I.address, wanted.text))
        statement = statement.where(or_(*found))
    rows = paginate(statement, I.id, page=page, page_size=page_size, after=after, sort=SORT.pick(sort))
    return rows.with_items(_standing(actor, rows.items))


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


def types(actor: Actor, project: TerraformProject | None = None, limit: int = 300) -> Sequence[str]:
    """Return the types that there are, for a filter."""
    require(actor, Permission.TERRAFORM_VIEW)
    statement = scoped(actor, I).with_only_columns(I.type).distinct().order_by(I.type).limit(limit)
    return db.session.scalars(statement if project is None else statement.where(I.project_id == project.id)).all()


def regions(actor: Actor, project: TerraformProject | None = None, limit: int = 300) -> Sequence[str]:
    """Return the regions that there are, for a filter."""
    require(actor, Permission.TERRAFORM_VIEW)
    statement = scoped(actor, I).where(I.region.is_not(None)).with_only_columns(I.region).distinct().order_by(I.region)
    found = statement if project is None else statement.where(I.project_id == project.id)
    return [one for one in db.session.scalars(found.limit(limit)) if one is not None]


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
