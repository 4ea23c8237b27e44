from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from app.core.actor import Role
from app.core.clock import utc_now
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.tickets.keeping import watch_clocks
from app.tickets.models import Ticket
from app.tickets.opening import open_for_run
from tests.tickets.faces import client_of
from tests.tickets.world import FAILED, Outcome, World

API = "/api/v1/tickets"


def fail(world: World, *servers: int, error: str | None = None) -> str:
    """Let a run fail on these servers and return the UUID of the ticket."""
    outcome = FAILED if error is None else Outcome(error=error, tasks=FAILED.tasks)
    finished = world.run(dict.fromkeys(servers, outcome))
    with unit_of_work(), system_scope("test"):
        (number,) = open_for_run(finished)
        return db.session.get_one(Ticket, number).ticket_id


def set_column(**values: Any) -> None:
    with unit_of_work(), system_scope("test"):
        db.session.execute(update(Ticket).values(**values))


def keeper() -> int:
    with unit_of_work(), system_scope("test"):
        return watch_clocks()


@pytest.fixture
def ticket(world: World) -> str:
    return fail(world, *world.servers("web1", "web2"))


@pytest.fixture
def client(app: Flask, world: World, ticket: str) -> FlaskClient:
    return client_of(app, world)


def act(client: FlaskClient, ticket: str, name: str, **body: Any) -> dict[str, Any]:
    answer = client.post(f"{API}/{ticket}/{name}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json or {}


def kinds(client: FlaskClient, ticket: str) -> list[str]:
    return [event["kind"] for event in client.get(f"{API}/{ticket}/events").json or []]


def later(**more: float) -> str:
    return (utc_now() + timedelta(**more)).isoformat()


def test_an_acknowledgement_names_who_and_when_and_counts_once(client: FlaskClient, world: World, ticket: str) -> None:
    row = act(client, ticket, "acknowledge")
    assert (row["status"], row["acknowledged_by_name"]) == ("open", "alpha-operator")
    assert act(client, ticket, "acknowledge")["acknowledged_at"] == row["acknowledged_at"]
    assert act(client, ticket, "acknowledge", start=True)["status"] == "in_progress"
    assert kinds(client, ticket) == ["opened", "acknowledged", "status"]


def test_a_snoozed_ticket_counts_repeats_and_comes_back_by_itself(
    client: FlaskClient, world: World, ticket: str
) -> None:
    assert act(client, ticket, "snooze", until=later(hours=2))["snoozed_until"]
    assert fail(world, 1) == ticket
    row = client.get(f"{API}/{ticket}").json or {}
    assert (row["occurrences"], row["snoozed_until"] is None) == (2, False)
    assert keeper() == 0
    set_column(snoozed_until=utc_now() - timedelta(seconds=1))
    assert keeper() == 1
    assert keeper() == 0
    assert (client.get(f"{API}/{ticket}").json or {})["snoozed_until"] is None
    assert kinds(client, ticket)[-1] == "woken"


def test_a_repeat_that_is_more_urgent_wakes_it(client: FlaskClient, world: World, ticket: str) -> None:
    act(client, ticket, "snooze", until=later(hours=2))
    production = world.servers("live1", environment="production")
    assert fail(world, *production) == ticket
    row = client.get(f"{API}/{ticket}").json or {}
    assert (row["priority"], row["snoozed_until"]) == ("high", None)
    assert kinds(client, ticket)[-2:] == ["priority", "woken"]


def test_a_priority_that_a_person_lowered_stays_down_at_equal_repeats(
    client: FlaskClient, world: World, ticket: str
) -> None:
    client.patch(f"{API}/{ticket}", json={"priority": "low", "reason": "Nobody uses it"})
    assert fail(world, 1) == ticket
    row = client.get(f"{API}/{ticket}").json or {}
    assert row["priority"] == "low"
    assert [event["body"] for event in row["events"] if event["kind"] == "priority"] == ["Nobody uses it"]


@pytest.mark.parametrize("until", ["2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "tomorrow", None])
def test_a_snooze_needs_a_time_in_the_next_ninety_days(client: FlaskClient, ticket: str, until: str | None) -> None:
    assert client.post(f"{API}/{ticket}/snooze", json={"until": until}).status_code == 422


def test_a_snooze_is_ended_by_hand(client: FlaskClient, ticket: str) -> None:
    act(client, ticket, "snooze", until=later(days=3))
    assert len(client.get(f"{API}?snoozed=true").json or []) == 1
    answer = client.delete(f"{API}/{ticket}/snooze")
    assert (answer.json or {})["snoozed_until"] is None
    assert client.get(f"{API}?snoozed=true").json == []


def test_a_resolution_note_is_kept_and_a_reopening_says_why(client: FlaskClient, ticket: str) -> None:
    row = act(client, ticket, "resolve", note="Freed space on /var")
    assert (row["status"], row["resolution"]) == ("resolved", "Freed space on /var")
    assert client.post(f"{API}/{ticket}/reopen", json={"reason": " "}).status_code == 422
    row = act(client, ticket, "reopen", reason="Full again")
    assert (row["status"], row["resolved_at"]) == ("open", None)
    assert row["due_at"] > row["reopened_at"]
    assert act(client, ticket, "close", note="Moved away")["status"] == "closed"


@pytest.mark.parametrize(("name", "body"), [("acknowledge", {}), ("snooze", {"until": later(hours=1)})])
def test_what_only_open_tickets_take_is_a_conflict_with_words(
    client: FlaskClient, ticket: str, name: str, body: dict[str, Any]
) -> None:
    act(client, ticket, "close")
    answer = client.post(f"{API}/{ticket}/{name}", json=body)
    assert (answer.status_code, (answer.json or {})["error"]) == (409, "invalid_transition")
    assert "closed" in (answer.json or {})["message"]


def test_if_match_guards_an_act(client: FlaskClient, ticket: str) -> None:
    tag = client.get(f"{API}/{ticket}").headers["ETag"]
    assert client.post(f"{API}/{ticket}/acknowledge", json={}, headers={"If-Match": tag}).status_code == 200
    answer = client.post(f"{API}/{ticket}/resolve", json={}, headers={"If-Match": tag})
    assert (answer.status_code, (answer.json or {})["error"]) == (409, "version_conflict")


def test_one_act_on_many_tickets_says_which_refused(client: FlaskClient, world: World, ticket: str) -> None:
    other = fail(world, 2, error="No space left on device")
    act(client, other, "close")
    unknown = "00000000-0000-4000-8000-000000000000"
    body = {"ticket_ids": [ticket, other, unknown], "act": "acknowledge"}
    result = client.post(f"{API}/bulk", json=body).json or {}
    assert result["done"] == [ticket]
    assert {row["ticket_id"] for row in result["refused"]} == {other, unknown}
    body = {"ticket_ids": [ticket], "act": "assign", "assignee_id": world.people[Role.OPERATOR]}
    assert (client.post(f"{API}/bulk", json=body).json or {})["done"] == [ticket]
    assert (client.get(f"{API}/{ticket}").json or {})["assignee_name"] == "alpha-operator"
    assert client.post(f"{API}/bulk", json={"ticket_ids": [], "act": "close"}).status_code == 422


def test_what_refuses_in_bulk_leaves_no_trace(client: FlaskClient, world: World, ticket: str) -> None:
    act(client, ticket, "close")
    before = client.get(f"{API}/{ticket}").json
    client.post(f"{API}/bulk", json={"ticket_ids": [ticket], "act": "snooze", "until": later(hours=1)})
    assert client.get(f"{API}/{ticket}").json == before


def test_a_ticket_past_its_time_is_noted_once_and_anew_with_a_new_clock(
    client: FlaskClient, world: World, ticket: str
) -> None:
    assert keeper() == 0
    set_column(due_at=utc_now() - timedelta(minutes=1))
    assert keeper() == 1
    assert keeper() == 0
    row = client.get(f"{API}/{ticket}").json or {}
    assert row["is_overdue"] and row["overdue_at"]
    assert kinds(client, ticket)[-1] == "overdue"
    assert len(client.get(f"{API}?overdue=true").json or []) == 1
    client.patch(f"{API}/{ticket}", json={"priority": "critical"})
    assert (client.get(f"{API}/{ticket}").json or {})["overdue_at"] is None


def test_history_comes_in_pages_by_cursor(client: FlaskClient, ticket: str) -> None:
    for n in range(5):
        client.post(f"{API}/{ticket}/comments", json={"body": f"Comment {n}"})
    first = client.get(f"{API}/{ticket}/events?page_size=3").json or []
    rest = client.get(f"{API}/{ticket}/events?after={first[-1]['id']}").json or []
    assert [event["body"] for event in (*first, *rest)] == [None, *(f"Comment {n}" for n in range(5))]


def test_the_list_sorts_by_when_it_is_due(client: FlaskClient, world: World, ticket: str) -> None:
    urgent = fail(world, *world.servers("live1", environment="production"), error="No space left on device")
    assert [row["ticket_id"] for row in client.get(f"{API}?sort=due_at").json or []] == [urgent, ticket]
    assert [row["ticket_id"] for row in client.get(f"{API}?sort=-due_at").json or []] == [ticket, urgent]
    assert client.get(f"{API}?sort=title").status_code == 422


def test_similar_ended_tickets_say_how_they_were_resolved(client: FlaskClient, world: World, ticket: str) -> None:
    act(client, ticket, "resolve", note="Restarted it")
    set_column(resolved_at=utc_now() - timedelta(days=30))
    again = fail(world, 1)
    assert again != ticket
    same_task = fail(world, 1, error="Permission denied while reading the unit")
    (row,) = client.get(f"{API}/{again}/similar").json or []
    assert (row["ticket_id"], row["likeness"], row["how"]) == (ticket, "same problem", "Restarted it")
    (row,) = client.get(f"{API}/{same_task}/similar").json or []
    assert (row["ticket_id"], row["likeness"]) == (ticket, "same task")
    elsewhere = world.playbook("other.yml")
    finished = world.run({1: FAILED}, playbook_id=elsewhere)
    with unit_of_work(), system_scope("test"):
        (number,) = open_for_run(finished)
        other = db.session.get_one(Ticket, number).ticket_id
    act(client, again, "close")
    client.post(f"{API}/{again}/comments", json={"body": "Disk was slow"})
    likeness = {row["ticket_id"]: (row["likeness"], row["how"]) for row in client.get(f"{API}/{other}/similar").json}
    assert likeness[again] == ("same message", "Disk was slow")


def test_the_figures_measure_from_opening_and_count_what_is_late(
    client: FlaskClient, world: World, ticket: str
) -> None:
    now = utc_now()
    set_column(
        created_at=now - timedelta(hours=2),
        acknowledged_at=now - timedelta(hours=1),
        respond_due_at=now - timedelta(minutes=90),
        resolved_at=now,
        due_at=now + timedelta(hours=1),
    )
    figures = client.get(f"{API}/statistics").json or {}
    medium = next(row for row in figures["by_priority"] if row["name"] == "medium")
    assert (medium["opened"], medium["median_to_acknowledge"], medium["median_to_resolve"]) == (1, 3600, 7200)
    assert (medium["late_to_acknowledge"], medium["late_to_resolve"]) == (1, 0)
    assert figures["by_playbook"][0]["name"] == "web.yml"
