from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope, tenant_scope
from app.runners.base import TaskStatus
from app.tickets.models import Ticket, TicketJob
from app.tickets.opening import open_for_run
from app.tickets.resolving import resolve_by_run
from tests.tickets.faces import client_of
from tests.tickets.test_triage import fail
from tests.tickets.world import GREEN, TASK, Outcome, World

API = "/api/v1/tickets"
DISK = "No space left on device"


@pytest.fixture
def client(app: Flask, world: World) -> FlaskClient:
    return client_of(app, world)


@pytest.fixture
def pair(world: World) -> tuple[str, str]:
    """Two tickets with different fingerprints; the second was seen twice."""
    web1, web2 = world.servers("web1", "web2")
    first, second = fail(world, web1), fail(world, web2, error=DISK)
    assert fail(world, web2, error=DISK) == second
    return first, second


def merge(client: FlaskClient, ticket: str, into: str) -> dict[str, Any]:
    answer = client.post(f"{API}/{ticket}/merge", json={"into": into, "reason": "Both are the disk"})
    assert answer.status_code == 200, answer.text
    return answer.json or {}


def one(client: FlaskClient, ticket: str) -> dict[str, Any]:
    return client.get(f"{API}/{ticket}").json or {}


def test_a_merge_moves_jobs_history_and_count_and_says_where_it_went(
    client: FlaskClient, pair: tuple[str, str]
) -> None:
    into, gone = pair
    assert merge(client, gone, into)["occurrences"] == 3
    row = one(client, gone)
    assert (row["status"], row["merged_into"], row["jobs"]) == ("closed", into, [])
    assert [event["kind"] for event in row["events"]] == ["merged"]
    row = one(client, into)
    assert len(row["jobs"]) == 3
    assert [event["kind"] for event in row["events"]] == ["opened", "opened", "joined", "took_in"]
    assert row["events"][-1]["body"] == "Both are the disk"


def test_repeats_of_the_merged_problem_land_on_the_other(
    client: FlaskClient, world: World, pair: tuple[str, str]
) -> None:
    into, gone = pair
    merge(client, gone, into)
    assert fail(world, 2, error=DISK) == into
    assert one(client, into)["occurrences"] == 4
    client.post(f"{API}/{into}/close", json={})
    assert fail(world, 2, error=DISK) == into
    assert one(client, into)["status"] == "open"


def test_a_run_with_both_problems_is_one_occurrence_after_the_merge(
    client: FlaskClient, world: World, pair: tuple[str, str]
) -> None:
    into, gone = pair
    merge(client, gone, into)
    both = {1: Outcome(tasks={TASK: TaskStatus.FAILED}), 2: Outcome(error=DISK, tasks={TASK: TaskStatus.FAILED})}
    finished = world.run(both)
    with unit_of_work(), system_scope("test"):
        assert len(open_for_run(finished)) == 1
    assert one(client, into)["occurrences"] == 4


def test_merging_on_takes_earlier_ones_along(client: FlaskClient, world: World, pair: tuple[str, str]) -> None:
    middle, first = pair
    last = fail(world, 1, error="Permission denied")
    merge(client, first, middle)
    assert merge(client, middle, last)["occurrences"] == 4
    assert one(client, first)["merged_into"] == last
    assert fail(world, 2, error=DISK) == last
    assert fail(world, 1) == last
    client.post(f"{API}/{first}/split", json={})
    assert one(client, last)["occurrences"] == 4
    assert fail(world, 2, error=DISK) == first
    assert fail(world, 1) == last


def test_a_split_gives_everything_back(client: FlaskClient, world: World, pair: tuple[str, str]) -> None:
    into, gone = pair
    before = one(client, gone)
    merge(client, gone, into)
    answer = client.post(f"{API}/{gone}/split", json={})
    assert answer.status_code == 200, answer.text
    row = one(client, gone)
    assert (row["status"], row["merged_into"], row["occurrences"]) == ("open", None, 2)
    assert row["jobs"] == before["jobs"]
    assert one(client, into)["occurrences"] == 1
    assert len(one(client, into)["jobs"]) == 1
    assert fail(world, 2, error=DISK) == gone
    assert client.post(f"{API}/{gone}/split", json={}).status_code == 409


def test_a_ticket_by_hand_takes_in_an_automatic_one_and_its_repeats(
    client: FlaskClient, world: World, pair: tuple[str, str]
) -> None:
    _, gone = pair
    job = one(client, gone)["job_id"]
    by_hand = (client.post(API, json={"title": "The disk of web2", "job_id": job}).json or {})["ticket_id"]
    merge(client, gone, by_hand)
    assert fail(world, 2, error=DISK) == by_hand
    assert len(one(client, by_hand)["jobs"]) == 3


def test_a_merged_ticket_takes_nothing_any_more(client: FlaskClient, pair: tuple[str, str]) -> None:
    into, gone = pair
    merge(client, gone, into)
    number = one(client, into)["number"]
    for name, body in (
        ("acknowledge", {}),
        ("reopen", {"reason": "x"}),
        ("comments", {"body": "x"}),
        ("merge", {"into": into}),
    ):
        answer = client.post(f"{API}/{gone}/{name}", json=body)
        assert answer.status_code == 409, name
        assert f"T-{number}" in (answer.json or {})["message"]
    assert client.patch(f"{API}/{gone}", json={"status": "open"}).status_code == 409


def test_what_cannot_be_merged_says_why(client: FlaskClient, pair: tuple[str, str]) -> None:
    into, gone = pair
    assert client.post(f"{API}/{gone}/merge", json={"into": gone}).status_code == 422
    client.post(f"{API}/{into}/resolve", json={})
    answer = client.post(f"{API}/{gone}/merge", json={"into": into})
    assert answer.status_code == 409
    assert "Reopen it first" in (answer.json or {})["message"]
    unknown = "00000000-0000-4000-8000-000000000000"
    assert client.post(f"{API}/{gone}/merge", json={"into": unknown}).status_code == 404


def test_an_old_ticket_is_not_merged_away_from_under_the_open_one_of_its_problem(
    client: FlaskClient, world: World, pair: tuple[str, str]
) -> None:
    into, old = pair
    client.post(f"{API}/{old}/close", json={})
    with unit_of_work(), system_scope("test"):
        db.session.execute(Ticket.__table__.update().values(resolved_at=None))
    new = fail(world, 2, error=DISK)
    assert new != old
    assert client.post(f"{API}/{old}/merge", json={"into": into}).status_code == 409
    assert merge(client, old, new)["occurrences"] == 3
    merge(client, new, into)
    assert fail(world, 2, error=DISK) == into


def test_each_problem_of_a_merged_ticket_has_to_be_green_by_its_own_task(client: FlaskClient, world: World) -> None:
    web1, web2 = world.servers("web1", "web2")
    other = "Copy the page"
    first = fail(world, web1)
    finished = world.run({web2: Outcome(task=other, error=DISK, tasks={other: TaskStatus.FAILED})})
    with unit_of_work(), system_scope("test"):
        (number,) = open_for_run(finished)
        second = db.session.get_one(Ticket, number).ticket_id
    merge(client, second, first)
    half = world.run({web1: GREEN, web2: GREEN})  # TASK ran, the other one did not
    with unit_of_work(), system_scope("test"):
        assert resolve_by_run(half) == []
    whole = world.run({web2: Outcome(GREEN.status, None, None, None, None, {other: TaskStatus.OK})})
    with unit_of_work(), system_scope("test"):
        assert len(resolve_by_run(whole)) == 1
    assert one(client, first)["status"] == "resolved"


def test_no_job_is_lost_by_merging(client: FlaskClient, world: World, pair: tuple[str, str]) -> None:
    into, gone = pair
    merge(client, gone, into)
    with unit_of_work(writes=False), tenant_scope(world.tenant_id):
        assert db.session.scalar(select(func.count()).select_from(TicketJob)) == 3
