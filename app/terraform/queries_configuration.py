"""Reads of what a project's files declare: modules, resources with their dependencies, providers, outputs, problems."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import defer

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.core.pagination import Page, paginate
from app.core.permissions import Permission, require
from app.core.searching import escaped
from app.core.sorting import Sort
from app.core.tenancy import scoped
from app.terraform import queries_files
from app.terraform.models import TerraformProject
from app.terraform.models_configuration import (
    ResourceDependency,
    TerraformOutput,
    TerraformProvider,
    TerraformResource,
)
from app.terraform.models_files import TerraformRevision
from app.terraform.models_modules import TerraformModule

MOST_SHOWN = 500  # providers of a project, types in a filter, dependencies of one resource
ROOT = "root"  # in filters: the root module
_BY_ADDRESS = Sort(TerraformResource.terraform_address, descending=False)


@dataclass(frozen=True, slots=True)
class Needed:
    """One end of a dependency, seen from the other."""

    resource: TerraformResource
    dependency_type: str


@dataclass(frozen=True, slots=True)
class Edge:
    """A dependency with the addresses of both ends."""

    dependency: ResourceDependency
    source: TerraformResource
    target: TerraformResource


def reading(actor: Actor, project: TerraformProject) -> TerraformRevision | None:
    """Return the revision whose reading the tables are of, or will be: the one in force."""
    return queries_files.current_revision(actor, project)


def list_resources(
    actor: Actor,
    project: TerraformProject,
    *,
    text: str | None = None,
    resource_type: str | None = None,
    module: str | None = None,
    is_data: bool | None = None,
    is_missing: bool | None = None,
    page: int = 1,
    page_size: int = 50,
    after: int | None = None,
) -> Page[TerraformResource]:
    """Return resources by address, without their configuration; ``module`` is an address, or "root"."""
    require(actor, Permission.TERRAFORM_VIEW)
    statement = _of_project(actor, TerraformResource, project).options(defer(TerraformResource.configuration))
    if text:
        pattern = f"%{escaped(text)}%"
        address = TerraformResource.terraform_address  # kept in ASCII, and MySQL refuses to compare others with it
        fits = address.like(pattern, escape="/") if text.isascii() else TerraformResource.id == 0
        statement = statement.where(fits)
    if resource_type:
        statement = statement.where(TerraformResource.resource_type == resource_type)
    if module:
        statement = statement.where(_in_module(actor, project, module))
    if is_data is not None:
        statement = statement.where(TerraformResource.is_data == is_data)
    if is_missing is not None:
        gone = TerraformResource.missing_since.is_not(None)
        statement = statement.where(gone if is_missing else ~gone)
    return paginate(
        statement, TerraformResource.id, page=page, page_size=page_size, after=after, sort=_BY_ADDRESS, descending=False
    )


def _in_module(actor: Actor, project: TerraformProject, address: str) -> Any:
    if address == ROOT:
        return TerraformResource.module_id.is_(None)
    if not address.isascii():
        return TerraformResource.id == 0
    ids = (
        _of_project(actor, TerraformModule, project)
        .where(TerraformModule.terraform_address == address)
        .with_only_columns(TerraformModule.id)
    )
    return TerraformResource.module_id.in_(ids)


def get_resource(actor: Actor, project: TerraformProject, uuid: str) -> TerraformResource:
    """Return one resource with its configuration; raises NotFound."""
    require(actor, Permission.TERRAFORM_VIEW)
    found: TerraformResource | None = db.session.scalar(
        _of_project(actor, TerraformResource, project).where(TerraformResource.uuid == uuid)
    )
    if found is None:
        raise NotFound("This resource")
    return found


def needs_of(actor: Actor, resource: TerraformResource) -> Sequence[Needed]:
    """Return what a resource needs, by address."""
    return _neighbours(actor, resource, ResourceDependency.from_resource_id, ResourceDependency.to_resource_id)


def needed_by(actor: Actor, resource: TerraformResource) -> Sequence[Needed]:
    """Return what needs a resource, by address."""
    return _neighbours(actor, resource, ResourceDependency.to_resource_id, ResourceDependency.from_resource_id)


def _neighbours(actor: Actor, resource: TerraformResource, here: Any, there: Any) -> Sequence[Needed]:
    require(actor, Permission.TERRAFORM_VIEW)
    rows = db.session.execute(
        select(TerraformResource, ResourceDependency.dependency_type)
        .join(
            ResourceDependency,
            (ResourceDependency.tenant_id == TerraformResource.tenant_id) & (there == TerraformResource.id),
        )
        .where(
            TerraformResource.tenant_id == actor.tenant_id,
            ResourceDependency.tenant_id == actor.tenant_id,
            here == resource.id,
        )
        .options(defer(TerraformResource.configuration))
        .order_by(TerraformResource.terraform_address)
        .limit(MOST_SHOWN)
    )
    return [Needed(row[0], row[1].value) for row in rows]


def list_dependencies(
    actor: Actor, project: TerraformProject, *, page: int = 1, page_size: int = 50, after: int | None = None
) -> Page[Edge]:
    """Return the dependencies between resources, with both ends; three queries."""
    require(actor, Permission.TERRAFORM_VIEW)
    found = paginate(
        _of_project(actor, ResourceDependency, project),
        ResourceDependency.id,
        page=page,
        page_size=page_size,
        after=after,
        descending=False,
    )
    ids = {row.from_resource_id for row in found.items} | {row.to_resource_id for row in found.items}
    ends = {
        row.id: row
        for row in db.session.scalars(
            _of_project(actor, TerraformResource, project)
            .where(TerraformResource.id.in_(ids))
            .options(defer(TerraformResource.configuration))
        )
    }
    return found.with_items([Edge(row, ends[row.from_resource_id], ends[row.to_resource_id]) for row in found.items])


def list_modules(actor: Actor, project: TerraformProject) -> Sequence[TerraformModule]:
    """Return the module calls by address, vanished ones too (at most as many as are read)."""
    require(actor, Permission.TERRAFORM_VIEW)
    statement = _of_project(actor, TerraformModule, project).order_by(TerraformModule.terraform_address)
    return db.session.scalars(statement.limit(2 * MOST_SHOWN)).all()


def module_addresses(
    actor: Actor, project: TerraformProject, ids: Collection[int | None] | None = None
) -> Mapping[int, str]:
    """Return the addresses of modules by id, of all or of these; one query at most."""
    require(actor, Permission.TERRAFORM_VIEW)
    statement = _of_project(actor, TerraformModule, project)
    if ids is not None:
        wanted = {one for one in ids if one is not None}
        if not wanted:
            return {}
        statement = statement.where(TerraformModule.id.in_(wanted))
    rows = db.session.execute(statement.with_only_columns(TerraformModule.id, TerraformModule.terraform_address))
    return {row[0]: row[1] for row in rows}


def list_providers(actor: Actor, project: TerraformProject) -> Sequence[TerraformProvider]:
    """Return the providers by name and alias, vanished ones too."""
    require(actor, Permission.TERRAFORM_VIEW)
    statement = _of_project(actor, TerraformProvider, project)
    return db.session.scalars(
        statement.order_by(TerraformProvider.name, TerraformProvider.alias).limit(MOST_SHOWN)
    ).all()


def provider_of(actor: Actor, resource: TerraformResource) -> TerraformProvider | None:
    """Return the provider of a resource."""
    require(actor, Permission.TERRAFORM_VIEW)
    if resource.provider_id is None:
        return None
    return db.session.scalar(scoped(actor, TerraformProvider).where(TerraformProvider.id == resource.provider_id))


def list_outputs(
    actor: Actor,
    project: TerraformProject,
    *,
    module: str | None = None,
    page: int = 1,
    page_size: int = 50,
    after: int | None = None,
) -> Page[TerraformOutput]:
    """Return the declared outputs in the order in which they were first found; ``module`` is an address, or "root"."""
    require(actor, Permission.TERRAFORM_VIEW)
    statement = _of_project(actor, TerraformOutput, project)
    if module == ROOT:
        statement = statement.where(TerraformOutput.module_id.is_(None))
    elif module:
        fits = TerraformModule.terraform_address == module if module.isascii() else TerraformModule.id == 0
        ids = _of_project(actor, TerraformModule, project).where(fits).with_only_columns(TerraformModule.id)
        statement = statement.where(TerraformOutput.module_id.in_(ids))
    return paginate(statement, TerraformOutput.id, page=page, page_size=page_size, after=after, descending=False)


def resource_types(actor: Actor, project: TerraformProject) -> Sequence[str]:
    """Return the types of a project's resources, for a filter."""
    require(actor, Permission.TERRAFORM_VIEW)
    statement = (
        _of_project(actor, TerraformResource, project)
        .with_only_columns(TerraformResource.resource_type)
        .distinct()
        .order_by(TerraformResource.resource_type)
    )
    return db.session.scalars(statement.limit(MOST_SHOWN)).all()


def _of_project(actor: Actor, model: Any, project: TerraformProject) -> Select[Any]:
    return scoped(actor, model).where(model.project_id == project.id)
