"""Tenants and actors for the tests of the audit log."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import func, insert, select

from app.accounts.models import Tenant
from app.core.actor import Actor, Role, Via
from app.core.db import db, unit_of_work

MakeTenant = Callable[[str], Actor]


@pytest.fixture
def make_tenant(app_context: Flask) -> MakeTenant:
    """A function that stores a tenant and returns an administrator of it."""

    def make(slug: str) -> Actor:
        with unit_of_work() as session:
            known = session.scalar(select(Tenant.id).where(Tenant.slug == slug))
            if known is None:
                session.execute(insert(Tenant).values(name=slug, slug=slug))
            tenant_id = session.scalar(select(Tenant.id).where(Tenant.slug == slug))
        assert tenant_id is not None
        return Actor(tenant_id, 7, Role.ADMIN, "ada", Via.SESSION, ip_address="192.0.2.7", user_agent="Browser")

    return make


@pytest.fixture
def actor(make_tenant: MakeTenant) -> Actor:
    """An administrator of tenant "alpha"."""
    return make_tenant("alpha")


def count(model: type) -> int:
    """Rows of a table, tenancy aside."""
    from app.core.tenancy import system_scope

    with unit_of_work(writes=False), system_scope("test"):
        return db.session.scalar(select(func.count()).select_from(model)) or 0
