"""The test suite's own watch on statements, and two tenants with rows."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, aliased

from app.accounts.models import Tenant
from app.core.db import unit_of_work
from app.core.db_time import db_now
from app.core.tenancy import system_scope, tenant_scope
from app.inventory.models import Server, ServerTag
from tests.support.statements import objection


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id FROM servers",
        "SELECT tenant_id FROM servers WHERE id = 1",
        "UPDATE jobs SET status = 'failed' WHERE id = 1",
        "DELETE FROM job_logs",
        "INSERT INTO tickets (id) VALUES (1)",
        "SELECT users.id FROM tenants JOIN users ON users.id = 1",
    ],
)
def test_a_statement_without_a_tenant_is_objected_to(statement: str) -> None:
    assert objection(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id FROM servers WHERE tenant_id = 1",
        "INSERT INTO tickets (tenant_id, id) VALUES (1, 1)",
        "SELECT id FROM tenants",
        "SELECT 1",
        "BEGIN IMMEDIATE",
    ],
)
def test_a_statement_with_its_tenant_passes(statement: str) -> None:
    assert objection(statement) is None


def test_statements_with_the_time_of_the_database_are_compiled_once() -> None:
    statement = update(Server).where(Server.id == 1).values(updated_at=db_now())
    assert statement._generate_cache_key() is not None
    assert select(db_now())._generate_cache_key() == select(db_now())._generate_cache_key()


@pytest.fixture
def two(app_context: Flask) -> tuple[int, int]:
    """Two tenants with a tagged server each."""
    with system_scope("test"), unit_of_work() as session:
        tenants = [Tenant(name=name, slug=name) for name in ("one", "two")]
        session.add_all(tenants)
        session.flush()
        for tenant in tenants:
            server = Server(tenant_id=tenant.id, hostname=f"host-{tenant.slug}", ip_address="192.0.2.1")
            session.add(server)
            session.flush()
            session.add(ServerTag(tenant_id=tenant.id, server_id=server.id, tag="web"))
        return tenants[0].id, tenants[1].id


def _names(session: Session, statement: object) -> list[str]:
    return list(session.scalars(statement))  # type: ignore[call-overload]


@pytest.mark.database
def test_every_form_of_reading_finds_the_own_rows_only(two: tuple[int, int]) -> None:
    other = aliased(Server)
    forms = {
        "list": select(Server.hostname),
        "alias": select(other.hostname),
        "join": select(Server.hostname).join(ServerTag, ServerTag.server_id != 0).where(ServerTag.tag == "web"),
        "subquery": select(select(Server.hostname).subquery()),
        "in": select(Server.hostname).where(Server.id.in_(select(ServerTag.server_id))),
        "exists": select(Server.hostname).where(select(ServerTag.tag).where(ServerTag.tag == "web").exists()),
    }
    for tenant_id, name in zip(two, ("host-one", "host-two"), strict=True):
        with tenant_scope(tenant_id), unit_of_work() as session:
            for form, statement in forms.items():
                assert _names(session, statement) == [name], form
            assert session.scalar(select(func.count()).select_from(Server)) == 1


@pytest.mark.database
def test_a_change_of_all_rows_leaves_the_other_tenant_alone(two: tuple[int, int]) -> None:
    with tenant_scope(two[0]), unit_of_work() as session:
        assert session.execute(update(Server).values(description="mine")).rowcount == 1  # type: ignore[attr-defined]
    with system_scope("test"), unit_of_work() as session:
        assert _names(session, select(Server.description).order_by(Server.tenant_id)) == ["mine", None]


@pytest.mark.database
def test_loading_and_refreshing_by_id_end_at_the_tenant(two: tuple[int, int]) -> None:
    with system_scope("test"), unit_of_work() as session:
        ids = _names(session, select(Server.id).order_by(Server.tenant_id))
    with tenant_scope(two[0]), unit_of_work() as session:
        own = session.get(Server, ids[0])
        assert own is not None and session.get(Server, ids[1]) is None
        session.refresh(own)
        assert own.hostname == "host-one"
