"""Somebody with every right in the database, who switches the triggers off for the time of an act."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

from tests.support.databases import TestDatabase

TRIGGERS = ("tr_audit_logs_no_update", "tr_audit_logs_no_delete")


@contextmanager
def intruder(database: TestDatabase) -> Iterator[Connection]:
    """A connection as root without the triggers; they are as before afterwards."""
    engine = database.root()
    try:
        with engine.connect() as connection:
            kept = [_definition(connection, database.kind, name) for name in TRIGGERS]
            for name in TRIGGERS:
                connection.execute(text(f"DROP TRIGGER {name}"))
            try:
                yield connection
            finally:
                connection.commit()
                for statement in kept:
                    connection.exec_driver_sql(statement.replace("%", "%%"))
                connection.commit()
    finally:
        engine.dispose()


def _definition(connection: Connection, kind: str, name: str) -> str:
    if kind == "sqlite":
        found = connection.execute(text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": name})
        return str(found.scalar_one())
    return str(connection.execute(text(f"SHOW CREATE TRIGGER {name}")).mappings().one()["SQL Original Statement"])
