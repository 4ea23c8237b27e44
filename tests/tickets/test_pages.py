from __future__ import annotations

import csv
import io
import json

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core.actor import Role
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.tickets.linked_text import linked_text
from app.tickets.models import Ticket
from app.tickets.opening import open_for_run
from tests.tickets.faces import client_of
from tests.tickets.test_triage import fail
from tests.tickets.world import FAILED, GREEN, World

API = "/api/v1/tickets"


@pytest.fixture
def ticket(world: World) -> str:
    return fail(world, *world.servers("web1", "web2"))


@pytest.fixture
def client(app: Flask, world: World, ticket: str) -> FlaskClient:
    return client_of(app, world)


def post(client: FlaskClient, address: str, **form: str) -> str:
    answer = client.post(address, data=form)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def test_the_list_shows_first_what_needs_attention(client: FlaskClient, world: World, ticket: str) -> None:
    other = fail(world, 1, error="No space left on device")
    post(client, f"/tickets/{other}/act", act="snooze", snooze="1d")
    assert other not in client.get("/tickets").text
    assert ticket in client.get("/tickets").text
    assert other in client.get("/tickets?show=snoozed").text
    post(client, f"/tickets/{ticket}/act", act="take")
    assert ticket in client.get("/tickets?show=mine").text
    post(client, f"/tickets/{ticket}/act", act="close", note="Done")
    assert ticket not in client.get("/tickets").text
    assert ticket in client.get("/tickets?show=all").text
    assert ticket in client.get("/tickets?status=closed").text


@pytest.mark.parametrize(
    "query", ["sort=due_at", "sort=-last_seen_at", "older_than_days=3", "failure_code=task_failed"]
)
def test_filters_and_order_stand_in_the_address(client: FlaskClient, query: str) -> None:
    assert client.get(f"/tickets?{query}").status_code == 200


def test_a_filter_that_makes_no_sense_says_which(client: FlaskClient) -> None:
    answer = client.get("/tickets?sort=colour")
    assert answer.status_code == 422
    assert "sort" in answer.text


def test_the_filtered_list_is_downloaded(client: FlaskClient, world: World, ticket: str) -> None:
    other = fail(world, 1, error="No space left on device")
    post(client, f"/tickets/{other}/act", act="close")
    rows = list(csv.DictReader(io.StringIO(client.get("/tickets/export?show=all").text)))
    assert {row["ticket_id"] for row in rows} == {ticket, other}
    lines = client.get("/tickets/export?format=jsonl&status=closed").text.splitlines()
    assert [json.loads(line)["ticket_id"] for line in lines] == [other]


def test_ticked_tickets_are_changed_together_and_the_list_comes_back(
    client: FlaskClient, world: World, ticket: str
) -> None:
    other = fail(world, 1, error="No space left on device")
    form = {"ticket_ids": [ticket, other], "act": "resolve", "note": "Restarted", "back": "?show=all"}
    answer = client.post("/tickets/bulk", data=form)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/tickets?show=all")
    assert "Done on 2 tickets." in client.get("/tickets?show=all").text
    assert {row["status"] for row in client.get(API).json or []} == {"resolved"}
    assert client.post("/tickets/bulk", data={"act": "close", "back": "//evil.example"}).status_code == 422
    form["back"] = "//evil.example"
    assert client.post("/tickets/bulk", data=form).headers["Location"] == "/tickets"


def test_the_page_shows_the_way_back_to_green(client: FlaskClient, world: World) -> None:
    (server,) = world.servers("web9")
    green = world.run({server: GREEN}, inputs={"manifest_hash": "a", "extra_vars": {"size": 1, "same": 2}})
    finished = world.run({server: FAILED}, inputs={"manifest_hash": "b", "extra_vars": {"size": 3, "same": 2}})
    with unit_of_work(), system_scope("test"):
        (number,) = open_for_run(finished)
        uuid = db.session.get_one(Ticket, number).ticket_id
    page = client.get(f"/tickets/{uuid}").text
    assert green.jobs[0].job_uuid in page
    assert "variable size: 1 then, 3 now" in page
    assert "the project&#39;s files changed" in page
    assert "same" not in page.split("Different since then")[1].split("</ul>")[0]
    assert "Run again where it failed" in page
    assert "on web9" in page


def test_a_merge_is_asked_for_by_number_and_said_in_words_first(client: FlaskClient, world: World, ticket: str) -> None:
    other = fail(world, 1, error="No space left on device")
    number = (client.get(f"{API}/{ticket}").json or {})["number"]
    page = client.get(f"/tickets/{other}/merge").text
    assert f"T-{number}" in page
    assert client.post(f"/tickets/{other}/merge", data={"into": "T-999999"}).status_code == 422
    page = client.post(f"/tickets/{other}/merge", data={"into": f"t-{number}", "reason": "same"}).text
    assert f"later failures of its kind are counted on T-{number}" in page
    assert (client.get(f"{API}/{other}").json or {})["merged_into"] is None
    assert post(client, f"/tickets/{other}/merge", into=str(number), confirmed="1").endswith(ticket)
    assert "was merged into" in client.get(f"/tickets/{other}").text
    post(client, f"/tickets/{other}/split")
    assert (client.get(f"{API}/{other}").json or {})["status"] == "open"


def test_a_change_that_cannot_be_keeps_what_was_typed(client: FlaskClient, ticket: str) -> None:
    answer = client.post(f"/tickets/{ticket}", data={"version": "1", "title": "", "description": "my words"})
    assert answer.status_code == 422
    assert "my words" in answer.text
    reopened = client.post(f"/tickets/{ticket}/act", data={"act": "reopen", "note": ""})
    assert reopened.status_code == 422


def test_rules_are_added_moved_tried_and_removed_on_their_page(app: Flask, world: World, ticket: str) -> None:
    admin = client_of(app, world, Role.ADMIN)
    wrong = admin.post("/tickets/rules/new", data={"name": "", "priority": "high", "min_share": "101"})
    assert wrong.status_code == 422
    for name in ("First", "Second"):
        post(admin, "/tickets/rules/new", name=name, priority="low", is_active="1", min_servers="", check_mode="0")
    first, second = admin.get("/api/v1/ticket-rules").json or []
    assert (first["min_servers"], first["check_mode"], first["is_active"]) == (1, False, True)
    post(admin, f"/tickets/rules/{second['id']}/move", direction="up")
    assert [row["name"] for row in admin.get("/api/v1/ticket-rules").json or []] == ["Second", "First"]
    post(admin, f"/tickets/rules/{first['id']}", name="First", priority="critical", version="2")
    assert not (admin.get(f"/api/v1/ticket-rules/{first['id']}").json or {})["is_active"]
    page = admin.get("/tickets/rules?job=1").text
    assert "by the rule <strong>Second</strong>" in page
    assert admin.get("/tickets/rules?job=99999").status_code == 422
    assert "Remove the rule" in admin.post(f"/tickets/rules/{second['id']}/delete", data={}).text
    post(admin, f"/tickets/rules/{second['id']}/delete", confirmed="1")
    assert [row["name"] for row in admin.get("/api/v1/ticket-rules").json or []] == ["First"]


def test_targets_are_set_in_the_units_of_people(app: Flask, world: World) -> None:
    admin = client_of(app, world, Role.ADMIN)
    form = {}
    for priority in ("critical", "high", "medium", "low"):
        form |= {f"{priority}_respond": "2", f"{priority}_respond_unit": "hours"}
        form |= {f"{priority}_solve": "3", f"{priority}_solve_unit": "days"}
    post(admin, "/tickets/rules/targets", **form)
    assert (admin.get("/api/v1/ticket-targets").json or {})["low"] == {"respond_minutes": 120, "solve_minutes": 4320}
    wrong = admin.post("/tickets/rules/targets", data={**form, "high_solve": "x"})
    assert wrong.status_code == 422
    assert "Write a whole number." in wrong.text


def test_the_figures_have_a_page(client: FlaskClient) -> None:
    assert "web.yml" in client.get("/tickets/statistics").text


def test_a_job_is_found_by_its_server_for_a_ticket_by_hand(client: FlaskClient, world: World) -> None:
    page = client.get("/tickets/new?find=web1").text
    assert "on web1" in page
    assert "on web2" not in page
    prefilled = client.get("/tickets/new?server_id=2").text
    jobs = (client.get(f"{API}?server_id=2").json or [])[0]["ticket_id"]
    last = next(row for row in (client.get(f"{API}/{jobs}").json or {})["jobs"] if row["server_name"] == "web2")
    assert f'value="{last["job_id"]}"' in prefilled


def test_viewers_see_every_page_without_its_forms(app: Flask, world: World, ticket: str) -> None:
    viewer = client_of(app, world, Role.VIEWER)
    for address in ("/tickets", f"/tickets/{ticket}", "/tickets/rules", "/tickets/statistics", "/tickets?view=board"):
        page = viewer.get(address)
        assert page.status_code == 200, address
        main = page.text.split('<main class="main"')[1]
        assert 'method="post"' not in main, address
    assert viewer.post("/tickets/bulk", data={"ticket_ids": [ticket], "act": "close"}).status_code == 403


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("see https://a.example/x?y=1&z=2.", '<a href="https://a.example/x?y=1&amp;z=2" rel="nofollow noopener'),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("<b>", "&lt;b&gt;"),
        ('https://a.example/"onmouseover=alert(1)', 'href="https://a.example/"'),
        (None, ""),
    ],
)
def test_addresses_in_texts_become_links_and_nothing_else_does(text: str | None, html: str) -> None:
    rendered = str(linked_text(text))
    assert html in rendered
    assert "<b>" not in rendered
    assert "javascript:" not in rendered or "href" not in rendered


def test_a_number_leads_to_the_ticket(client: FlaskClient, ticket: str) -> None:
    number = (client.get(f"{API}/{ticket}").json or {})["number"]
    assert client.get(f"/tickets/number/{number}").headers["Location"].endswith(ticket)
    assert client.get("/tickets/number/99999").status_code == 404
