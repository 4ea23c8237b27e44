"""Acts of the platform's administrators on tenants. Tenants are deactivated, never deleted."""

from __future__ import annotations

import re
from typing import Any, TypedDict

from sqlalchemy import select

from app.accounts import queries_tenants
from app.accounts.events import tenant_created
from app.accounts.first_start import make_system_user
from app.accounts.models import Membership, Plan, Tenant, User
from app.accounts.passwords import HashedPassword
from app.accounts.person_rules import check_email, check_username, refuse_taken
from app.accounts.trail import DEFAULT_TENANT
from app.audit import service as audit
from app.audit.service import Resource
from app.core.actor import Actor, Role
from app.core.db import db
from app.core.db_time import database_now
from app.core.errors import Conflict, InvalidInput
from app.core.permissions import Permission, require
from app.core.tenancy import tenant_scope
from app.core.versioning import check_version

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")  # a DNS label
DOMAIN = re.compile(r"(?=.{3,191}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}\Z")


class TenantFields(TypedDict, total=False):
    """What a platform administrator sets on a tenant; what is left out stays."""

    name: str
    slug: str
    description: str | None
    domain: str | None
    plan: Plan
    max_services: int
    is_active: bool


def create_tenant(
    actor: Actor, given: TenantFields, *, admin_username: str, admin_email: str, password: HashedPassword
) -> tuple[Tenant, User]:
    """Make a tenant with its system user, its first administrator (one-time password) and the samples.

    Raises InvalidInput (``slug``, ``domain``, ``admin_username``, ``admin_email``), Conflict for what is taken.
    Audited in the log of the actor's tenant and, as the first entries, in the new one's.
    """
    require(actor, Permission.PLATFORM_ADMIN)
    fields = _checked(given)
    username, email = admin_username.strip().lower(), admin_email.strip().lower()
    _check_admin(username, email)
    tenant = Tenant(**fields)
    db.session.add(tenant)
    db.session.flush()
    details: dict[str, Any] = {"name": tenant.name, "slug": tenant.slug, "plan": tenant.plan.value}
    resource = Resource("tenant", tenant.id, tenant.uuid)
    audit.record(actor, "tenant:create", resource, action="CREATE", details={**details, "admin": username})
    with tenant_scope(tenant.id):
        platform = Actor.system(tenant.id, make_system_user(tenant).id)
        audit.record(platform, "tenant:create", resource, action="CREATE", details=details)
        admin = _make_admin(tenant, username, email, password)
        about = {"username": username, "role": Role.ADMIN.value}
        audit.record(platform, "user:create", Resource("user", admin.id), action="CREATE", details=about)
        tenant_created.send(platform)
        db.session.flush()
    return tenant, admin


def _make_admin(tenant: Tenant, username: str, email: str, password: HashedPassword) -> User:
    admin = User(
        tenant_id=tenant.id,
        username=username,
        email=email,
        role=Role.ADMIN,
        password_hash=str(password),
        password_changed_at=database_now(),
        password_change_required=True,
    )
    db.session.add(admin)
    db.session.flush()
    db.session.add(Membership(tenant_id=tenant.id, user_id=admin.id, role=Role.ADMIN))
    db.session.flush()
    return admin


def _check_admin(username: str, email: str) -> None:
    try:
        check_username(username)
        check_email(email)
        refuse_taken(username=username, email=email)
    except (InvalidInput, Conflict) as error:
        error.errors = {f"admin_{name}": texts for name, texts in error.errors.items()}
        raise


def edit_tenant(actor: Actor, tenant_uuid: str, given: TenantFields, *, version: int | None = None) -> Tenant:
    """Change a tenant, deactivate or reactivate it.

    While it is inactive, its people and keys are refused everywhere and its pending runs wait; running ones end.
    Raises NotFound, VersionConflict, InvalidInput, Conflict (taken; one's own or the default tenant). Audited.
    """
    require(actor, Permission.PLATFORM_ADMIN)
    tenant = queries_tenants.get_tenant(actor, tenant_uuid, lock=True)
    fields = _checked(given, own_id=tenant.id)
    done = {name: value for name, value in fields.items() if value != getattr(tenant, name)}
    if not done and version in (None, tenant.version):
        return tenant
    check_version(tenant, version)
    if done.get("is_active") is False and tenant.id in (actor.tenant_id, DEFAULT_TENANT):
        raise Conflict("Your own tenant and the default one stay active: nobody could take it back.")
    details = {name: [_plain(getattr(tenant, name)), _plain(value)] for name, value in done.items()}
    for name, value in done.items():
        setattr(tenant, name, value)
    db.session.flush()
    resource = Resource("tenant", tenant.id, tenant.uuid)
    event = "tenant:update"
    if "is_active" in done:
        event = "tenant:reactivate" if tenant.is_active else "tenant:deactivate"
    audit.record(actor, event, resource, action="UPDATE", details=details)
    if tenant.id != actor.tenant_id:  # its people see in their own log what was decided about them
        with tenant_scope(tenant.id):
            audit.record(Actor.system(tenant.id), event, resource, action="UPDATE", details=details)
    return tenant


def _checked(given: TenantFields, own_id: int | None = None) -> dict[str, Any]:
    fields: dict[str, Any] = dict(given)
    if own_id is None and not fields.get("slug"):
        fields["slug"] = re.sub(r"[^a-z0-9]+", "-", fields["name"].lower())[:63].strip("-")
    if "slug" in fields:
        if not SLUG.match(fields["slug"]):
            raise InvalidInput(slug="Use 1 to 63 of a-z, 0-9 and dash; begin and end with a letter or digit.")
        _refuse_taken("slug", fields["slug"], own_id)
    if "domain" in fields:
        fields["domain"] = (fields["domain"] or "").strip().lower() or None
        if fields["domain"] is not None:
            if not DOMAIN.match(fields["domain"]):
                raise InvalidInput(domain="Give a domain name like ops.example.org, at most 191 characters.")
            _refuse_taken("domain", fields["domain"], own_id)
    if "description" in fields:
        fields["description"] = (fields["description"] or "").strip() or None
    return fields


def _refuse_taken(field: str, value: str, own_id: int | None) -> None:
    column = Tenant.slug if field == "slug" else Tenant.domain
    found = db.session.scalar(select(Tenant.id).where(column == value))
    if found is not None and found != own_id:
        message = f"Another tenant has this {field}. Choose another one."
        raise Conflict(message, errors={field: [message]}, error="name_taken")


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Plan) else value
