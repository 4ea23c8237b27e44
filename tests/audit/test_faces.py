"""The page and the REST API over the audit log."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from app.audit.service import Resource, record
from app.core.actor import Actor, Role
from app.core.clock import utc_now
from app.core.db import db, unit_of_work
from app.core.flask_app import PlatformFlask
from tests.audit.conftest import MakeTenant

SignIn = Callable[[Actor], FlaskClient]


@pytest.fixture
def sign_in(app: Flask, monkeypatch: pytest.MonkeyPatch) -> SignIn:
    """A function that returns a client whose requests are the actor's."""
    assert isinstance(app, PlatformFlask)
    app.config["WTF_CSRF_ENABLED"] = False

    def as_actor(actor: Actor) -> FlaskClient:
        monkeypatch.setattr(app, "authenticator", lambda: actor)
        return app.test_client()

    return as_actor


def fill(actor: Actor, number: int, **options: Any) -> None:
    with unit_of_work():
        for place in range(1, number + 1):
            record(actor, "server:update", Resource("server", place), **options)


def seqs(client: FlaskClient, query: str = "") -> list[int]:
    answer = client.get(f"/api/v1/audit-logs{query}")
    assert answer.status_code == 200, answer.text
    return [entry["seq"] for entry in answer.get_json()]


@pytest.mark.database
def test_the_list_goes_by_cursor_to_its_end(actor: Actor, sign_in: SignIn) -> None:
    fill(actor, 7)
    client, seen, after = sign_in(actor), [], ""
    for _ in range(3):
        answer = client.get(f"/api/v1/audit-logs?page_size=3{after}")
        seen += [entry["seq"] for entry in answer.get_json()]
        after = f"&after={json.loads(answer.headers['X-Pagination'])['next_after']}"
    assert seen == [7, 6, 5, 4, 3, 2, 1]
    assert after == "&after=None"


@pytest.mark.database
def test_filters_narrow_the_list(actor: Actor, sign_in: SignIn) -> None:
    fill(actor, 3)
    with unit_of_work():
        record(replace(actor, user_id=None), "job:cancel", Resource("job", 2), outcome="failed")
    client = sign_in(actor)
    assert seqs(client, "?resource_type=server") == [3, 2, 1]
    assert seqs(client, "?resource_type=server&resource_id=2") == [2]
    assert seqs(client, "?action=CANCEL") == [4]
    assert seqs(client, "?event=job:cancel") == [4]
    assert seqs(client, "?user_id=7") == [3, 2, 1]
    today, tomorrow = utc_now().date(), utc_now().date() + timedelta(days=1)
    assert seqs(client, f"?from={today}&to={today}") == [4, 3, 2, 1]
    assert seqs(client, f"?from={tomorrow}") == []
    assert seqs(client, "?to=2020-01-01T00:00:00Z") == []


def test_another_tenant_sees_nothing(actor: Actor, make_tenant: MakeTenant, sign_in: SignIn) -> None:
    fill(actor, 3)
    client = sign_in(make_tenant("beta"))
    assert seqs(client) == []
    assert client.get("/api/v1/audit-logs/verification").get_json()["intact"] is None


@pytest.mark.parametrize(
    "query",
    ["?page=1", "?colour=red", "?from=yesterday", "?from=2026-11-21T00:00:00", "?resource_id=1", "?after=x",
     "?page_size=101", "?user_id=99999999999", "?to=9999-12-31", "?from=" + "2" * 5000],
)  # fmt: skip
def test_a_bad_filter_is_422_with_the_field(actor: Actor, sign_in: SignIn, query: str) -> None:
    answer = sign_in(actor).get(f"/api/v1/audit-logs{query}")
    assert answer.status_code == 422, answer.text
    assert answer.get_json()["errors"]


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.VIEWER])
@pytest.mark.parametrize("path", ["/api/v1/audit-logs", "/api/v1/audit-logs/verification", "/audit"])
def test_only_administrators_read_the_log(actor: Actor, sign_in: SignIn, role: Role, path: str) -> None:
    answer = sign_in(replace(actor, role=role)).get(path, headers={"Accept": "application/json"})
    assert answer.status_code == 403


def test_a_page_of_a_hundred_entries_takes_as_many_statements_as_one_of_two(actor: Actor, sign_in: SignIn) -> None:
    fill(actor, 101)
    client, statements = sign_in(actor), []
    event.listen(db.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    numbers = []
    for size in (2, 100):
        statements.clear()
        assert len(seqs(client, f"?page_size={size}")) == size
        numbers.append(len(statements))
    assert numbers[0] == numbers[1] <= 4


@pytest.mark.database
def test_verify_now_keeps_the_result_shows_it_and_leaves_one_entry(actor: Actor, sign_in: SignIn) -> None:
    fill(actor, 2)
    client = sign_in(actor)
    assert client.post("/audit/verification").status_code == 302
    answer = client.get("/api/v1/audit-logs/verification").get_json()
    assert (answer["intact"], answer["entries"], answer["first_bad_seq"]) == (True, 2, None)
    assert answer["verified_at"].endswith("Z")
    assert seqs(client) == [3, 2, 1]


def test_a_long_chain_is_not_walked_within_a_request(
    actor: Actor, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.audit.service.WALK_LIMIT", 2)
    fill(actor, 3)
    answer = sign_in(actor).post("/audit/verification", headers={"Accept": "application/json"})
    assert answer.status_code == 409
    assert "flask audit verify" in answer.get_json()["message"]
