from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.core.actor import Role
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope, tenant_scope
from app.tickets.models import Ticket, TicketPriority
from app.tickets.opening import open_for_run
from app.tickets.priority import BUILT_IN, Facts, Rule, Traits, decide
from tests.support.sent import sent
from tests.tickets.faces import client_of
from tests.tickets.world import FAILED, GREEN, UNREACHABLE, Outcome, World

RULES = "/api/v1/ticket-rules"


def opened(world: World, outcomes: dict[int, Outcome]) -> Ticket:
    finished = world.run(outcomes)
    with unit_of_work(), system_scope("test"):
        (number,) = open_for_run(finished)
        ticket = db.session.get_one(Ticket, number)
        db.session.expunge(ticket)
        return ticket


@pytest.fixture
def admin(app: Flask, world: World) -> FlaskClient:
    return client_of(app, world, Role.ADMIN)


def add(admin: FlaskClient, **body: Any) -> dict[str, Any]:
    answer = admin.post(RULES, json={"name": "Mine", "priority": "low", **body})
    assert answer.status_code == 201, answer.text
    return answer.json or {}


LIVE, TEST = Traits("production", frozenset({"web"})), Traits("test")


@pytest.mark.parametrize(
    ("hit", "taking_part", "priority"),
    [
        ([TEST], [TEST, LIVE], TicketPriority.MEDIUM),
        ([LIVE], [LIVE], TicketPriority.HIGH),
        ([LIVE, LIVE], [LIVE] * 4, TicketPriority.CRITICAL),
        ([LIVE, LIVE], [LIVE] * 5, TicketPriority.HIGH),
        ([], [], TicketPriority.MEDIUM),
    ],
)
def test_without_own_rules_production_decides(
    hit: list[Traits], taking_part: list[Traits], priority: TicketPriority
) -> None:
    assert decide([], Facts(hit, taking_part, 1, "task_failed", False)).priority is priority


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ({"environments": frozenset({"production"})}, True),
        ({"environments": frozenset({"staging"})}, False),
        ({"tag": "web"}, True),
        ({"tag": "db"}, False),
        ({"playbook_id": 1}, True),
        ({"playbook_id": 2}, False),
        ({"failure_code": "task_failed"}, True),
        ({"failure_code": "timeout"}, False),
        ({"check_mode": False}, True),
        ({"check_mode": True}, False),
        ({"min_servers": 2}, True),
        ({"min_servers": 3}, False),
        ({"min_share": 50}, True),
        ({"min_share": 51}, False),
        ({"tag": "web", "min_share": 50}, True),
        ({"tag": "web", "min_servers": 2}, False),
    ],
)
def test_every_condition_counts(conditions: dict[str, Any], holds: bool) -> None:
    facts = Facts([LIVE, TEST], [LIVE, TEST, LIVE, TEST], 1, "task_failed", False)
    assert Rule("r", TicketPriority.LOW, **conditions).holds(facts) is holds


def test_the_first_rule_that_holds_decides_and_gives_assignee_and_time(world: World, admin: FlaskClient) -> None:
    add(admin, name="Off", priority="critical", is_active=False)
    add(admin, name="Unreachable", priority="critical", failure_code="unreachable")
    person = world.people[Role.OPERATOR]
    add(admin, name="Test servers", environments="Staging, TEST", assignee_id=person, due_hours=2)
    (server,) = world.servers("t1", environment="test")
    ticket = opened(world, {server: FAILED})
    assert (ticket.priority, ticket.assignee_id) == (TicketPriority.LOW, person)
    assert ticket.last_seen_at and ticket.due_at == ticket.last_seen_at + timedelta(hours=2)
    told = admin.get(f"/api/v1/tickets/{ticket.ticket_id}/events").json or []
    assert told[-1]["said"] == "Assigned to alpha-operator, by the rule 'Test servers'."
    assert opened(world, {server: UNREACHABLE}).priority is TicketPriority.CRITICAL


def test_an_assignee_who_left_is_passed_over(world: World, admin: FlaskClient) -> None:
    from app.accounts.models import User

    person = world.people[Role.OPERATOR]
    add(admin, assignee_id=person)
    with unit_of_work(), system_scope("test"):
        db.session.execute(update(User).where(User.id == person).values(is_active=False))
    (server,) = world.servers("t1")
    assert opened(world, {server: FAILED}).assignee_id is None


def test_rules_are_kept_by_administrators_and_guarded_by_version(app: Flask, world: World, admin: FlaskClient) -> None:
    first, second = add(admin, name="One"), add(admin, name="Two")
    assert [row["name"] for row in admin.get(RULES).json or []] == ["One", "Two"]
    changed = admin.patch(f"{RULES}/{first['id']}", json={"version": 1, "priority": "high", "tag": " WEB "})
    assert ((changed.json or {})["priority"], (changed.json or {})["tag"]) == ("high", "web")
    assert admin.patch(f"{RULES}/{first['id']}", json={"version": 1, "priority": "low"}).status_code == 409
    assert admin.delete(f"{RULES}/{second['id']}").status_code == 204
    assert admin.get(f"{RULES}/{second['id']}").status_code == 404
    operator = client_of(app, world)
    assert operator.get(RULES).status_code == 200
    assert operator.post(RULES, json={"name": "x", "priority": "low"}).status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": " "},
        {"min_share": 101},
        {"min_servers": 0},
        {"failure_code": "weather"},
        {"playbook_id": 9999},
        {"assignee_id": 9999},
        {"due_hours": 0},
        {"colour": "red"},
    ],
)
def test_a_rule_that_makes_no_sense_is_422(world: World, admin: FlaskClient, wrong: dict[str, Any]) -> None:
    assert admin.post(RULES, json={"name": "Mine", "priority": "low", **wrong}).status_code == 422


def test_a_trial_says_what_the_rules_would_give_and_changes_nothing(world: World, admin: FlaskClient) -> None:
    live = world.servers("live1", "live2", environment="production")
    run = world.run({live[0]: FAILED, live[1]: GREEN})
    trial = admin.get(f"{RULES}/trial?job_id={run.jobs[0].job_uuid}").json or {}
    assert (trial["rule"], trial["priority"], trial["assumed"]) == ("Production", "high", False)
    assert (trial["hit"], trial["taking_part"], trial["solve_minutes"]) == (1, 2, 480)
    trial = admin.get(f"{RULES}/trial?job_id={run.jobs[1].job_uuid}").json or {}
    assert trial["assumed"] is True
    add(admin, name="Ours", priority="low", tag=None)
    trial = admin.get(f"{RULES}/trial?job_id={run.jobs[0].job_uuid}").json or {}
    assert (trial["rule"], trial["priority"]) == ("Ours", "low")
    with unit_of_work(writes=False), tenant_scope(world.tenant_id):
        assert db.session.scalars(select(Ticket)).all() == []


def test_targets_of_the_tenant_set_the_clocks_of_new_tickets(world: World, admin: FlaskClient) -> None:
    targets = "/api/v1/ticket-targets"
    assert (admin.get(targets).json or {})["critical"] == {"respond_minutes": 15, "solve_minutes": 240}
    body = {"medium": {"respond_minutes": 10, "solve_minutes": 90}}
    assert (admin.patch(targets, json=body).json or {})["medium"] == body["medium"]
    (server,) = world.servers("t1")
    ticket = opened(world, {server: FAILED})
    assert ticket.last_seen_at
    assert ticket.respond_due_at == ticket.last_seen_at + timedelta(minutes=10)
    assert ticket.due_at == ticket.last_seen_at + timedelta(minutes=90)
    wrong = {"low": {"respond_minutes": 10, "solve_minutes": 5}}
    assert "low" in (admin.patch(targets, json=wrong).json or {})["errors"]


def test_ten_rules_cost_a_finishing_run_no_more_queries_than_none(world: World, admin: FlaskClient) -> None:
    def cost(error: str) -> int:
        finished = world.run({server: Outcome(error=error, tasks=FAILED.tasks)})
        with sent() as statements, unit_of_work(), system_scope("test"):
            open_for_run(finished)
        return len(statements)

    (server,) = world.servers("t1")
    cost("Connection refused")
    plain = cost("No space left on device")
    for n in range(10):
        add(admin, name=f"Rule {n}", tag=f"tag{n}")
    assert cost("Permission denied") == plain


def test_the_built_in_rules_always_end_with_one_that_holds() -> None:
    assert BUILT_IN[-1].holds(Facts([Traits()], [], None, "", True))
