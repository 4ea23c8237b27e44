"""The page and the REST API over the audit log."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.audit.anchor import anchor_heads
from app.audit.chain import ENTRIES
from app.audit.models import AuditWalk
from app.audit.service import Resource, record, record_refusal
from app.audit.walks import begin_due_walks, step_walks
from app.core.actor import Actor, Role, Via
from app.core.clock import utc_now
from app.core.db import unit_of_work
from app.core.flask_app import PlatformFlask
from app.core.runtime import settings
from tests.audit.conftest import MakeTenant
from tests.support.sent import sent

WALKS = AuditWalk.__table__
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
    client, numbers = sign_in(actor), []
    for size in (2, 100):
        with sent() as statements:
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


def test_a_long_chain_is_left_to_the_keeper_which_keeps_its_place(
    actor: Actor, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.audit.service_log.WALK_LIMIT", 2)
    monkeypatch.setattr("app.audit.verify.CHUNK", 2)
    monkeypatch.setattr("app.audit.walks.STEP_SECONDS", 0)
    fill(actor, 5)
    client = sign_in(actor)
    first = client.post("/api/v1/audit-logs/verification").get_json()
    assert first["running"]["next_seq"] == 1
    assert first["intact"] is None
    assert client.post("/api/v1/audit-logs/verification").status_code == 409
    assert step_walks() == 1
    running = client.get("/api/v1/audit-logs/verification").get_json()["running"]
    assert (running["next_seq"], running["newest_seq"]) == (3, 6)
    assert "entry 3 of 6" in client.get("/audit/verification").text
    while step_walks():
        pass
    done = client.get("/api/v1/audit-logs/verification").get_json()
    assert (done["running"], done["intact"], done["entries"], done["user_id"]) == (None, True, 6, actor.user_id)
    assert "6 entries checked" in done["message"]
    assert len(done["history"]) == 1


def test_a_walk_that_somebody_moves_in_the_database_begins_again(
    actor: Actor, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.audit.service_log.WALK_LIMIT", 2)
    fill(actor, 4)
    client = sign_in(actor)
    client.post("/audit/verification")
    with unit_of_work() as session:
        last = session.connection().execute(select(ENTRIES.c.prev_hash).where(ENTRIES.c.seq == 4)).scalar_one()
        session.connection().execute(update(WALKS).values(next_seq=4, previous=last, checked=3))
    step_walks()
    assert client.get("/api/v1/audit-logs/verification").get_json()["entries"] == 5


def test_the_keeper_verifies_each_chain_once_a_day(actor: Actor, sign_in: SignIn) -> None:
    fill(actor, 2)
    assert [begin_due_walks(), begin_due_walks()] == [1, 0]
    step_walks()
    assert begin_due_walks() == 0
    done = sign_in(actor).get("/api/v1/audit-logs/verification").get_json()
    assert (done["intact"], done["entries"], done["user_id"]) == (True, 2, None)


@pytest.mark.database
def test_what_no_index_holds_is_filtered_too(actor: Actor, sign_in: SignIn) -> None:
    fill(actor, 2, details={"hostname": ["Wébsrv-1", "db_1"]})
    with unit_of_work():
        record(replace(actor, via=Via.API_KEY, ip_address="192.0.2.9"), "job:cancel", Resource("job", 2, "u-2"))
    record_refusal(actor, "server:delete", Resource("server", 9), details={"why": "100% sure_thing"})
    client = sign_in(actor)
    assert seqs(client, "?outcome=refused") == [4]
    assert seqs(client, "?via=api_key") == [3]
    assert seqs(client, "?ip_address=192.0.2.9") == [3]
    assert seqs(client, "?resource_uuid=u-2") == [3]
    assert seqs(client, "?q=w%C3%A9bSRV") == [2, 1]
    assert seqs(client, "?q=db_1") == [2, 1]
    assert seqs(client, "?q=dbx1") == []
    assert seqs(client, "?q=100%25") == [4]
    assert seqs(client, "?q=alpha&resource_type=server") == []


def test_the_present_name_of_a_thing_finds_its_entries(actor: Actor, sign_in: SignIn) -> None:
    with unit_of_work():
        record(actor, "tenant:update", Resource("tenant", actor.tenant_id))
        record(actor, "tenant:update", Resource("tenant", 99))
    client = sign_in(actor)
    assert seqs(client, "?q=ALPH") == [1]
    assert "tenant alpha" in client.get("/audit").text


def test_a_filter_without_an_index_looks_at_a_part_of_the_log_at_a_time(
    actor: Actor, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.audit.queries.SCAN_LIMIT", 3)
    fill(replace(actor, ip_address="192.0.2.1"), 2)
    fill(actor, 8)
    client, seen, after = sign_in(actor), [], None
    for _ in range(5):
        answer = client.get("/api/v1/audit-logs?ip_address=192.0.2.1" + (f"&after={after}" if after else ""))
        seen += [entry["seq"] for entry in answer.get_json()]
        after = json.loads(answer.headers["X-Pagination"])["next_after"]
        if after is None:
            break
    assert seen == [2, 1]
    assert "Look further back" in client.get("/audit?ip_address=192.0.2.1").text


def test_one_entry_has_an_address_that_stays_and_shows_old_and_new(actor: Actor, sign_in: SignIn) -> None:
    fill(actor, 1, details={"hostname": ["web-1", "<b>web-2</b>"], "tags": ["a", "b", "c"], "password": ["x", "y"]})
    client = sign_in(actor)
    entry_id = client.get("/api/v1/audit-logs").get_json()[0]["id"]
    page = client.get(f"/audit/entries/{entry_id}").text
    assert "<del>web-1</del>" in page
    assert "<ins>&lt;b&gt;web-2&lt;/b&gt;</ins>" in page
    assert "a, b, c" in page
    assert client.get(f"/api/v1/audit-logs/{entry_id}").get_json()["seq"] == 1
    for unknown in (entry_id + 1, 2**63, 10**30):
        assert client.get(f"/api/v1/audit-logs/{unknown}").status_code == 404


def test_another_tenants_entry_is_not_found(actor: Actor, make_tenant: MakeTenant, sign_in: SignIn) -> None:
    fill(actor, 1)
    entry_id = sign_in(actor).get("/api/v1/audit-logs").get_json()[0]["id"]
    other = sign_in(make_tenant("beta"))
    assert other.get(f"/api/v1/audit-logs/{entry_id}").status_code == 404
    assert other.get(f"/audit/entries/{entry_id}", headers={"Accept": "application/json"}).status_code == 404


def test_the_history_of_a_thing_is_a_piece_for_its_page(actor: Actor, sign_in: SignIn) -> None:
    fill(actor, 12, details={"port": [22, 23]})
    client = sign_in(actor)
    piece = client.get("/audit/history?resource_type=server&resource_id=3").text
    assert piece.count("<li>") == 1
    assert "<html" not in piece
    assert "<del>22</del>" in piece
    assert client.get("/audit/history?resource_type=server").text.count("<li>") == 10
    assert "What happened to server 3" in client.get("/audit?resource_type=server&resource_id=3").text


@pytest.mark.database
def test_an_export_is_the_whole_filtered_list_and_an_entry_itself(
    actor: Actor, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.audit.export.CHUNK", 2)
    fill(replace(actor, user_agent="=cmd|' /C calc'!A0"), 5, details={"hostname": ["a", "+b"]})
    with unit_of_work():
        record(actor, "job:cancel", Resource("job", 2))
    client = sign_in(actor)
    answer = client.post("/api/v1/audit-logs/export?format=jsonl&resource_type=server")
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].endswith('.jsonl"')
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["seq"] for line in lines] == [5, 4, 3, 2, 1]
    assert lines[0]["details"] == {"hostname": ["a", "+b"]}
    newest = client.get("/api/v1/audit-logs").get_json()[0]
    assert newest["event"] == "audit:export"
    assert newest["details"] == {"format": "jsonl", "resource_type": "server"}
    rows = list(csv.DictReader(io.StringIO(client.post("/audit/export", data={"format": "csv", "q": ""}).text)))
    assert [int(row["seq"]) for row in rows] == [7, 6, 5, 4, 3, 2, 1]
    assert rows[-1]["user_agent"] == "'=cmd|' /C calc'!A0"


def test_an_export_of_a_viewer_or_with_a_bad_filter_leaves_nothing_behind(actor: Actor, sign_in: SignIn) -> None:
    viewer = sign_in(replace(actor, role=Role.VIEWER))
    assert viewer.post("/api/v1/audit-logs/export").status_code == 403
    client = sign_in(actor)
    assert client.post("/api/v1/audit-logs/export?format=xlsx").status_code == 422
    assert client.post("/audit/export", data={"via": "door"}).status_code == 422
    assert "audit:export" not in [entry["event"] for entry in client.get("/api/v1/audit-logs").get_json()]


@pytest.mark.parametrize("page", ["/audit", "/audit/verification"])
def test_the_pages_stand_without_any_entry(actor: Actor, sign_in: SignIn, page: str) -> None:
    assert sign_in(actor).get(page).status_code == 200


def test_the_state_of_the_anchor_is_shown(actor: Actor, sign_in: SignIn) -> None:
    fill(actor, 2)
    client = sign_in(actor)
    assert client.get("/api/v1/audit-logs/verification").get_json()["anchor"]["seq"] is None
    anchor_heads()
    fill(actor, 1)
    found = client.get("/api/v1/audit-logs/verification").get_json()["anchor"]
    assert (found["seq"], found["matches"]) == (2, True)
    path = settings().anchor_path
    path.write_text(path.read_text(encoding="utf-8").replace('"hash": "', '"hash": "00'), encoding="utf-8")
    assert "its hash is another one now" in client.get("/audit/verification").text
