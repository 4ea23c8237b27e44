"""Pages of saved launches and of relaunching with changes, as people use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app.core.db import db
from app.core.errors import InvalidInput
from app.jobs.input_differences import input_differences
from app.jobs.models import Launch
from app.playbooks import queries_saved, service, service_content
from app.playbooks.models_saved import SavedLaunch
from app.playbooks.saved_inputs import read_secrets
from app.playbooks.targets import Selection
from tests.playbooks.conftest import House
from tests.playbooks.test_launch import finish
from tests.playbooks.test_saved_launches import press, ready, save
from tests.playbooks.test_saved_rights import http

assert ready  # a fixture
assert http  # another one
Http = Callable[[str], FlaskClient]
Ready = tuple[int, int, int]


def only_one(house: House) -> SavedLaunch:
    with house.unit():
        return db.session.scalars(select(SavedLaunch).where(SavedLaunch.tenant_id == house.tenant_id)).one()


def test_a_person_saves_from_the_launch_form_edits_grants_and_presses(house: House, ready: Ready, http: Http) -> None:
    operator, viewer = http("operator"), http("viewer")
    assert b"Nothing is saved yet" in operator.get("/saved-launches").data
    assert b"Which playbook does it launch" in operator.get("/saved-launches/new").data
    assert b"Save for later" in operator.get(f"/playbooks/{ready[0]}/launch").data
    typed = {"server_ids": [str(ready[1])], "var_greeting": "typed text", "var_pin": "correct horse", "forks": "9"}
    shown = operator.post(f"/saved-launches/new?playbook_id={ready[0]}", data={**typed, "act": "save"})
    assert shown.status_code == 200
    assert b"typed text" in shown.data
    assert b"correct horse" not in shown.data
    bad = operator.post("/saved-launches/new", data={**typed, "playbook_id": ready[0], "name": "", "var_count": "x"})
    assert bad.status_code == 422
    assert b"typed text" in bad.data
    assert b"correct horse" not in bad.data
    form = {**typed, "playbook_id": ready[0], "name": "Nightly", "labels": "web, night", "ask": ["extra_vars.count"]}
    made = operator.post("/saved-launches/new", data=form)
    assert made.status_code == 303, made.data
    saved = only_one(house)
    assert (saved.variables, saved.options, saved.tags) == ({"greeting": "typed text"}, {"forks": 9}, ["night", "web"])
    assert (read_secrets(saved), saved.ask) == ({"pin": "correct horse"}, ["extra_vars.count"])
    path = f"/saved-launches/{saved.uuid}"
    page = operator.get(path)
    assert b"kept encrypted" in page.data
    assert b"correct horse" not in page.data

    edit = operator.get(f"{path}/edit")
    assert b"leave this empty to use it" in edit.data
    changed = {**form, "var_pin": "", "name": "Nightly greeting", "version": "1"}
    assert operator.post(f"{path}/edit", data=changed).status_code == 303
    saved = only_one(house)
    assert (saved.name, read_secrets(saved)) == ("Nightly greeting", {"pin": "correct horse"})
    stale = operator.post(f"{path}/edit", data=changed)
    assert stale.status_code == 409
    assert b"Somebody else changed this" in stale.data

    assert viewer.get(path).status_code == 200
    assert b"Launch</a>" not in viewer.get(path).data
    assert viewer.get(f"{path}/launch").status_code == 403
    assert viewer.post(f"{path}/launch", data={"var_count": "2"}).status_code == 403
    right = {"to": f"user:{house.viewer.user_id}", "act": "launch"}
    assert operator.post(f"{path}/grants", data=right).status_code == 303
    assert operator.post(f"{path}/grants", data={**right, "act": "edit"}).status_code == 303
    assert b"never to edit" in operator.get(path).data
    press_page = viewer.get(f"{path}/launch")
    assert b"var_count" in press_page.data
    for hidden in (b"var_greeting", b"var_pin", b'name="forks"', b'name="check"', b"server_ids"):
        assert hidden not in press_page.data
    wrong = viewer.post(f"{path}/launch", data={"var_count": "12"})
    assert wrong.status_code == 422
    assert b"must be at most 9" in wrong.data
    # T-MASS: fields that are not asked for are not read from the form either.
    more = {"var_count": "2", "var_greeting": "mine", "forks": "1", "check": "1", "server_ids": str(ready[2])}
    done = viewer.post(f"{path}/launch", data={**more, "token": "6f1e6f7c-6f0d-4d4e-8b3c-0d7f5a1c2b3a"})
    assert done.status_code == 303, done.data
    twice = viewer.post(f"{path}/launch", data={**more, "token": "6f1e6f7c-6f0d-4d4e-8b3c-0d7f5a1c2b3a"})
    assert twice.location == done.location
    with house.unit():
        launch = db.session.scalars(select(Launch).where(Launch.tenant_id == house.tenant_id)).one()
        assert launch.inputs["extra_vars"] == {"greeting": "typed text", "count": 2}
        assert (launch.inputs["forks"], launch.inputs["server_ids"], launch.is_check) == (9, [ready[1]], False)
    shown = viewer.get(done.location)
    assert b"Nightly greeting" in shown.data
    assert b"Relaunch" not in shown.data
    assert b"/cancel" in shown.data
    assert b"Nightly greeting" in viewer.get("/saved-launches?launchable=1").data
    csv = viewer.get("/saved-launches/export?format=csv")
    assert (csv.status_code, csv.mimetype) == (200, "text/csv")
    assert "Nightly greeting" in csv.text
    grant = f"{path}/grants/1/revoke"
    assert viewer.post(grant).status_code == 403
    assert operator.post(grant).status_code == 303
    assert viewer.get(f"{path}/launch").status_code == 403
    assert operator.post(f"{path}/mark", data={"marked": "1", "back": "list"}).status_code == 303
    assert b"Nightly greeting" in operator.get("/saved-launches?favourite=1").data
    copied = operator.post(f"{path}/copy")
    assert (copied.status_code, copied.location.endswith("/edit")) == (303, True)
    assert operator.post(f"{path}/remove", data={"version": "2"}).status_code == 303
    assert b"inactive" in operator.get(path).data
    assert operator.post(f"{path}/launch", data={"var_count": "1"}).status_code == 409
    assert operator.post(f"{path}/activate", data={"version": "3"}).status_code == 303


def test_production_is_asked_for_on_the_press_page(house: House, ready: Ready, http: Http) -> None:
    live = house.add_server("live-1", environment="production")
    uuid = save(house, ready, selection=Selection(server_ids=(live,)), ask=[], extra_vars={"count": 1})
    path, operator = f"/saved-launches/{uuid}/launch", http("operator")
    page = operator.get(path)
    assert b"Production: 1 of them" in page.data
    assert b"Production: type Greet the web" in page.data
    asked = operator.post(path, data={"confirm_name": "Greet"})
    assert asked.status_code == 422
    assert b"Type Greet the web to go on" in asked.data
    assert operator.post(path, data={"confirm_name": "Greet the web"}).status_code == 303


def relaunched(house: House) -> Launch:
    with house.unit():
        statement = select(Launch).where(Launch.tenant_id == house.tenant_id).order_by(Launch.id.desc()).limit(1)
        return db.session.scalars(statement).one()


def test_a_relaunch_with_changes_shows_the_difference_before_and_after(house: House, ready: Ready, http: Http) -> None:
    old = press(house, save(house, ready, name="Other"), extra_vars={"count": 1})
    operator, path = http("operator"), f"/launches/{old.uuid}/relaunch/edit"
    assert b"is not finished yet" in operator.get(path).data
    finish(house, old.uuid, ready[2])
    page = operator.get(path)
    assert b"Relaunch with changes" in page.data
    assert b"leave this empty to use it" in page.data
    assert b"correct horse" not in page.data
    only = operator.get(f"{path}?only=failed").text
    assert f'value="{ready[2]}" checked' in only
    assert f'value="{ready[1]}" checked' not in only
    form: dict[str, Any] = {
        "server_ids": [str(ready[1])],
        "var_greeting": "hello",
        "var_count": "2",
        "var_pin": "",
        "forks": "7",
        "run_tags": "a",
        "verbosity": "0",
    }
    before = operator.post(path, data={**form, "act": "preview"}, headers={"HX-Request": "true"})
    assert before.status_code == 200, before.data
    assert b"servers -web-2" in before.data
    assert b"count 1 -&gt; 2" in before.data
    assert b"Runs on 1 server." in before.data
    assert b"<html" not in before.data
    whole = operator.post(path, data={**form, "act": "preview"})
    assert b"servers -web-2" in whole.data
    refused = operator.post(path, data={**form, "var_count": "99", "act": "preview"}, headers={"HX-Request": "true"})
    assert (refused.status_code, b"must be at most 9" in refused.data) == (200, True)
    with house.unit():
        assert len(db.session.scalars(select(Launch).where(Launch.tenant_id == house.tenant_id)).all()) == 1
    done = operator.post(path, data=form)
    assert done.status_code == 303, done.data
    new = relaunched(house)
    assert (new.relaunch_of, new.inputs["server_ids"]) == (old.id, [ready[1]])
    assert new.inputs["extra_vars"] == {"greeting": "hello", "count": 2}
    assert service.secrets_of_launch(new) == {"pin": "correct horse"}
    assert "changed_secrets" not in new.inputs
    after = operator.get(done.location)
    assert b"Differs from L-" in after.data
    assert b"servers -web-2" in after.data
    finish(house, new.uuid)
    again = f"/launches/{new.uuid}/relaunch/edit"
    assert operator.post(again, data={**form, "var_pin": "battery staple"}).status_code == 303
    newest = relaunched(house)
    assert newest.inputs["changed_secrets"] == ["pin"]
    assert service.secrets_of_launch(newest) == {"pin": "battery staple"}
    shown = operator.get(f"/launches/{newest.uuid}")
    assert b"pin changed (secret)" in shown.data
    assert b"battery staple" not in shown.data
    assert http("viewer").get(path).status_code == 403


def test_a_relaunch_says_what_became_of_playbook_and_servers(house: House, ready: Ready, http: Http) -> None:
    from app.inventory.models import Server

    old = press(house, save(house, ready), extra_vars={"count": 1})
    finish(house, old.uuid)
    with house.unit():
        server = db.session.scalars(
            select(Server).where(Server.tenant_id == house.tenant_id, Server.id == ready[2])
        ).one()
        server.is_active = False
        service_content.edit_playbook(house.admin, ready[0], {"is_active": False})
    page = http("operator").get(f"/launches/{old.uuid}/relaunch/edit")
    assert b"1 of its servers is not active any more" in page.data
    assert b"The playbook is deactivated" in page.data
    refused = http("operator").post(f"/launches/{old.uuid}/relaunch/edit", data={"server_ids": str(ready[1])})
    assert refused.status_code == 409
    assert b"deactivated" in refused.data


def test_production_is_asked_for_at_every_relaunch(house: House, ready: Ready, http: Http) -> None:
    live = house.add_server("live-1", environment="production")
    saved = save(house, ready, selection=Selection(server_ids=(live,)))
    old = press(house, saved, extra_vars={"count": 1}, confirmed_by_name="Greet the web")
    finish(house, old.uuid, live)
    operator, path = http("operator"), f"/launches/{old.uuid}/relaunch"
    for only in ("failed", "all"):
        asked = operator.post(path, data={"only": only})
        assert (asked.status_code, b"Type Greet to go on" in asked.data) == (200, True)
        assert operator.post(path, data={"only": only, "confirmed": "1", "confirm_name": "greet"}).status_code == 200
    form = {"server_ids": str(live), "var_count": "1"}
    edited = operator.post(f"{path}/edit", data=form)
    assert (edited.status_code, b"Type Greet to go on" in edited.data) == (422, True)
    with house.unit():
        assert len(db.session.scalars(select(Launch).where(Launch.tenant_id == house.tenant_id)).all()) == 1
    assert operator.post(f"{path}/edit", data={**form, "confirm_name": "Greet"}).status_code == 303
    assert operator.post(path, data={"only": "all", "confirmed": "1", "confirm_name": "Greet"}).status_code == 303


def test_a_program_relaunches_with_other_servers_and_values(house: House, ready: Ready, http: Http) -> None:
    old = press(house, save(house, ready), extra_vars={"count": 1})
    finish(house, old.uuid, ready[2])
    operator, path = http("operator"), f"/api/v1/launches/{old.uuid}/relaunch"
    cases: tuple[tuple[dict[str, Any], list[int]], ...] = (
        ({"only": "failed"}, [ready[2]]),
        ({"server_ids": [ready[1]]}, [ready[1]]),
        ({"server_tags": ["web"], "limit": "!web-1"}, [ready[2]]),
        ({"limit": "web-1"}, [ready[1]]),
        ({"extra_vars": {"count": 3}, "check": True}, [*ready[1:]]),
    )
    for body, servers in cases:
        made = operator.post(path, json=body)
        assert made.status_code == 202, made.json
        assert made.json["inputs"]["server_ids"] == servers, body
    assert made.json["inputs"]["extra_vars"]["count"] == 3
    for wrong in ({"playbook_id": 1}, {"extra_vars": {"nope": 1}}, {"limit": "-e"}, {"only": "some"}):
        assert operator.post(path, json=wrong).status_code == 422


def test_differences_are_said_in_words(house: House, ready: Ready) -> None:
    with house.unit():
        old = {"server_ids": [*ready[1:]], "extra_vars": {"version": "1.2", "on": True}, "file_hash": "a"}
        new = {
            "server_ids": [ready[1], 99],
            "extra_vars": {"version": "1.3"},
            "file_hash": "b",
            "check": True,
        }
        said = [str(found) for found in input_differences(house.tenant_id, old, new)]
    assert sorted(said) == sorted(
        [
            "servers -web-2 +server 99",
            "content changed since",
            "on yes -> nothing",
            "version 1.2 -> 1.3",
            "check nothing -> yes",
        ]
    )
    assert "servers -web-2 +server 99" in said
    assert "version 1.2 -> 1.3" in said


def test_lists_filter_by_saved_launch_failure_server_and_source(house: House, ready: Ready, http: Http) -> None:
    from app.jobs.models import Job

    uuid = save(house, ready)
    one = press(house, uuid, extra_vars={"count": 1}, server_ids=[ready[1]])
    other = press(house, save(house, ready, name="Other"), extra_vars={"count": 1}, server_ids=[ready[2]])
    finish(house, one.uuid, ready[1])
    with house.unit():
        job = db.session.scalars(select(Job).where(Job.tenant_id == house.tenant_id, Job.launch_id == one.id)).one()
        job.failure_code = "unreachable"
    viewer = http("viewer")
    for filters in (f"origin_uuid={uuid}", "failure_code=unreachable", f"server_id={ready[1]}", "status=failed"):
        assert [row["uuid"] for row in viewer.get(f"/api/v1/launches?{filters}").json] == [one.uuid], filters
        assert [row["launch_uuid"] for row in viewer.get(f"/api/v1/jobs?{filters}").json] == [one.uuid], filters
        page = viewer.get(f"/launches?{filters}").text
        assert (f"/launches/{one.uuid}" in page, f"/launches/{other.uuid}" in page) == (True, False), filters
        assert viewer.get(f"/jobs?{filters}").status_code == 200
    assert len(viewer.get("/api/v1/launches?source=web").json) == 2
    assert viewer.get("/api/v1/launches?source=cli").json == []
    up = [row["uuid"] for row in viewer.get("/api/v1/launches?sort=created").json]
    assert up == [one.uuid, other.uuid]
    assert viewer.get("/api/v1/launches?sort=status").status_code == 422
    assert viewer.get("/api/v1/jobs?failure_code=nope").status_code == 422
    for name in ("launches", "jobs"):
        lines = viewer.get(f"/{name}/export?format=jsonl&origin_uuid={uuid}").text.splitlines()
        assert len(lines) == 1
        assert viewer.get(f"/{name}/export?format=xml").status_code == 422
    with house.unit(), pytest.raises(InvalidInput):
        queries_saved.list_saved(house.viewer, queries_saved.SavedFilter(), sort="nope")
