"""REST: tenants, for administrators of the platform with a key that names the scope ``platform:admin``."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import url_for
from flask_smorest import Blueprint

from app.accounts import queries_tenants, service_tenants
from app.accounts.models import Tenant
from app.accounts.one_time import made_password, with_one_time_password
from app.accounts.queries_tenants import TenantFilter
from app.accounts.schemas import NoQuery
from app.accounts.schemas_tenants import (
    TenantCreate,
    TenantEdit,
    TenantMade,
    TenantOut,
    TenantQuery,
    first_admin_data,
    tenant_data,
)
from app.core.edit_version import IF_MATCH, etag, seen_version
from app.core.faces import documented, paged
from app.core.flask_app import current_actor
from app.core.permissions import Permission

Answer = tuple[Any, int, dict[str, str]]

blueprint = Blueprint("tenants_api", __name__, description="Tenants, for administrators of the platform")


def _shown(tenant: Tenant, status: int = 200, **more: Any) -> Answer:
    people = queries_tenants.count_people(current_actor(), [tenant.id]).get(tenant.id, 0)
    headers = etag(tenant.version)
    if status == 201:
        headers["Location"] = url_for("tenants_api.get_tenant", tenant_uuid=tenant.uuid)
    return {**tenant_data(tenant, people), **more}, status, headers


@blueprint.get("/tenants")
@documented(blueprint)
@blueprint.arguments(TenantQuery, location="query")
@blueprint.response(200, TenantOut(many=True))
def list_tenants(query: dict[str, Any]) -> Answer:
    """List tenants, the newest first."""
    actor = current_actor()
    wanted = TenantFilter(query.pop("is_active", None), query.pop("plan", None), query.pop("q", None))
    page = queries_tenants.list_tenants(actor, wanted, **query)
    people = queries_tenants.count_people(actor, [tenant.id for tenant in page.items])
    return paged(page, [tenant_data(tenant, people.get(tenant.id, 0)) for tenant in page.items])


@blueprint.post("/tenants")
@with_one_time_password(Permission.PLATFORM_ADMIN)
@documented(blueprint, 409, 413, 415)
@blueprint.arguments(TenantCreate)
@blueprint.response(201, TenantMade)
def create_tenant(values: dict[str, Any]) -> Answer:
    """Make a tenant with its first administrator, whose password works once and is shown nowhere else."""
    made = made_password()
    username, email = values.pop("admin_username"), values.pop("admin_email")
    fields: Any = values
    tenant, admin = service_tenants.create_tenant(
        current_actor(), fields, admin_username=username, admin_email=email, password=made.hashed
    )
    return _shown(tenant, 201, first_admin=first_admin_data(admin, made.clear))


@blueprint.get("/tenants/<uuid:tenant_uuid>")
@documented(blueprint, 404)
@blueprint.arguments(NoQuery, location="query", as_kwargs=True)
@blueprint.response(200, TenantOut)
def get_tenant(tenant_uuid: UUID) -> Answer:
    """Show a tenant."""
    return _shown(queries_tenants.get_tenant(current_actor(), str(tenant_uuid)))


@blueprint.patch("/tenants/<uuid:tenant_uuid>")
@documented(blueprint, 404, 409, 413, 415)
@blueprint.doc(parameters=[IF_MATCH])
@blueprint.arguments(TenantEdit)
@blueprint.response(200, TenantOut)
def edit_tenant(values: Any, tenant_uuid: UUID) -> Answer:
    """Change, deactivate or reactivate a tenant."""
    version = seen_version(values.pop("version", None))
    return _shown(service_tenants.edit_tenant(current_actor(), str(tenant_uuid), values, version=version))
