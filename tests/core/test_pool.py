"""Pooled connections: checked when taken, reset when given back, without statements where none are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pymysql
import pytest
from flask import Flask
from sqlalchemy import QueuePool, text

from app.core.db import db, engine_options, unit_of_work
from config import Settings
from tests.support.databases import TestDatabase


def test_the_pool_of_a_web_process_is_the_documents(make_settings: Callable[..., Settings]) -> None:
    options = engine_options(make_settings(database_url="mysql+pymysql://app@db.example.org/millwright"))
    found = [options[name] for name in ("pool_size", "pool_timeout", "pool_recycle", "max_overflow")]
    assert found == [20, 30, 3600, 10]


@pytest.mark.database
def test_an_engine_gets_the_pool_that_the_settings_ask_for(database: TestDatabase, app_context: Flask) -> None:
    if database.server is not None:
        pool = db.engine.pool
        assert isinstance(pool, QueuePool)
        assert (pool.size(), pool.timeout(), pool._recycle, pool._max_overflow) == (20, 30, 3600, 10)


@pytest.fixture
def sent(app_context: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every command that PyMySQL sends: its text, or its number for those without."""
    commands: list[str] = []
    original = pymysql.connections.Connection._execute_command

    def note(self: object, command: int, sql: str | bytes) -> None:
        commands.append((sql.decode() if isinstance(sql, bytes) else sql) or str(command))
        original(self, command, sql)

    with unit_of_work() as session:
        session.execute(text("SELECT 1"))
    monkeypatch.setattr(pymysql.connections.Connection, "_execute_command", note)
    return commands


@pytest.mark.database
def test_a_unit_of_work_costs_its_statements_and_a_commit(database: TestDatabase, sent: list[str]) -> None:
    with unit_of_work() as session:
        session.execute(text("SELECT 2"))
    assert sent == ([] if database.kind == "sqlite" else ["SELECT 2", "COMMIT"])


@pytest.mark.database
def test_a_unit_that_fails_leaves_no_transaction_open(database: TestDatabase, sent: list[str]) -> None:
    with pytest.raises(ZeroDivisionError), unit_of_work() as session:
        session.execute(text("SELECT 2"))
        raise ZeroDivisionError
    assert database.kind == "sqlite" or sent[:2] == ["SELECT 2", "ROLLBACK"]


@pytest.mark.database
def test_a_connection_that_is_given_back_unfinished_is_rolled_back(database: TestDatabase, sent: list[str]) -> None:
    connection = db.engine.raw_connection()
    connection.cursor().execute("SELECT 2")
    connection.close()
    assert sent == ([] if database.kind == "sqlite" else ["SELECT 2", "ROLLBACK"])


@pytest.mark.database
def test_a_connection_that_the_server_closed_is_replaced(database: TestDatabase, app_context: Flask) -> None:
    if database.server is None:
        return  # SQLite has no server
    with unit_of_work() as session:
        before = session.scalar(text("SELECT CONNECTION_ID()"))
    database.server.execute(f"KILL {before}")
    with unit_of_work() as session:
        assert session.scalar(text("SELECT CONNECTION_ID()")) != before
