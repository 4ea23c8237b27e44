"""What the database does to rows by itself."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError

from app.core.db import Model
from tests import factories
from tests.holdings import make_holdings
from tests.support.databases import TestDatabase

LONG_AGO = "2001-01-01 00:00:00"


@pytest.mark.database
def test_a_change_past_the_application_moves_updated_at(app: Flask, database: TestDatabase) -> None:
    make_holdings(app, factories.make_person(factories.make_tenant("Default").id))
    engine, moved = database.root(), set()
    for name, table in Model.metadata.tables.items():
        if not {"updated_at", "version"} <= set(table.c.keys()):
            continue
        with engine.begin() as connection:
            rows = connection.scalar(select(func.count()).select_from(table))
            connection.execute(update(table).values(updated_at=text(f"'{LONG_AGO}'")))
        with engine.begin() as connection:
            connection.execute(text(f"UPDATE {name} SET version = version + 1"))
            old = connection.scalar(text(f"SELECT COUNT(*) FROM {name} WHERE updated_at < '2002-01-01'"))
        assert old == 0, name
        moved |= {name} if rows else set()
    engine.dispose()
    assert {"users", "servers", "playbooks", "tickets"} <= moved


@pytest.mark.database
def test_a_reference_to_another_tenants_row_is_refused_by_the_database(app: Flask, database: TestDatabase) -> None:
    ours = make_holdings(app, factories.make_person(factories.make_tenant("One").id))
    theirs = make_holdings(app, factories.make_person(factories.make_tenant("Two").id))
    engine = database.root()
    with engine.connect() as connection:
        job = connection.scalar(text("SELECT id FROM jobs WHERE job_id = :uuid"), {"uuid": theirs.job_id})
    changes: tuple[tuple[str, str, object, str, object], ...] = (
        ("jobs", "server_id", theirs.server_id, "job_id", ours.job_id),
        ("jobs", "playbook_id", theirs.playbook_id, "job_id", ours.job_id),
        ("tickets", "job_id", job, "ticket_id", ours.ticket_id),
    )
    for table, column, value, key, own in changes:
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(text(f"UPDATE {table} SET {column} = :v WHERE {key} = :own"), {"v": value, "own": own})
    engine.dispose()
