"""The test databases keep what tests/support promises."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tests.support import databases as support
from tests.support.databases import TestDatabase

pytestmark = pytest.mark.database


def _some_tables(database: TestDatabase) -> None:
    engine = database.engine("migrator")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE audit_logs (id INTEGER PRIMARY KEY, word VARCHAR(20))"))
        connection.execute(text("CREATE TABLE things (id INTEGER PRIMARY KEY, word VARCHAR(20))"))
        connection.execute(text("INSERT INTO things VALUES (1, 'seed')"))
    engine.dispose()


def _words(database: TestDatabase, table: str) -> list[str]:
    engine = database.engine()
    with engine.connect() as connection:
        rows = [row[0] for row in connection.execute(text(f"SELECT word FROM {table} ORDER BY id"))]
    engine.dispose()
    return rows


def test_a_reset_leaves_what_the_migrations_inserted_and_nothing_else(bare_database: TestDatabase) -> None:
    _some_tables(bare_database)
    if bare_database.server is None:
        assert bare_database.path is not None
        template = bare_database.path.with_suffix(".template")
        support.sqlite_reset(support.create_sqlite(template), bare_database.path)()
        reset = support.sqlite_reset(bare_database, template)
    else:
        support.grant(bare_database)
        reset = support.server_reset(bare_database)
    engine = bare_database.engine()
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO audit_logs VALUES (1, 'entry')"))
        connection.execute(text("UPDATE things SET word = 'changed'"))
        connection.execute(text("INSERT INTO things VALUES (2, 'more')"))
    engine.dispose()

    reset()

    assert _words(bare_database, "things") == ["seed"]
    assert _words(bare_database, "audit_logs") == []


def test_the_application_may_add_audit_entries_but_not_change_them(bare_database: TestDatabase) -> None:
    if bare_database.server is None:
        return  # SQLite has no accounts; its triggers are tested with the audit slice
    _some_tables(bare_database)
    support.grant(bare_database)
    engine = bare_database.engine()
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO audit_logs VALUES (1, 'entry')"))
    for statement in (
        "UPDATE audit_logs SET word = 'x'",
        "DELETE FROM audit_logs",
        "TRUNCATE TABLE audit_logs",
        "DROP TABLE things",
        "CREATE TABLE more (id INTEGER)",
    ):
        with pytest.raises(OperationalError, match="denied"), engine.begin() as connection:
            connection.execute(text(statement))
    engine.dispose()


def test_a_server_does_not_help_a_session_that_forgets_its_own_settings(bare_database: TestDatabase) -> None:
    if bare_database.server is None:
        return
    connection = bare_database.server.connect(bare_database.name)
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@global.time_zone, @@collation_database")
        row = cursor.fetchone()
    connection.close()
    assert row == ("+09:30", "utf8mb4_unicode_ci")
