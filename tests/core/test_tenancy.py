"""Whatever class and whatever form of statement: a tenant sees and changes its own rows only."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from flask import Flask
from sqlalchemy import Select, delete, exists, func, select, update
from sqlalchemy.orm import aliased

from app.core.db import Model, db, unit_of_work
from app.core.tenancy import TenancyError, TenantOwned, tenant_scope
from app.wiring import load_models

load_models()
OWNED = sorted(
    (m.class_ for m in Model.registry.mappers if issubclass(m.class_, TenantOwned)), key=lambda c: c.__name__
)
# Classes whose rows belong to no tenant, each with its reason.
WITHOUT_TENANT = {
    "Tenant": "is the tenant",
    "AuditHead": "keyed by the tenant; touched only by the audit writer",
    "SignInAttempt": "counted before anybody is known",
    "Worker": "belongs to the platform",
    "Figure": "counts over all tenants, for /metrics",
    "RunEnd": "counts over all tenants, for /metrics",
    "JournalReport": "belongs to a worker's host",
    "LostBegin": "belongs to a worker's host; names a run, whose tenant is looked up",
    "KeeperChore": "belongs to the platform",
    "PlatformFlag": "belongs to the platform",
}


def test_every_class_belongs_to_a_tenant_or_has_a_reason() -> None:
    without = {m.class_.__name__ for m in Model.registry.mappers} - {cls.__name__ for cls in OWNED}
    assert without == set(WITHOUT_TENANT)


FORMS: dict[str, Callable[[type], Select]] = {
    "list": lambda cls: select(cls),
    "get": lambda cls: select(cls).where(cls.__mapper__.primary_key[0] == 1),
    "columns": lambda cls: select(cls.tenant_id),
    "count": lambda cls: select(func.count()).select_from(cls),
    "alias": lambda cls: select(aliased(cls)),
    "join": lambda cls: select(cls).join(other := aliased(cls), other.tenant_id == cls.tenant_id),
    "subquery": lambda cls: select(select(cls.tenant_id).subquery()),
    "exists": lambda cls: select(exists(select(cls.tenant_id))),
}


@pytest.mark.parametrize("cls", OWNED, ids=lambda cls: cls.__name__)
def test_reading_and_changing_in_every_form_is_limited_to_the_tenant(app_context: Flask, cls: type) -> None:
    statements: list[str] = []
    from sqlalchemy import event

    def note(_c: object, _cur: object, sql: str, parameters: object, *_more: object) -> None:
        statements.append(f"{sql} <- {parameters}")

    event.listen(db.engine, "before_cursor_execute", note)
    forms = {
        **FORMS,
        "update": lambda cls: update(cls).values(tenant_id=cls.tenant_id),
        "delete": lambda cls: delete(cls),
    }
    for name, form in forms.items():
        statements.clear()
        with suppress(TenancyError), unit_of_work() as session:  # hidden in a subquery it is not seen: then no row
            session.execute(form(cls))
        assert all("0 = 1" in line for line in statements if cls.__tablename__ in line), f"{name}: {statements}"
        statements.clear()
        with unit_of_work() as session, tenant_scope(4711):
            session.execute(form(cls))
        assert any("4711" in line and "tenant_id =" in line for line in statements), f"{name}: {statements}"
