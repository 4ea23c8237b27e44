"""Liveness and readiness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from app import create_app
from app.core.clock import utc_now
from app.core.db import db, unit_of_work
from app.jobs.leader import Leadership
from app.jobs.models import Worker
from app.jobs.workers import register
from config import Settings


def parts(client: FlaskClient, status: int) -> dict[str, dict[str, Any]]:
    for path in ("/ready", "/api/v1/ready"):
        answer = client.get(path)
        assert answer.status_code == status
        assert answer.json is not None
        assert answer.json["ready"] is (status == 200)
        found = {part["name"]: part for part in answer.json["parts"]}
    return found


@pytest.mark.parametrize("path", ["/health", "/api/v1/health"])
def test_health_needs_nobody_and_nothing(make_settings: Callable[..., Settings], path: str) -> None:
    app = create_app(make_settings(database_url="sqlite:////nonexistent/place.db"))
    answer = app.test_client().get(path)
    assert (answer.status_code, answer.json and answer.json["status"]) == (200, "ok")


@pytest.mark.database
def test_ready_says_the_state_of_every_part(app: Flask, client: FlaskClient) -> None:
    before = parts(client, 200)
    assert {name: part["ok"] for name, part in before.items()} == {
        "database": True,
        "schema": True,
        "redis": False,
        "worker": False,
        "keeper": False,
    }
    leadership = Leadership()
    with app.app_context():
        register("one@here")
        try:
            assert leadership.hold()
            after = parts(client, 200)
        finally:
            leadership.release()
        with unit_of_work():
            db.session.execute(update(Worker).values(last_seen_at=utc_now().replace(year=2001)))
    assert after["worker"]["ok"]
    assert after["keeper"]["ok"]
    later = parts(client, 200)
    assert not later["worker"]["ok"]
    assert not later["keeper"]["ok"]


def test_a_database_that_does_not_answer_is_503_and_names_no_secret(make_settings: Callable[..., Settings]) -> None:
    url = "mysql+pymysql://somebody:hidden-word@127.0.0.1:1/db"
    client = create_app(make_settings(database_url=url)).test_client()
    assert not parts(client, 503)["database"]["ok"]
    answer = client.get("/ready")
    assert answer.headers["Retry-After"] == "5"
    text = answer.get_data(as_text=True)
    assert "hidden-word" not in text
    assert "somebody" not in text


def test_a_schema_that_is_behind_is_503_and_says_what_to_do(app: Flask, client: FlaskClient) -> None:
    from sqlalchemy import text

    with app.app_context(), unit_of_work() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert "flask db upgrade" in parts(client, 503)["schema"]["message"]
