"""/metrics reads what is open, not what has ended: measured with the servers' own counters."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import text

from app.core.clock import utc_now
from app.core.db import db
from app.core.probe import looking
from app.core.tenancy import system_scope
from app.dashboard import metrics_read
from tests import factories
from tests.holdings import make_holdings
from tests.scale.multiply import multiply
from tests.scale.rows_read import rows_read

ROWS = 20_000
MOST = 1_000  # rows that one statement may read when a handful of runs, jobs and tickets are open


@pytest.mark.parametrize("database_kind", ["mariadb", "mysql"], indirect=True)  # SQLite counts no rows
def test_a_scrape_reads_few_rows_however_many_have_ended(app: Flask) -> None:
    owner = factories.make_person(factories.make_tenant().id)
    make_holdings(app, owner)
    with factories.context(), system_scope("test"):
        engine = db.engine
        with engine.begin() as connection:
            connection.execute(text("UPDATE tickets SET status = 'closed'"))
            connection.execute(text("UPDATE runs SET status = 'success'"))
            connection.execute(text("UPDATE jobs SET status = 'success' WHERE status IN ('pending', 'running')"))
        multiply(("launches", "runs", "jobs", "tickets"), ROWS, owner.tenant_id)
        with engine.begin() as connection:
            for table in ("runs", "jobs", "tickets", "tenants"):
                connection.exec_driver_sql(f"ANALYZE TABLE {table}")
        with looking() as session, rows_read(session.get_bind().engine) as reads:
            metrics_read.read(session, utc_now())
    assert len(reads) >= 10
    found = [f"{read.rows} rows for {read.statement}" for read in reads if read.rows > MOST]
    assert not found, "\n\n".join(found)
