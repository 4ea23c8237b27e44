"""Teams: who is in one, and what else a team is."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models_teams import Team
from app.accounts.queries_teams import teams_of
from app.audit.models import AuditEntry
from app.core.actor import Actor, Role
from app.core.db import unit_of_work
from app.core.tenancy import tenant_scope
from tests import factories
from tests.factories import PersonMade, bearer


@pytest.mark.database
def test_a_person_is_in_the_active_teams_that_hold_them(app: Flask) -> None:
    tenant = factories.make_tenant("Default")
    ada, bob = factories.make_person(tenant.id), factories.make_person(tenant.id)
    web, other = factories.make_team(ada, "web").id, factories.make_team(bob, "network").id
    factories.make_team(ada, "gone", is_active=False)
    with app.app_context(), tenant_scope(tenant.id), unit_of_work(writes=False):
        assert teams_of(ada.actor) == [web]
        assert teams_of(bob.actor) == [other]
        assert teams_of(Actor.system(tenant.id)) == []


@pytest.fixture
def admin(app: Flask) -> PersonMade:
    return factories.make_person(factories.make_tenant("Default").id, Role.ADMIN)


@pytest.fixture
def headers(admin: PersonMade) -> dict[str, str]:
    return bearer(factories.make_key(admin))


@pytest.mark.database
def test_rest_makes_a_team_fills_and_deactivates_it(
    client: FlaskClient, admin: PersonMade, headers: dict[str, str]
) -> None:
    made = client.post("/api/v1/teams", json={"name": " Network ", "description": "Switches"}, headers=headers)
    assert made.status_code == 201
    path = made.headers["Location"]
    assert (made.json or {})["name"] == "Network"
    assert client.post("/api/v1/teams", json={"name": "network"}, headers=headers).status_code in (201, 409)
    person = factories.make_person(admin.tenant_id, Role.VIEWER, username="ann")
    for _ in range(2):
        added = client.post(f"{path}/members", json={"user_id": person.id}, headers=headers)
        assert (added.status_code, (added.json or {})["members"]) == (200, 1)
    assert [m["username"] for m in client.get(f"{path}/members", headers=headers).json or []] == ["ann"]
    assert client.patch(path, json={"is_active": False, "version": 7}, headers=headers).status_code == 409
    off = client.patch(path, json={"is_active": False}, headers={"If-Match": made.headers["ETag"], **headers})
    assert (off.status_code, (off.json or {})["is_active"]) == (200, False)
    assert client.delete(f"{path}/members/{person.id}", headers=headers).status_code == 204
    assert client.delete(f"{path}/members/{person.id}", headers=headers).status_code == 404
    events = [entry.event for entry in factories.rows(AuditEntry) if entry.resource_type == "team"]
    wanted = ["team:create", "team:add_member", "team:deactivate", "team:remove_member"]
    assert [event for event in wanted if event not in events] == []
    assert events.count("team:add_member") == 1


def test_an_inactive_person_and_one_of_another_tenant_join_no_team(
    client: FlaskClient, admin: PersonMade, headers: dict[str, str]
) -> None:
    path = f"/api/v1/teams/{factories.make_team(admin).uuid}/members"
    gone = factories.make_person(admin.tenant_id, is_active=False)
    stranger = factories.make_person(factories.make_tenant().id)
    assert client.post(path, json={"user_id": gone.id}, headers=headers).status_code == 409
    assert client.post(path, json={"user_id": stranger.id}, headers=headers).status_code == 404
    assert client.post(path, json={"user_id": True}, headers=headers).status_code == 422


def test_the_pages_make_a_team_and_say_what_is_wrong_beside_the_field(app: Flask, admin: PersonMade) -> None:
    browser = factories.sign_in(app.test_client(), admin)
    assert "No team yet" in browser.get("/teams").get_data(as_text=True)
    assert factories.post(browser, "/teams/new", name="On call", description="Nights").status_code == 303
    taken = factories.post(browser, "/teams/new", name="On call")
    assert taken.status_code == 409
    assert "team of this name" in taken.get_data(as_text=True)
    (team,) = factories.rows(Team)
    factories.make_person(admin.tenant_id, Role.VIEWER, username="ann")
    page = factories.post(browser, f"/teams/{team.uuid}/members", username="Ann ")
    assert page.status_code == 303
    wrong = factories.post(browser, f"/teams/{team.uuid}/members", username="nobody")
    assert wrong.status_code == 422
    assert "Nobody has this user name" in wrong.get_data(as_text=True)
    assert "ann" in browser.get(f"/teams/{team.uuid}").get_data(as_text=True)
    edited = factories.post(browser, f"/teams/{team.uuid}/edit", name="On call", description="", version="1")
    assert edited.status_code == 303
    assert factories.rows(Team)[0].description is None
    assert "Deactivate On call?" in factories.post(browser, f"/teams/{team.uuid}/deactivate").get_data(as_text=True)
    assert factories.post(browser, f"/teams/{team.uuid}/deactivate", confirmed="1").status_code == 303
    assert not factories.rows(Team)[0].is_active
    assert "On call,,1,no" in browser.get("/teams/export?active=all").get_data(as_text=True)
    viewer = factories.sign_in(app.test_client(), factories.make_person(admin.tenant_id, Role.VIEWER))
    shown = viewer.get(f"/teams/{team.uuid}")
    assert shown.status_code == 200
    assert "Reactivate" not in shown.get_data(as_text=True)
