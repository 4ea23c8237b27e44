"""The application as tests see it."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import text

from app.core.db import db
from tests.support.databases import TestDatabase


@pytest.mark.database
def test_the_application_sets_up_its_own_sessions(app_context: Flask, database: TestDatabase) -> None:
    if database.server is None:
        wanted = {"PRAGMA foreign_keys": 1, "PRAGMA journal_mode": "wal"}
    else:
        wanted = {"SELECT @@session.time_zone": "+00:00"}
        level = "transaction_isolation" if database.kind == "mysql" else "tx_isolation"
        wanted[f"SELECT @@session.{level}"] = "READ-COMMITTED"
    for statement, value in wanted.items():
        assert db.session.execute(text(statement)).scalar() == value
