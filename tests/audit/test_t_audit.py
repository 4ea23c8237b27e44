"""T-AUDIT: what the application's own account and code cannot do to the log; what clocks and counters change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.accounts.models import Tenant
from app.audit.chain import ENTRIES
from app.audit.models import AuditEntry
from app.audit.service import Resource, record
from app.audit.verify import Verification, verify_chain
from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.db import db, unit_of_work
from app.core.tenancy import tenant_scope
from tests.support.databases import TestDatabase

everywhere = pytest.mark.database
EVERYWHERE = ("UPDATE audit_logs SET action = 'X'", "DELETE FROM audit_logs", "DELETE FROM tenants")
ON_SERVERS = (
    "TRUNCATE TABLE audit_logs",
    "DROP TABLE audit_logs",
    "DROP TRIGGER tr_audit_logs_no_update",
    "ALTER TABLE audit_logs DROP COLUMN hash",
    "REPLACE INTO audit_logs SELECT * FROM audit_logs",
    "INSERT INTO audit_logs SELECT * FROM audit_logs s ON DUPLICATE KEY UPDATE audit_logs.action = 'X'",
    "DELETE FROM audit_heads",
    "UPDATE audit_archives SET last_seq = 9",
    "UPDATE audit_verifications SET intact = 1",
)
with_accounts = pytest.mark.parametrize("database_kind", ["mariadb", "mysql"], indirect=True)


@pytest.fixture
def filled(actor: Actor) -> Actor:
    """Three entries."""
    with unit_of_work():
        for place in range(3):
            record(actor, "server:update", Resource("server", place))
    return actor


def verify(actor: Actor) -> Verification:
    with unit_of_work(writes=False):
        return verify_chain(actor.tenant_id)


def refused(statement: str) -> None:
    with pytest.raises(DBAPIError), unit_of_work() as session:
        session.connection().execute(text(statement))


@everywhere
def test_t_audit_sql_of_the_application_changes_and_removes_nothing(filled: Actor) -> None:
    for statement in EVERYWHERE:
        refused(statement)
    assert verify(filled).entries == 3
    assert verify(filled).is_intact


@with_accounts
def test_t_audit_the_applications_account_has_no_way_around_the_triggers(filled: Actor, database_kind: str) -> None:
    for statement in ON_SERVERS:
        refused(statement)
    assert verify(filled).entries == 3
    assert verify(filled).is_intact


def _change(session: Session) -> None:
    entry = session.scalars(select(AuditEntry).where(AuditEntry.seq == 2)).one()
    entry.action = "X"
    session.flush()


def _remove(session: Session) -> None:
    session.delete(session.scalars(select(AuditEntry).where(AuditEntry.seq == 2)).one())
    session.flush()


def _change_all(session: Session) -> None:
    session.execute(update(AuditEntry).values(action="X"))


@everywhere
@pytest.mark.parametrize("act", [_change, _remove, _change_all])
def test_t_audit_the_orm_changes_and_removes_nothing(filled: Actor, act: Callable[[Session], None]) -> None:
    with pytest.raises(DBAPIError), tenant_scope(filled.tenant_id), unit_of_work() as session:
        act(session)
    assert verify(filled).is_intact


@everywhere
def test_t_audit_an_entry_that_the_application_forges_is_found(filled: Actor) -> None:
    with unit_of_work() as session:
        found = session.connection().execute(select(ENTRIES).where(ENTRIES.c.seq == 3)).mappings().one()
        row: dict[str, Any] = {**found, "seq": 4, "resource_id": 99}
        row.pop("id")
        session.connection().execute(insert(ENTRIES).values(**row))
    finding = verify(filled).finding
    assert finding is not None
    assert (finding.seq, finding.kind) == (4, "inserted")


@everywhere
def test_t_audit_a_clock_that_is_set_back_changes_no_order(filled: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.audit.service.utc_now", lambda: utc_now() - timedelta(days=3))
    with unit_of_work():
        record(filled, "server:update", Resource("server", 9))
    result = verify(filled)
    assert (result.is_intact, result.entries) == (True, 4)


@with_accounts
def test_t_audit_a_counter_that_is_set_back_is_without_effect(filled: Actor, database: TestDatabase) -> None:
    assert database.server is not None
    database.server.execute("ALTER TABLE audit_logs AUTO_INCREMENT = 1", database=database.name)
    with unit_of_work():
        record(filled, "server:update", Resource("server", 9))
    assert verify(filled).is_intact


@with_accounts
def test_t_audit2_while_the_log_is_locked_an_action_fails_and_leaves_nothing(
    filled: Actor, database: TestDatabase
) -> None:
    assert database.server is not None
    database.server.execute("SET GLOBAL innodb_lock_wait_timeout = 1")
    db.engine.dispose()  # new connections take the new patience
    holder = database.server.connect(database.name)
    try:
        with holder.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT * FROM audit_heads FOR UPDATE")
            with pytest.raises(DBAPIError), unit_of_work() as session:
                session.execute(update(Tenant).where(Tenant.id == filled.tenant_id).values(name="changed"))
                record(filled, "tenant:update", Resource("tenant", filled.tenant_id))
            cursor.execute("ROLLBACK")
    finally:
        holder.close()
        database.server.execute("SET GLOBAL innodb_lock_wait_timeout = 50")
        db.engine.dispose()
    with unit_of_work(writes=False) as session:
        assert session.scalar(select(Tenant.name).where(Tenant.id == filled.tenant_id)) == "alpha"
    assert verify(filled).entries == 3
