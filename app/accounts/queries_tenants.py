"""Reads of tenants by administrators of the platform."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Select, false, func, or_, select, true

from app.accounts.models import Plan, Tenant, User
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.core.pagination import Page, paginate
from app.core.permissions import Permission, require
from app.core.sorting import SortKeys
from app.core.tenancy import system_scope

TENANT_SORT = SortKeys("-id", {"id": Tenant.id, "slug": Tenant.slug})


@dataclass(frozen=True, slots=True)
class TenantFilter:
    """What the list of tenants shows; None means any. ``text`` is looked for in name, slug and domain."""

    is_active: bool | None = None
    plan: Plan | None = None
    text: str | None = None


def inactive_tenants() -> Select[int]:
    """Return the subquery of deactivated tenants' ids: what does not start while its tenant is inactive."""
    return select(Tenant.id).where(Tenant.is_active == false())


def list_tenants(
    actor: Actor,
    wanted: TenantFilter,
    *,
    page: int = 1,
    page_size: int = 50,
    after: int | None = None,
    sort: str | None = None,
) -> Page[Tenant]:
    """Return one page of the platform's tenants, the newest first unless ``sort`` says otherwise."""
    require(actor, Permission.PLATFORM_ADMIN)
    statement = select(Tenant)
    if wanted.is_active is not None:
        statement = statement.where(Tenant.is_active == wanted.is_active)
    if wanted.plan is not None:
        statement = statement.where(Tenant.plan == wanted.plan)
    if wanted.text:
        columns = (Tenant.name, Tenant.slug, Tenant.domain)
        text = wanted.text.strip()
        statement = statement.where(or_(*(column.icontains(text, autoescape=True) for column in columns)))
    order = TENANT_SORT.pick(sort)
    return paginate(statement, Tenant.id, page=page, page_size=page_size, after=after, sort=order)


def get_tenant(actor: Actor, tenant_uuid: str, *, lock: bool = False) -> Tenant:
    """Return one tenant; NotFound for an unknown one. ``lock`` keeps the row until the commit."""
    require(actor, Permission.PLATFORM_ADMIN)
    statement = select(Tenant).where(Tenant.uuid == tenant_uuid)
    found = db.session.scalar(statement.with_for_update() if lock else statement)
    if found is None:
        raise NotFound("This tenant")
    return found


def count_people(actor: Actor, tenant_ids: Collection[int]) -> dict[int, int]:
    """Return {tenant id: number of active people}; tenants without any are left out (one query)."""
    require(actor, Permission.PLATFORM_ADMIN)
    if not tenant_ids:
        return {}
    with system_scope("how many people each tenant has"):
        rows = db.session.execute(
            select(User.tenant_id, func.count().label("people"))
            .where(User.tenant_id.in_(tenant_ids), User.is_active == true(), User.is_system == false())
            .group_by(User.tenant_id)
        ).all()
    return {row.tenant_id: row.people for row in rows}
