"""The three accounts, made with the SQL that the product prints."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from app.audit.service import Resource, record
from app.core.actor import Actor
from app.core.db import unit_of_work
from app.core.schema_version import SchemaOutOfDate, needed_revision, require_current_schema
from tests.audit.conftest import actor as actor
from tests.audit.conftest import make_tenant as make_tenant
from tests.support.databases import TestDatabase

# SQLite has no accounts.
with_accounts = pytest.mark.parametrize("database_kind", ["mariadb", "mysql"], indirect=True)
USERS = ("printed_app", "printed_arc")


@pytest.fixture
def accounts(app: Flask, database: TestDatabase) -> Iterator[dict[str, Engine]]:
    """Engines of the migrator, and of accounts that got their rights from the printed SQL and nothing else."""
    assert database.server is not None
    result = app.test_cli_runner().invoke(args=["db", "grants", "--application", USERS[0], "--archiver", USERS[1]])
    assert result.exit_code == 0, result.output
    statements = [line.rstrip(";") for line in result.output.splitlines()]
    database.server.execute(*(f"CREATE USER '{user}'@'%' IDENTIFIED BY 'printed'" for user in USERS), *statements)
    url = make_url(database.app_url)
    engines = {user[-3:]: create_engine(url.set(username=user, password="printed")) for user in USERS}
    engines["mig"] = database.engine("migrator")
    yield engines
    for engine in engines.values():
        engine.dispose()
    database.server.execute(*(f"DROP USER '{user}'@'%'" for user in USERS))


def code_of(engine: Engine, statement: str) -> int:
    """0 when it was done, else the server's error number."""
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(statement)
    except DBAPIError as error:
        assert error.orig is not None
        return int(error.orig.args[0])
    return 0


DENIED = {1142, 1143, 1227, 1044}
COLUMNS = "tenant_id, seq, action, event, outcome, resource_type, via, key_id, prev_hash, hash"
VALUES = "1, 900, 'a', 'a:b', 'success', 'x', 'cli', 'k', REPEAT('x', 32), REPEAT('x', 32)"


FORBIDDEN = (
    "UPDATE audit_logs SET action = 'x'",
    "DELETE FROM audit_logs",
    "TRUNCATE TABLE audit_logs",
    "DROP TABLE audit_logs",
    "ALTER TABLE audit_logs ADD COLUMN x INT",
    f"REPLACE INTO audit_logs ({COLUMNS}) VALUES ({VALUES})",
    f"INSERT INTO audit_logs ({COLUMNS}) VALUES ({VALUES}) ON DUPLICATE KEY UPDATE action = 'x'",
    "DELETE FROM audit_heads",
    "UPDATE alembic_version SET version_num = 'x'",
    "DROP TRIGGER tr_audit_logs_no_update",
    "CREATE TABLE more (id INT)",
)


@with_accounts
def test_the_application_is_refused_what_it_was_not_granted(accounts: dict[str, Engine]) -> None:
    allowed = [statement for statement in FORBIDDEN if code_of(accounts["app"], statement) not in DENIED]
    assert allowed == []


@with_accounts
@pytest.mark.parametrize("verb", ["UPDATE audit_logs SET action = 'x'", "DELETE FROM audit_logs"])
def test_even_the_migrator_and_root_meet_the_trigger(
    database: TestDatabase, accounts: dict[str, Engine], actor: Actor, verb: str
) -> None:
    with unit_of_work():
        record(actor, "server:create", Resource("server", 1))
    root = database.root()
    assert code_of(root, verb) == 1644  # SIGNAL SQLSTATE '45000'
    assert code_of(accounts["mig"], verb) == 1644
    root.dispose()


def test_sqlite_refuses_changes_of_the_log_by_its_triggers(database: TestDatabase, actor: Actor) -> None:
    with unit_of_work():
        record(actor, "server:create", Resource("server", 1))
    engine = database.root()
    for statement in ("UPDATE audit_logs SET action = 'x'", "DELETE FROM audit_logs"):
        with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(text(statement))
    engine.dispose()


@with_accounts
def test_the_printed_rights_are_enough_to_record(accounts: dict[str, Engine], actor: Actor) -> None:
    from app.audit import chain

    with unit_of_work():
        record(actor, "server:create", Resource("server", 1))
    with unit_of_work(writes=False) as session:
        found = session.connection().execute(chain.ENTRIES.select()).mappings().one()
        entry = {
            name: value for name, value in found.items() if name not in ("id", "seq", "hash", "prev_hash", "key_id")
        }
    with accounts["app"].begin() as connection:
        chain.append(connection, [entry])
    with accounts["app"].begin() as connection:
        assert connection.execute(text("SELECT COUNT(*) FROM audit_logs")).scalar() == 2


@pytest.mark.database
def test_the_check_finds_the_database_of_the_tests_in_order(app: Flask) -> None:
    result = app.test_cli_runner().invoke(args=["database", "check"])
    assert result.exit_code == 0, result.output
    assert "FAIL" not in result.output
    assert needed_revision() in result.output


@pytest.mark.database
def test_the_check_names_a_missing_trigger(app: Flask, database: TestDatabase) -> None:
    from app.audit import chain
    from tests.audit.intruder import intruder

    assert chain is not None
    with intruder(database) as connection:
        connection.commit()
        result = app.test_cli_runner().invoke(args=["database", "check"])
    if database.kind == "sqlite":
        assert result.exit_code == 1
        assert "tr_audit_logs_no_update" in result.output
    else:
        assert "not visible to this account" in result.output


@pytest.mark.database
def test_a_database_behind_or_ahead_of_the_code_stops_the_start(app_context: Flask, database: TestDatabase) -> None:
    require_current_schema()
    for version, advice in (("0003", "flask db upgrade"), ("9999", "newer version")):
        root = database.root()
        try:
            with root.begin() as connection:
                connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": version})
            with pytest.raises(SchemaOutOfDate, match=advice):
                require_current_schema()
        finally:
            with root.begin() as connection:
                connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": needed_revision()})
            root.dispose()


@pytest.mark.parametrize("dialect", ["mysql", "mariadb", "sqlite"])
def test_the_ddl_of_every_table_can_be_printed(app: Flask, dialect: str) -> None:
    from app.core.db import Model

    result = app.test_cli_runner().invoke(args=["db", "ddl", "--dialect", dialect])
    assert result.exit_code == 0, result.output
    made = set(re.findall(r"CREATE TABLE (\w+)", result.output))
    assert made == set(Model.metadata.tables)
