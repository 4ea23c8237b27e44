"""T-ESC around saved launches: who may press, edit and grant, and what a lent right does not open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from sqlalchemy import select

from app.accounts.models_teams import Team, TeamMember
from app.core.actor import Actor, Role
from app.core.db import db
from app.core.errors import InvalidInput, NotFound, PermissionDenied
from app.jobs import service as jobs
from app.jobs.models import Launch
from app.playbooks import queries_saved, saved_rights, service, service_grants, service_saved, service_saved_launch
from app.playbooks.models_saved import GrantAct
from app.playbooks.queries_saved import SavedFilter
from app.playbooks.saved_listing import saved_rows
from app.playbooks.targets import Selection
from tests.playbooks.conftest import Connection, House, with_scopes
from tests.playbooks.test_saved_launches import press, ready, save

assert ready  # a fixture
pytestmark = pytest.mark.database
COUNT = {"extra_vars": {"count": 1}}


def give(house: House, uuid: str, act: GrantAct = GrantAct.LAUNCH, by: Actor | None = None, **to: Any) -> int:
    with house.unit():
        return service_grants.grant(by or house.operator, uuid, act=act, **to).id


def make_team(house: House, *people: Actor) -> tuple[int, str]:
    with house.unit():
        team = Team(tenant_id=house.tenant_id, name=f"team of {len(people)}")
        db.session.add(team)
        db.session.flush()
        for person in people:
            db.session.add(TeamMember(tenant_id=house.tenant_id, team_id=team.id, user_id=person.user_id))
        return team.id, team.uuid


def refused(house: House, uuid: str, actor: Actor | None = None) -> None:
    with pytest.raises(PermissionDenied):
        press(house, uuid, actor or house.viewer, **COUNT)


def test_t_esc_a_viewer_launches_only_what_was_granted(house: House, ready: tuple[int, int, int]) -> None:
    uuid, other = save(house, ready), save(house, ready, name="Other")
    refused(house, uuid)
    grant_id = give(house, uuid, user_id=house.viewer.user_id)
    launch = press(house, uuid, house.viewer, **COUNT)
    assert (launch.user_id, launch.origin_uuid) == (house.viewer.user_id, uuid)
    refused(house, other)
    with house.unit():
        shown = {
            row["name"]: row
            for row in saved_rows(house.viewer, queries_saved.list_saved(house.viewer, SavedFilter()).items)
        }
        assert (shown["Greet the web"]["may_launch"], shown["Other"]["may_launch"]) == (True, False)
        only = queries_saved.list_saved(house.viewer, SavedFilter(launchable=True)).items
        assert [row.name for row in only] == ["Greet the web"]
        service_grants.revoke_grant(house.operator, uuid, grant_id)
    refused(house, uuid)


def test_t_esc_a_lent_right_opens_nothing_else(house: House, ready: tuple[int, int, int]) -> None:
    uuid = save(house, ready)
    give(house, uuid, user_id=house.viewer.user_id)
    launch = press(house, uuid, house.viewer, **COUNT)
    attempts: tuple[Callable[[], object], ...] = (
        lambda: service.launch_playbook(house.viewer, ready[0], selection=Selection(server_ids=ready[1:])),
        lambda: service.relaunch(house.viewer, launch.uuid),
        lambda: service.preview_selection(house.viewer, Selection(server_ids=ready[1:])),
        lambda: service_saved.edit_saved(house.viewer, uuid, {"name": "x"}),
        lambda: service_saved.copy_saved(house.viewer, uuid),
        lambda: service_saved.remove_saved(house.viewer, uuid),
        lambda: service_grants.grant(house.viewer, uuid, act=GrantAct.LAUNCH, role=Role.VIEWER),
    )
    for attempt in attempts:
        with house.unit(), pytest.raises(PermissionDenied):
            attempt()
    with pytest.raises(InvalidInput):
        press(house, uuid, house.viewer, extra_vars={"count": 1, "greeting": "mine"})


def test_t_esc_a_lent_right_never_reaches_the_platforms_own_machine(house: House, ready: tuple[int, int, int]) -> None:
    controller = house.add_server("controller", connection=Connection.LOCAL, is_controller=True)
    uuid = save(house, ready, actor=house.admin, selection=Selection(server_ids=(controller,)))
    give(house, uuid, by=house.admin, role=Role.VIEWER)
    refused(house, uuid)
    refused(house, uuid, house.operator)
    assert press(house, uuid, house.admin, **COUNT).jobs_total == 1


def test_t_esc_one_that_names_no_servers_is_not_for_lent_rights(house: House, ready: tuple[int, int, int]) -> None:
    uuid = save(house, ready, selection=Selection(), ask=["servers", "extra_vars.count"])
    give(house, uuid, role=Role.VIEWER)
    with pytest.raises(PermissionDenied):
        press(house, uuid, house.viewer, server_ids=[ready[1]], **COUNT)
    assert press(house, uuid, house.operator, server_ids=[ready[1]], **COUNT).inputs["server_ids"] == [ready[1]]


def test_a_right_may_come_through_a_team_until_the_team_is_deactivated(
    house: House, ready: tuple[int, int, int]
) -> None:
    uuid = save(house, ready)
    team_id, team_uuid = make_team(house, house.viewer)
    give(house, uuid, team_uuid=team_uuid)
    press(house, uuid, house.viewer, **COUNT)
    with house.unit():
        assert [
            row.name for row in queries_saved.grants_of(house.viewer, queries_saved.get_saved(house.viewer, uuid))
        ] == ["team of 1"]
        db.session.scalars(
            select(Team).where(Team.tenant_id == house.tenant_id, Team.id == team_id)
        ).one().is_active = False
    refused(house, uuid)
    with house.unit():
        row = queries_saved.grants_of(house.viewer, queries_saved.get_saved(house.viewer, uuid))[0]
        assert not row.is_active


def test_a_right_may_come_through_the_role(house: House, ready: tuple[int, int, int]) -> None:
    uuid = save(house, ready)
    first = give(house, uuid, role=Role.VIEWER)
    assert give(house, uuid, role=Role.VIEWER) == first  # said twice, kept once
    press(house, uuid, house.viewer, **COUNT)


def test_editing_belongs_to_the_owner_to_admins_and_to_whom_it_was_granted(
    house: House, ready: tuple[int, int, int]
) -> None:
    uuid = save(house, ready, actor=house.admin)
    with house.unit(), pytest.raises(PermissionDenied, match="no right to edit") as caught:
        service_saved.edit_saved(house.operator, uuid, {"name": "Mine"})
    assert caught.value.status == 403
    give(house, uuid, GrantAct.EDIT, by=house.admin, user_id=house.operator.user_id)
    with house.unit():
        service_saved.edit_saved(house.operator, uuid, {"name": "Ours"})
        with pytest.raises(PermissionDenied):  # who may edit does not say who else may
            service_grants.grant(house.operator, uuid, act=GrantAct.LAUNCH, role=Role.VIEWER)
    own = save(house, ready)
    with house.unit():
        service_saved.edit_saved(house.admin, own, {"description": "by an admin"})


def test_t_esc_a_viewer_never_edits_whatever_is_granted(house: House, ready: tuple[int, int, int]) -> None:
    uuid = save(house, ready)
    for to in ({"user_id": house.viewer.user_id}, {"role": Role.VIEWER}):
        with pytest.raises(InvalidInput, match="fields") as caught:
            give(house, uuid, GrantAct.EDIT, **to)
        assert "never to edit" in caught.value.errors["act"][0]
    _, team = make_team(house, house.viewer)
    give(house, uuid, GrantAct.EDIT, team_uuid=team)
    with house.unit(), pytest.raises(PermissionDenied):
        service_saved.edit_saved(house.viewer, uuid, {"name": "x"})
    press(house, uuid, house.viewer, **COUNT)


def test_rights_go_only_to_somebody_of_the_tenant(house: House, neighbour: House, ready: tuple[int, int, int]) -> None:
    uuid = save(house, ready)
    _, team = make_team(neighbour, neighbour.viewer)
    for to in ({"user_id": neighbour.viewer.user_id}, {"team_uuid": team}, {"user_id": 99_999}):
        with pytest.raises(NotFound):
            give(house, uuid, **to)
    for none in ({}, {"user_id": house.viewer.user_id, "role": Role.VIEWER}):
        with pytest.raises(InvalidInput):
            give(house, uuid, **none)
    with neighbour.unit(), pytest.raises(NotFound):
        service_grants.revoke_grant(neighbour.admin, uuid, 1)


def test_t_esc_scopes_of_a_key_narrow_pressing(house: House, ready: tuple[int, int, int]) -> None:
    uuid = save(house, ready)
    give(house, uuid, user_id=house.viewer.user_id)
    for actor in (house.viewer, house.operator, house.admin):
        refused(house, uuid, with_scopes(actor, "job:view", "server:view"))
    # A key that can press buttons and nothing else.
    pressing = with_scopes(house.operator, "saved_launch:launch")
    launch = press(house, uuid, pressing, **COUNT)
    assert launch.user_id == house.operator.user_id
    with house.unit(), pytest.raises(PermissionDenied):
        service.launch_playbook(pressing, ready[0], selection=Selection(server_ids=ready[1:]))
    with house.unit(), pytest.raises(PermissionDenied):
        queries_saved.list_saved(pressing, SavedFilter())
    assert press(house, uuid, with_scopes(house.viewer, "saved_launch:launch"), **COUNT).jobs_total == 2
    assert not saved_rights.launches_all(with_scopes(house.admin, "job:launch"))


def test_who_launched_may_cancel_whatever_their_role(house: House, ready: tuple[int, int, int]) -> None:
    uuid = save(house, ready)
    give(house, uuid, role=Role.VIEWER)
    own, other = press(house, uuid, house.viewer, **COUNT), press(house, uuid, house.operator, **COUNT)
    with house.unit():
        with pytest.raises(PermissionDenied):
            jobs.cancel_launch(house.viewer, other.uuid)
        with pytest.raises(PermissionDenied):
            jobs.cancel_launch(with_scopes(house.viewer, "job:view"), own.uuid)
        assert jobs.cancel_launch(house.viewer, own.uuid).status == "cancelled"
        jobs.cancel_launch(with_scopes(house.operator, "job:cancel", "job:view"), other.uuid)


def test_a_system_actor_of_another_person_has_no_grants_of_theirs(house: House, ready: tuple[int, int, int]) -> None:
    uuid = save(house, ready)
    give(house, uuid, user_id=house.viewer.user_id)
    nobody = replace(house.viewer, user_id=None)
    refused(house, uuid, nobody)


def test_the_servers_shown_before_are_those_that_are_hit(house: House, ready: tuple[int, int, int]) -> None:
    uuid = save(house, ready, ask=["servers", "limit", "extra_vars.count"])
    with house.unit():
        with pytest.raises(PermissionDenied):
            service_saved_launch.servers_of_saved(house.viewer, uuid)
        names = [
            server.hostname for server in service_saved_launch.servers_of_saved(house.operator, uuid, {"limit": "*-1"})
        ]
        assert names == ["web-1"]


@pytest.fixture
def http(app: Flask, house: House) -> Callable[[str], FlaskClient]:
    """A client that acts as one of the three; CSRF is off."""
    actors = {"admin": house.admin, "operator": house.operator, "viewer": house.viewer}
    app.config["WTF_CSRF_ENABLED"] = False
    app.authenticator = lambda: actors.get(request.headers.get("X-Test-Actor", ""))  # type: ignore[attr-defined]

    def make(name: str) -> FlaskClient:
        client = app.test_client()
        client.environ_base["HTTP_X_TEST_ACTOR"] = name
        return client

    return make


def test_a_program_makes_grants_and_presses_a_saved_launch(
    house: House, ready: tuple[int, int, int], http: Callable[[str], FlaskClient]
) -> None:
    operator, viewer = http("operator"), http("viewer")
    body = {
        "name": "Nightly",
        "playbook_id": ready[0],
        "selection": {"server_tags": ["web"]},
        "options": {"check": True},
        "extra_vars": {"pin": "correct horse"},
        "ask": ["extra_vars.count"],
    }
    made = operator.post("/api/v1/saved-launches", json=body)
    assert made.status_code == 201, made.json
    assert "correct horse" not in made.text
    assert made.json["selection"] == {"server_tags": ["web"]}
    path = made.headers["Location"]
    press_it = {"extra_vars": {"count": 2}}
    assert viewer.post(f"{path}/launch", json=press_it).status_code == 403
    right = operator.post(f"{path}/grants", json={"act": "launch", "user_id": house.viewer.user_id})
    assert (right.status_code, right.json["name"]) == (201, "house-viewer")
    key = {"Idempotency-Key": "k1"}
    done = viewer.post(f"{path}/launch", json=press_it, headers=key)
    assert done.status_code == 202, done.json
    assert viewer.post(f"{path}/launch", json=press_it, headers=key).json["uuid"] == done.json["uuid"]
    assert done.json["is_check"] is True
    assert (done.json["origin_uuid"], done.json["origin_title"]) == (made.json["uuid"], "Nightly")
    assert viewer.get(f"/api/v1/launches?origin_uuid={made.json['uuid']}").json[0]["uuid"] == done.json["uuid"]
    assert viewer.get(f"/api/v1/launches/{done.json['uuid']}").status_code == 200
    fixed = viewer.post(f"{path}/launch", json={**press_it, "check": False})
    assert (fixed.status_code, list(fixed.json["errors"])) == (422, ["check"])
    # T-MASS: what is not an input of a launch is refused by name.
    for extra in ({"user_id": 1}, {"playbook_id": ready[0]}, {"source": "cli"}, {"environment": "production"}):
        assert viewer.post(f"{path}/launch", json={**press_it, **extra}).status_code == 422
    for extra in ({"owner_id": 1}, {"uuid": "x"}, {"tenant_id": 2}, {"secret_variables": "x"}, {"is_active": False}):
        assert operator.post("/api/v1/saved-launches", json={**body, "name": "x", **extra}).status_code == 422
    for extra in ({"owner_id": 1}, {"playbook_id": 1}, {"version": "1"}):
        assert operator.patch(path, json=extra).status_code == 422
    stale = operator.patch(path, json={"description": "x"}, headers={"If-Match": '"7"'})
    assert stale.status_code == 409
    assert operator.patch(path, json={"description": "x"}, headers={"If-Match": '"1"'}).headers["ETag"] == '"2"'
    assert viewer.post(f"{path}/launches/{done.json['uuid']}").status_code == 404
    assert viewer.post(f"/api/v1/launches/{done.json['uuid']}/relaunch", json={}).status_code == 403
    assert operator.delete(f"{path}/grants/{right.json['id']}").status_code == 204
    assert viewer.post(f"{path}/launch", json=press_it).status_code == 403
    assert viewer.put(f"{path}/favourite").status_code == 204
    assert viewer.get("/api/v1/saved-launches?favourite=true").json[0]["may_launch"] is False
    copy = operator.post(f"{path}/copy", json={})
    assert (copy.status_code, copy.json["name"], copy.json["secret_names"]) == (201, "Nightly (copy)", ["pin"])
    past = operator.post("/api/v1/saved-launches", json={"name": "Past", "from_launch": done.json["uuid"]})
    assert (past.status_code, past.json["extra_vars"]) == (201, {"greeting": "hi", "count": 2}), past.json
    assert operator.delete(path).status_code == 204
    assert operator.post(f"{path}/launch", json=press_it).status_code == 409
    with house.unit():
        assert len(db.session.scalars(select(Launch).where(Launch.tenant_id == house.tenant_id)).all()) == 1
