from __future__ import annotations

import uuid

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.core.actor import Role
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope, tenant_scope
from app.jobs.models import Job
from app.tickets import queries_list
from app.tickets.models import Ticket
from app.tickets.opening import open_for_run
from tests.support.sent import sent
from tests.tickets.faces import client_of
from tests.tickets.world import FAILED, TASK, World

API = "/api/v1/tickets"


@pytest.fixture
def ticket(world: World) -> str:
    web1, web2 = world.servers("web1", "web2")
    finished = world.run({web1: FAILED, web2: FAILED})
    with unit_of_work(), system_scope("test"):
        (ticket_id,) = open_for_run(finished)
        return db.session.get_one(Ticket, ticket_id).ticket_id


def a_job(world: World) -> Job:
    with unit_of_work(writes=False), tenant_scope(world.tenant_id):
        job = db.session.scalars(select(Job).limit(1)).one()
        db.session.expunge(job)
        return job


def test_the_list_and_one_ticket_say_what_failed_where(app: Flask, world: World, ticket: str) -> None:
    client = client_of(app, world)
    (row,) = client.get(API).json or []
    assert (row["ticket_id"], row["failed_task"], row["servers_hit"]) == (ticket, TASK, 2)
    one = client.get(f"{API}/{ticket}").json or {}
    assert {job["server_name"] for job in one["jobs"]} == {"web1", "web2"}
    assert one["jobs"][0]["first_failure_line"] == 7
    assert one["events"][0]["said"] == "Opened: failed on web1 and web2."


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=open", 1),
        ("status=closed", 0),
        ("priority=medium", 1),
        ("priority=low", 0),
        ("assignee_id=0", 1),
        ("overdue=false", 1),
        ("overdue=true", 0),
        ("text=WEB.yml", 1),
        ("text=%25", 0),
        ("text=_", 0),
        ("text=%231", 1),
        ("server_id=1", 1),
        ("server_id=77", 0),
        ("playbook_id=1", 1),
        ("playbook_id=77", 0),
        ("job_id=00000000-0000-4000-8000-000000000000", 0),
    ],
)
def test_filters_narrow_the_list(app: Flask, world: World, ticket: str, query: str, found: int) -> None:
    answer = client_of(app, world).get(f"{API}?{query}")
    assert answer.status_code == 200
    assert len(answer.json or []) == found


@pytest.mark.parametrize(("limit", "found"), [(0, 0), (1, 1)])
def test_a_search_looks_at_the_newest_titles(
    app: Flask, world: World, ticket: str, monkeypatch: pytest.MonkeyPatch, limit: int, found: int
) -> None:
    monkeypatch.setattr(queries_list, "SEARCH_LIMIT", limit)
    assert len(client_of(app, world).get(f"{API}?text=WEB.yml").json or []) == found


@pytest.mark.parametrize("query", ["colour=red", "status=broken", "server_id=x", "page_size=1000", "text="])
def test_a_filter_that_makes_no_sense_is_422(app: Flask, world: World, ticket: str, query: str) -> None:
    assert client_of(app, world).get(f"{API}?{query}").status_code == 422


def test_triage_moves_rates_assigns_and_is_audited(app: Flask, world: World, ticket: str) -> None:
    client = client_of(app, world)
    operator = world.people[Role.OPERATOR]
    body = {"version": 1, "status": "in_progress", "priority": "high", "assignee_id": operator}
    row = client.patch(f"{API}/{ticket}", json=body).json or {}
    assert (row["status"], row["priority"], row["assignee_id"]) == ("in_progress", "high", operator)
    assert row["acknowledged_at"] is not None
    assert [event["said"] for event in row["events"]][1:] == [
        "Priority: medium to high.",
        "Assigned to alpha-operator.",
        "Status: open to in progress.",
    ]
    assert (client.post(f"{API}/{ticket}/comments", json={"body": "Looking."}).json or {})["events"][-1][
        "body"
    ] == "Looking."
    with unit_of_work(writes=False):
        events = db.session.execute(text("SELECT event FROM audit_logs ORDER BY seq")).scalars().all()
    assert events == ["ticket:open", "ticket:update", "ticket:comment"]


def test_a_stale_version_is_a_conflict_and_changes_nothing(app: Flask, world: World, ticket: str) -> None:
    client = client_of(app, world)
    assert client.patch(f"{API}/{ticket}", json={"version": 1, "priority": "low"}).status_code == 200
    answer = client.patch(f"{API}/{ticket}", json={"version": 1, "priority": "critical"})
    assert (answer.status_code, (answer.json or {})["error"]) == (409, "version_conflict")
    assert (client.get(f"{API}/{ticket}").json or {})["priority"] == "low"


def test_a_status_that_cannot_follow_is_a_conflict_that_says_what_can(app: Flask, world: World, ticket: str) -> None:
    client = client_of(app, world)
    client.patch(f"{API}/{ticket}", json={"status": "closed"})
    answer = client.patch(f"{API}/{ticket}", json={"status": "in_progress"})
    assert (answer.status_code, (answer.json or {})["error"]) == (409, "invalid_transition")
    assert "It can become: open." in (answer.json or {})["message"]


def test_a_ticket_whose_problem_came_back_elsewhere_cannot_be_reopened(app: Flask, world: World, ticket: str) -> None:
    client = client_of(app, world)
    client.patch(f"{API}/{ticket}", json={"status": "closed"})
    with unit_of_work(), system_scope("test"):
        db.session.execute(text("UPDATE tickets SET resolved_at = '2020-01-01 00:00:00.000000'"))
    finished = world.run({1: FAILED})
    with unit_of_work(), system_scope("test"):
        open_for_run(finished)
    answer = client.patch(f"{API}/{ticket}", json={"status": "open"})
    assert answer.status_code == 409
    assert "another open ticket" in (answer.json or {})["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"assignee_id": 9999},
        {"title": " "},
        {"title": "x" * 256},
        {"colour": "red"},
        {"status": "lost"},
        {"acknowledged": False},
    ],
)
def test_a_change_that_cannot_be_is_422(app: Flask, world: World, ticket: str, body: dict[str, object]) -> None:
    assert client_of(app, world).patch(f"{API}/{ticket}", json=body).status_code == 422


def test_a_ticket_by_hand_is_about_a_job_or_a_servers_last_one(app: Flask, world: World, ticket: str) -> None:
    client = client_of(app, world)
    by_job = client.post(API, json={"title": "Slow", "job_id": a_job(world).job_id, "priority": "low"})
    assert by_job.status_code == 201
    assert by_job.headers["Location"].endswith(f"{API}/{(by_job.json or {})['ticket_id']}")
    by_server = client.post(API, json={"title": "Slow too", "server_id": 2})
    assert (by_server.json or {})["jobs"][0]["server_name"] == "web2"
    for wrong in ({}, {"server_id": 77}, {"job_id": str(uuid.uuid4())}, {"server_id": 1, "job_id": str(uuid.uuid4())}):
        assert client.post(API, json={"title": "x", **wrong}).status_code == 422


def test_viewers_look_and_change_nothing(app: Flask, world: World, ticket: str) -> None:
    client = client_of(app, world, Role.VIEWER)
    assert client.get(f"{API}/{ticket}").status_code == 200
    assert client.patch(f"{API}/{ticket}", json={"status": "closed"}).status_code == 403
    assert client.post(f"{API}/{ticket}/comments", json={"body": "x"}).status_code == 403
    assert client.post(API, json={"title": "x", "server_id": 1}).status_code == 403
    page = client.get(f"/tickets/{ticket}").text
    assert "Take it" not in page
    assert client.get("/tickets/new").status_code == 403


def test_another_tenants_ticket_does_not_exist(app: Flask, world: World, ticket: str) -> None:
    client = client_of(app, World("beta"))
    assert client.get(API).json == []
    assert client.get(f"{API}/{ticket}").status_code == 404
    assert client.patch(f"{API}/{ticket}", json={"status": "closed"}).status_code == 404
    assert client.get(f"/tickets/{ticket}").status_code == 404


def test_the_pages_show_the_ticket_and_take_changes_without_scripts(app: Flask, world: World, ticket: str) -> None:
    client = client_of(app, world)
    for address in ("/tickets", "/tickets?view=board", "/tickets?q=web&status=open", "/tickets/new"):
        assert client.get(address).status_code == 200, address
    page = client.get(f"/tickets/{ticket}").text
    for words in (TASK, "Unable to start service nginx", "web1", "web2", "Take it", "#L7"):
        assert words in page
    moved = client.post(f"/tickets/{ticket}", data={"version": "1", "status": "in_progress"})
    assert moved.status_code == 303
    saved = client.post(f"/tickets/{ticket}", data={"version": "2", "priority": "high", "assignee_id": ""})
    assert saved.status_code == 303
    assert client.post(f"/tickets/{ticket}/comments", data={"body": "<b>hm</b>"}).status_code == 303
    page = client.get(f"/tickets/{ticket}").text
    assert "&lt;b&gt;hm&lt;/b&gt;" in page
    assert client.post(f"/tickets/{ticket}/comments", data={"body": ""}).status_code == 422


def test_the_form_for_a_ticket_by_hand_keeps_what_was_typed(app: Flask, world: World, ticket: str) -> None:
    client = client_of(app, world)
    wrong = client.post("/tickets/new", data={"title": "My words", "job": "#99999", "priority": "low"})
    assert wrong.status_code == 422
    assert "My words" in wrong.text
    number = a_job(world).id
    right = client.post(
        "/tickets/new", data={"title": "My words", "job": f"#{number}", "priority": "low", "assignee_id": ""}
    )
    assert right.status_code == 303


def test_the_list_costs_the_same_for_one_ticket_and_for_fifty(app: Flask, world: World, ticket: str) -> None:
    client = client_of(app, world)
    with sent() as one:
        client.get(API)
    job_id = a_job(world).id
    with unit_of_work(), tenant_scope(world.tenant_id):
        for n in range(50):
            db.session.add(
                Ticket(tenant_id=world.tenant_id, job_id=job_id, created_by=world.system_id, title=f"Problem {n}")
            )
        db.session.flush()
    with sent() as fifty:
        assert len(client.get(API).json or []) == 50
    assert len(fifty) == len(one)
