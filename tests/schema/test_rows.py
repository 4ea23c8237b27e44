"""What the database does to rows by itself."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select, text, update

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
