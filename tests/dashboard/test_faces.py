from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.core.actor import Role
from app.core.clock import utc_now
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope, tenant_scope
from app.dashboard.series import SPANS, charts
from app.jobs.events import run_finished
from app.jobs.models import Job, Launch, Worker
from app.jobs.status import WorkerState
from app.tickets.models import Ticket
from tests.support.sent import sent
from tests.tickets.faces import client_of
from tests.tickets.world import FAILED, GREEN, WAITING, World


@pytest.fixture
def world(app_context: Flask) -> World:
    return World()


def finish(world: World, **more: object) -> None:
    servers = world.servers("web1", "web2")
    finished = world.run({servers[0]: FAILED, servers[1]: GREEN}, **more)  # type: ignore[arg-type]
    with unit_of_work(), system_scope("test"):
        run_finished.send(finished)


def set_rows(world: World, statement: object) -> None:
    with unit_of_work(), tenant_scope(world.tenant_id):
        db.session.execute(statement)  # type: ignore[call-overload]


def add_worker(name: str, *, seconds_ago: int = 0) -> None:
    with unit_of_work():
        now = utc_now() - timedelta(seconds=seconds_ago)
        db.session.add(
            Worker(
                name=name, host_name="h", boot_id="b", pid=1, pid_start=1, version="1", protocol=1, concurrency=4,
                state=WorkerState.ONLINE, started_at=now, last_seen_at=now,
            )
        )  # fmt: skip


@pytest.mark.parametrize("role", list(Role))
def test_an_empty_tenant_sees_the_first_steps(app: Flask, world: World, role: Role) -> None:
    page = client_of(app, world, role).get("/")
    assert page.status_code == 200
    assert "First steps" in page.text
    assert "No open problem" in page.text


def test_the_page_says_what_failed_runs_waits_and_carries(app: Flask, world: World) -> None:
    finish(world)
    add_worker("worker-1")
    add_worker("worker-2", seconds_ago=3600)
    world.run({1: WAITING})
    page = client_of(app, world).get("/").text
    assert "First steps" not in page
    for words in ("web.yml", "Start the web server failed", "worker-1", "Waiting, and why", "0 of 4 busy"):
        assert words in page
    assert 'data-status="offline"' in page
    fragment = client_of(app, world).get("/dashboard/live").text
    assert 'id="live"' in fragment
    assert "<html" not in fragment


def test_pages_carry_no_inline_style_or_script(app: Flask, world: World) -> None:
    finish(world)
    page = client_of(app, world).get("/?span=7d").text
    assert " style=" not in page
    assert "<script>" not in page


@pytest.mark.parametrize("span", [*SPANS, "nonsense", ""])
def test_every_span_draws(app: Flask, world: World, span: str) -> None:
    finish(world)
    assert client_of(app, world).get(f"/?span={span}").status_code == 200


def test_charts_count_jobs_where_they_belong(app: Flask, world: World) -> None:
    finish(world)
    set_rows(
        world,
        update(Launch).values(
            jobs_success=3, jobs_failed=1, completed_at=Launch.started_at, created_at=utc_now() - timedelta(hours=3)
        ),
    )
    with unit_of_work(writes=False), tenant_scope(world.tenant_id):
        drawn = charts(world.actor(), "24h")
        week = charts(world.actor(), "7d")
    hit = [n for n, point in enumerate(drawn.outcome) if point.success]
    assert hit == [20]
    assert drawn.durations[20].seconds == 0
    assert drawn.success_rate == 0.75
    assert sum(point.failed for point in week.outcome) == 1


def test_failures_are_news_until_the_next_look(app: Flask, world: World) -> None:
    client = client_of(app, world)
    finish(world)
    assert "failed since" in client.get("/").text
    with client.session_transaction() as kept:
        since, _ = kept["dashboard_look"]
        later = utc_now() + timedelta(seconds=1)
        kept["dashboard_look"] = [since, (later - timedelta(hours=1)).timestamp()]
    client.get("/")
    with client.session_transaction() as kept:
        assert kept["dashboard_look"][0] > since


@pytest.mark.parametrize("cookie", ["x", [1], ["a", "b"], {"a": 1}, [None, None]])
def test_a_strange_cookie_breaks_nothing(app: Flask, world: World, cookie: object) -> None:
    client = client_of(app, world)
    with client.session_transaction() as kept:
        kept["dashboard_look"] = cookie
    assert client.get("/").status_code == 200


def test_the_page_costs_the_same_for_one_launch_and_for_many(app: Flask, world: World) -> None:
    finish(world)
    client = client_of(app, world)
    with sent() as one:
        client.get("/")
    for _ in range(12):
        world.run({1: FAILED, 2: GREEN})
    with sent() as many:
        client.get("/")
    assert len(many) == len(one)


def items(app: Flask, world: World, text: str, role: Role = Role.OPERATOR) -> list[dict[str, str]]:
    answer = client_of(app, world, role).get("/palette", query_string={"q": text})
    assert answer.status_code == 200
    found: list[dict[str, str]] = (answer.json or {})["items"]
    return found


def test_the_palette_finds_jobs_tickets_and_actions(app: Flask, world: World) -> None:
    finish(world)
    with unit_of_work(writes=False), tenant_scope(world.tenant_id):
        job = db.session.scalars(select(Job).limit(1)).one()
        number, uuid = job.id, job.job_id
        ticket = db.session.scalars(select(Ticket).limit(1)).one().id
    assert items(app, world, f"#{number}")[0]["url"] == f"/jobs/{uuid}"
    assert items(app, world, uuid)[0]["kind"] == "job"
    assert any(item["kind"] == "ticket" for item in items(app, world, f"T-{ticket}"))
    assert any(item["kind"] == "ticket" for item in items(app, world, "web server"))
    assert [item["title"] for item in items(app, world, "open a t")] == ["Open a ticket"]
    assert items(app, world, "open a t", Role.VIEWER) == []


@pytest.mark.parametrize("text", ["", " ", "%", "_", "'", "\\", "x" * 10_000, "#99999999999999999999", "\x00"])
def test_the_palette_survives_any_text(app: Flask, world: World, text: str) -> None:
    assert items(app, world, text) == []


def test_the_palette_finds_nothing_of_another_tenant(app: Flask, world: World) -> None:
    finish(world)
    other = World("beta")
    for text in ("web1", "#1", "T-1", "web server"):
        assert [item for item in items(app, other, text) if item["kind"] != "action"] == []


def test_overdue_tickets_are_counted_and_snoozed_ones_are_not_shown_as_urgent(app: Flask, world: World) -> None:
    finish(world)
    client = client_of(app, world)
    assert "overdue" not in client.get("/dashboard/live").text
    set_rows(world, update(Ticket).values(due_at=utc_now() - timedelta(hours=1)))
    page = client.get("/dashboard/live").text
    assert "1</strong>open ticket, " in page
    assert ", 1 overdue" in page
    assert "web.yml" in page.split("Open tickets")[1].split("Machinery")[0]
    set_rows(world, update(Ticket).values(snoozed_until=utc_now() + timedelta(hours=1)))
    page = client.get("/dashboard/live").text
    assert "web.yml" not in page.split("Open tickets")[1].split("Machinery")[0]
    assert "0</strong>open tickets" in page


def test_what_failed_since_the_last_look_is_one_click_away(app: Flask, world: World) -> None:
    finish(world)
    client = client_of(app, world)
    page = client.get("/").text
    address = page.split('href="/jobs?status=failed')[1].split('"')[0].replace("&amp;", "&")
    found = client.get(f"/jobs?status=failed{address}")
    assert found.status_code == 200
    assert "web1" in found.text
