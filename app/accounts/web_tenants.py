"""Pages of tenants, for administrators of the platform."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.accounts import queries_tenants, service_tenants
from app.accounts.models import Plan, Tenant
from app.accounts.one_time import made_password, with_one_time_password
from app.accounts.queries_tenants import TenantFilter
from app.accounts.schemas import form_values
from app.accounts.schemas_tenants import TenantCreate, TenantEdit, TenantQuery, tenant_data
from app.accounts.web_blueprint import ask, blueprint, is_confirmed, read_filters, shown_errors, texts
from app.core.edit_version import typed_version
from app.core.errors import AppError
from app.core.flask_app import current_actor
from app.core.listing_export import PAGE_SIZE, export_format, export_rows
from app.core.permissions import Permission, require

COLUMNS = ("uuid", "name", "slug", "domain", "plan", "max_services", "is_active", "people", "created_at")
FIELDS = ("name", "slug", "domain", "plan", "description")
PLANS = [(plan.value, plan.value) for plan in Plan]


def _query() -> tuple[TenantFilter, dict[str, Any]]:
    query = read_filters(TenantQuery(), active="1")
    return TenantFilter(query.pop("is_active", None), query.pop("plan", None), query.pop("q", None)), query


@blueprint.get("/tenants")
def tenants() -> str:
    """List tenants; the active ones unless the address says otherwise."""
    actor = current_actor()
    wanted, query = _query()
    page = queries_tenants.list_tenants(actor, wanted, **query)
    people = queries_tenants.count_people(actor, [tenant.id for tenant in page.items])
    return render_template("accounts/tenants.html", page=page, people=people, plans=PLANS)


@blueprint.get("/tenants/export")
def tenants_export() -> Response:
    """Download the list with the filters of the address."""
    actor = current_actor()
    wanted, query = _query()

    def describe(rows: Any) -> list[dict[str, Any]]:
        people = queries_tenants.count_people(actor, [tenant.id for tenant in rows])
        return [tenant_data(tenant, people.get(tenant.id, 0)) for tenant in rows]

    return export_rows(
        lambda after: queries_tenants.list_tenants(
            actor, wanted, page_size=PAGE_SIZE, after=after, sort=query.get("sort")
        ),
        describe,
        COLUMNS,
        name="tenants",
        form=export_format(request.args.get("format")),
    )


def _form_page(tenant: Tenant | None, error: AppError | dict[str, list[str]] | None = None) -> ResponseReturnValue:
    errors = error if isinstance(error, dict) else shown_errors(error) if error else {}
    status = error.status if isinstance(error, AppError) else 422 if error else 200
    form = request.form.to_dict() if error else {}
    return render_template("accounts/tenant_form.html", tenant=tenant, form=form, errors=errors, plans=PLANS), status


def _typed() -> dict[str, Any]:
    given: dict[str, Any] = dict(texts(FIELDS))
    services = request.form.get("max_services", "").strip()
    given["max_services"] = (
        int(services) if services.isascii() and services.isdigit() and len(services) < 10 else services
    )
    return given


@blueprint.get("/tenants/new")
def tenant_new() -> ResponseReturnValue:
    """Show the form for a new tenant."""
    require(current_actor(), Permission.PLATFORM_ADMIN)
    return _form_page(None)


@blueprint.post("/tenants/new")
@with_one_time_password(Permission.PLATFORM_ADMIN)
def tenant_create() -> ResponseReturnValue:
    """Make a tenant and show its first administrator's one-time password, this once."""
    given = {**_typed(), **texts(("admin_username", "admin_email"))}
    values, errors = form_values(TenantCreate(), {name: value for name, value in given.items() if value is not None})
    if errors:
        return _form_page(None, errors)
    made = made_password()
    username, email = values.pop("admin_username"), values.pop("admin_email")
    fields: Any = values
    try:
        tenant, admin = service_tenants.create_tenant(
            current_actor(), fields, admin_username=username, admin_email=email, password=made.hashed
        )
    except AppError as error:
        return _form_page(None, error)
    page = render_template(
        "accounts/one_time_password.html",
        username=admin.username,
        one_time_password=made.clear,
        done=f"administers {tenant.name}",
        back_url=url_for("accounts.tenant", tenant_uuid=tenant.uuid),
        back_label=tenant.name,
    )
    return page, 201


@blueprint.get("/tenants/<uuid:tenant_uuid>")
def tenant(tenant_uuid: UUID) -> str:
    """Show a tenant."""
    actor = current_actor()
    found = queries_tenants.get_tenant(actor, str(tenant_uuid))
    people = queries_tenants.count_people(actor, [found.id]).get(found.id, 0)
    is_own = found.id == actor.tenant_id
    return render_template("accounts/tenant.html", tenant=found, people=people, is_own=is_own)


@blueprint.route("/tenants/<uuid:tenant_uuid>/edit", methods=["GET", "POST"])
def tenant_edit(tenant_uuid: UUID) -> ResponseReturnValue:
    """Edit a tenant."""
    actor = current_actor()
    require(actor, Permission.PLATFORM_ADMIN)
    found = queries_tenants.get_tenant(actor, str(tenant_uuid))
    if request.method == "GET":
        return _form_page(found)
    given = _typed()
    values, errors = form_values(TenantEdit(), {name: value for name, value in given.items() if value is not None})
    if errors:
        return _form_page(found, errors)
    values.update({name: None for name in ("domain", "description") if name in given and given[name] is None})
    fields: Any = values
    try:
        service_tenants.edit_tenant(actor, str(tenant_uuid), fields, version=typed_version())
    except AppError as error:
        return _form_page(found, error)
    flash(f"{found.name} was saved.", "success")
    return redirect(url_for("accounts.tenant", tenant_uuid=tenant_uuid), 303)


@blueprint.post("/tenants/<uuid:tenant_uuid>/deactivate")
def tenant_deactivate(tenant_uuid: UUID) -> ResponseReturnValue:
    """Refuse a tenant's people and keys everywhere, after a question."""
    actor = current_actor()
    require(actor, Permission.PLATFORM_ADMIN)
    found = queries_tenants.get_tenant(actor, str(tenant_uuid))
    back = url_for("accounts.tenant", tenant_uuid=tenant_uuid)
    if not is_confirmed():
        return ask(
            f"Deactivate {found.name}?",
            f"Nobody of {found.name} can sign in or use a key from this moment, and its waiting launches do not "
            "start. What is running ends normally. Everything stays stored, and it can be reactivated.",
            "Deactivate",
            back,
            {"version": found.version},
        )
    service_tenants.edit_tenant(actor, str(tenant_uuid), {"is_active": False}, version=typed_version())
    flash(f"{found.name} is deactivated.", "success")
    return redirect(back, 303)


@blueprint.post("/tenants/<uuid:tenant_uuid>/reactivate")
def tenant_reactivate(tenant_uuid: UUID) -> ResponseReturnValue:
    """Let a tenant in again."""
    found = service_tenants.edit_tenant(current_actor(), str(tenant_uuid), {"is_active": True}, version=typed_version())
    flash(f"{found.name} is active again. Its waiting launches go on.", "success")
    return redirect(url_for("accounts.tenant", tenant_uuid=tenant_uuid), 303)
