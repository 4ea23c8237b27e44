"""Saved launches: what they hold, what they ask for, what pressing them does."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, text

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied, VersionConflict
from app.jobs.models import Job, Launch
from app.jobs.status import JobStatus
from app.playbooks import queries_saved, service, service_approval, service_content, service_saved, service_saved_launch
from app.playbooks.models_saved import SavedLaunch
from app.playbooks.queries_saved import SavedFilter
from app.playbooks.saved_inputs import read_secrets
from app.playbooks.saved_listing import saved_rows
from app.playbooks.service_saved import SavedInput
from app.playbooks.targets import Selection
from tests.playbooks.conftest import GOOD, Connection, House
from tests.support.sent import sent

pytestmark = pytest.mark.database
SPECS = [
    {"name": "greeting", "default": "hi"},
    {"name": "count", "type": "number", "required": True, "integer": True, "minimum": 1, "maximum": 9},
    {"name": "pin", "type": "secret"},
]


@pytest.fixture
def ready(house: House) -> tuple[int, int, int]:
    """An approved playbook and two servers: their ids."""
    first, second = house.add_server("web-1", tags=["web"]), house.add_server("web-2", tags=["web"])
    with house.unit():
        playbook = service_content.upload_playbook(
            house.admin, name="Greet", file_name="site.yml", data=GOOD, variable_specs=SPECS
        )
        service_approval.approve_playbook(house.admin, playbook.id)
        return playbook.id, first, second


def save(house: House, ready: tuple[int, int, int], **more: Any) -> str:
    """Keep a launch of both servers that asks for its servers and for ``count``; returns its UUID."""
    actor = more.pop("actor", house.operator)
    values: dict[str, Any] = {
        "name": "Greet the web",
        "playbook_id": ready[0],
        "selection": Selection(server_ids=ready[1:]),
        "extra_vars": {"greeting": "hello", "pin": "correct horse"},
        "options": {"forks": 7, "tags": ["a"]},
        "ask": ["extra_vars.count", "servers"],
    }
    with house.unit():
        return service_saved.create_saved(actor, SavedInput(**{**values, **more})).uuid


def press(house: House, uuid: str, actor: Any = None, **given: Any) -> Launch:
    confirmed = given.pop("confirmed_by_name", None)
    with house.unit():
        return service_saved_launch.launch_saved(actor or house.operator, uuid, given, confirmed_by_name=confirmed)


def test_pressing_gives_what_is_saved_and_what_was_asked(house: House, ready: tuple[int, int, int]) -> None:
    uuid = save(house, ready)
    launch = press(house, uuid, extra_vars={"count": 3}, server_ids=[ready[1]])
    assert launch.inputs["extra_vars"] == {"greeting": "hello", "count": 3}
    assert (launch.inputs["forks"], launch.inputs["tags"]) == (7, ["a"])
    assert launch.inputs["server_ids"] == [ready[1]]
    assert (launch.origin_type, launch.origin_uuid, launch.origin_title) == ("saved_launch", uuid, "Greet the web")
    assert service.secrets_of_launch(launch) == {"pin": "correct horse"}
    whole = press(house, uuid, extra_vars={"count": 3})
    assert whole.inputs["server_ids"] == [*ready[1:]]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"extra_vars": {"greeting": "x"}}, "extra_vars.greeting"),
        ({"extra_vars": {"pin": "another secret"}}, "extra_vars.pin"),
        ({"extra_vars": {"ansible_connection": "local"}}, "extra_vars.ansible_connection"),
        ({"check": True}, "check"),
        ({"limit": "web-*"}, "limit"),
        ({"tags": ["b"]}, "tags"),
        ({"forks": 1}, "forks"),
        ({"verbosity": 4}, "verbosity"),
        ({"timeout_seconds": 5}, "timeout_seconds"),
    ],
)
def test_t_esc_an_input_that_is_not_asked_for_is_refused(
    house: House, ready: tuple[int, int, int], given: dict[str, Any], field: str
) -> None:
    uuid = save(house, ready)
    with pytest.raises(InvalidInput) as caught:
        press(house, uuid, **given)
    assert "does not ask for it" in caught.value.errors[field][0]
    with house.unit():
        assert db.session.scalar(select(Launch.id)) is None


def test_t_esc_nobody_gets_beyond_the_saved_servers(house: House, ready: tuple[int, int, int]) -> None:
    other = house.add_server("db-1")
    uuid = save(house, ready, ask=["servers", "limit", "extra_vars.count"])
    tagged = save(
        house, ready, name="By tag", selection=Selection(tags=("web",), limit="!web-2"), ask=["servers", "limit"]
    )
    for saved in (uuid, tagged):
        with pytest.raises(InvalidInput, match="fields") as caught:
            press(house, saved, server_ids=[other])
        assert "does not belong to this saved launch" in str(caught.value.errors)
    with pytest.raises(InvalidInput):
        press(house, tagged, server_ids=[ready[2]], limit="*")
    assert press(house, uuid, limit="*-2", extra_vars={"count": 1}).inputs["server_ids"] == [ready[2]]
    with pytest.raises(InvalidInput, match="fields"):
        press(house, uuid, limit="db-*", extra_vars={"count": 1})


def test_t_vars_asked_values_are_checked_like_those_of_any_launch(house: House, ready: tuple[int, int, int]) -> None:
    uuid = save(house, ready, ask=["extra_vars.count", "extra_vars.greeting", "tags"])
    wrong: tuple[dict[str, Any], ...] = (
        {},
        {"extra_vars": {"count": "3"}},
        {"extra_vars": {"count": 1.5}},
        {"extra_vars": {"count": 10}},
        {"extra_vars": {"count": 1, "greeting": "{{ lookup('pipe', 'id') }}"}},
        {"extra_vars": {"count": 1, "greeting": ["a"]}},
        {"extra_vars": {"count": 1}, "tags": ["-e"]},
        {"extra_vars": {"count": 1}, "tags": ["@/etc/passwd"]},
    )
    for given in wrong:
        with pytest.raises(InvalidInput):
            press(house, uuid, **given)


@pytest.mark.parametrize(
    "wrong",
    [
        {"ask": ["extra_vars.nope"]},
        {"ask": ["extra_vars.ansible_user"]},
        {"ask": ["playbook_id"]},
        {"ask": ["confirmed_by_name"]},
        {"extra_vars": {"nope": 1}},
        {"extra_vars": {"count": "x"}},
        {"extra_vars": {"pin": "short"}},
        {"extra_vars": {"greeting": "{{ x }}"}},
        {"options": {"tags": ["-e"]}},
        {"options": {"forks": 0}},
        {"options": {"verbosity": 9}},
        {"selection": Selection(), "ask": []},
        {"selection": Selection(tags=("web",), limit="@/etc/passwd")},
        {"name": "  "},
        {"tags": ["a,b"]},
    ],
)
def test_what_could_never_be_launched_is_not_saved(
    house: House, ready: tuple[int, int, int], wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput):
        save(house, ready, **wrong)
    with house.unit():
        assert db.session.scalar(select(SavedLaunch.id)) is None


def test_foreign_and_forbidden_things_are_not_saved(
    house: House, neighbour: House, ready: tuple[int, int, int]
) -> None:
    foreign = neighbour.add_server("theirs")
    controller = house.add_server("controller", connection=Connection.LOCAL, is_controller=True)
    with pytest.raises(NotFound):
        save(house, ready, selection=Selection(server_ids=(foreign,)))
    with pytest.raises(NotFound):
        save(house, ready, playbook_id=99_999)
    with pytest.raises(PermissionDenied):
        save(house, ready, selection=Selection(server_ids=(controller,)))
    with pytest.raises(PermissionDenied):
        save(house, ready, actor=house.viewer)
    uuid = save(house, ready)
    with neighbour.unit():
        for act in (
            lambda: queries_saved.get_saved(neighbour.admin, uuid),
            lambda: service_saved.edit_saved(neighbour.admin, uuid, {"name": "x"}),
            lambda: service_saved.remove_saved(neighbour.admin, uuid),
            lambda: service_saved.copy_saved(neighbour.admin, uuid),
            lambda: service_saved_launch.launch_saved(neighbour.admin, uuid, {}),
        ):
            with pytest.raises(NotFound):
                act()


def test_a_secret_is_stored_only_encrypted_and_kept_over_an_edit(house: House, ready: tuple[int, int, int]) -> None:
    uuid = save(house, ready)
    with house.unit():
        for table in ("saved_launches", "audit_logs"):
            for row in db.session.execute(text(f"SELECT * FROM {table}")):
                assert "correct horse" not in repr(tuple(row)), table
        service_saved.edit_saved(house.operator, uuid, {"extra_vars": {"greeting": "ho"}})
        saved = queries_saved.get_saved(house.operator, uuid)
        assert (read_secrets(saved), saved.variables) == ({"pin": "correct horse"}, {"greeting": "ho"})
        assert "correct horse" not in repr(saved_rows(house.operator, [saved]))
        service_saved.edit_saved(house.operator, uuid, {"extra_vars": {"pin": "battery staple"}})
        assert read_secrets(saved) == {"pin": "battery staple"}
        service_saved.edit_saved(house.operator, uuid, {"extra_vars": {"pin": None}})
        assert (read_secrets(saved), saved.secret_names) == ({}, None)


def test_secrets_of_another_row_do_not_open(house: House, ready: tuple[int, int, int]) -> None:
    uuid, other = save(house, ready), save(house, ready, name="Other")
    with house.unit():
        moved = queries_saved.get_saved(house.operator, uuid).secret_variables
        queries_saved.get_saved(house.operator, other).secret_variables = moved
    with pytest.raises(Conflict, match="can no longer be opened"):
        press(house, other, extra_vars={"count": 1})


def test_an_edit_from_an_old_version_is_refused(house: House, ready: tuple[int, int, int]) -> None:
    uuid = save(house, ready)
    with house.unit():
        service_saved.edit_saved(house.operator, uuid, {"description": "one"}, version=1)
    with house.unit(), pytest.raises(VersionConflict):
        service_saved.edit_saved(house.operator, uuid, {"description": "two"}, version=1)
    with house.unit(), pytest.raises(VersionConflict):
        service_saved.remove_saved(house.operator, uuid, version=1)


def test_a_name_is_taken_only_by_an_active_one(house: House, ready: tuple[int, int, int]) -> None:
    uuid = save(house, ready)
    with pytest.raises(Conflict, match="exists already"):
        save(house, ready)
    press(house, uuid, extra_vars={"count": 1})
    with house.unit():
        assert service_saved.remove_saved(house.operator, uuid) is False
    again = save(house, ready)
    with house.unit(), pytest.raises(Conflict, match="exists already"):
        service_saved.edit_saved(house.operator, uuid, {"is_active": True})
    with pytest.raises(Conflict, match="is deactivated"):
        press(house, uuid, extra_vars={"count": 1})
    with house.unit():
        assert service_saved.remove_saved(house.operator, again) is True
        assert len(queries_saved.list_saved(house.viewer, SavedFilter(active=None)).items) == 1


def test_a_copy_belongs_to_who_made_it_and_takes_secrets_only_from_what_they_may_edit(
    house: House, ready: tuple[int, int, int]
) -> None:
    uuid = save(house, ready, actor=house.admin, tags=["web"])
    with house.unit():
        mine = service_saved.copy_saved(house.admin, uuid)
        assert (mine.name, mine.tags, read_secrets(mine)) == ("Greet the web (copy)", ["web"], {"pin": "correct horse"})
        theirs = service_saved.copy_saved(house.operator, uuid)
        assert (theirs.name, theirs.owner_id) == ("Greet the web (copy 2)", house.operator.user_id)
        assert (read_secrets(theirs), theirs.secret_names) == ({}, None)
        assert theirs.variables == {"greeting": "hello"}


def test_a_past_launch_is_saved_with_its_secrets(house: House, ready: tuple[int, int, int]) -> None:
    past = press(house, save(house, ready), extra_vars={"count": 4})
    with house.unit():
        wish = service_saved.wish_from_launch(house.operator, past.uuid)
        saved = service_saved.create_saved(house.operator, SavedInput(name="As it was", **wish), secrets_of=past.uuid)
        assert saved.variables == {"greeting": "hello", "count": 4}
        assert read_secrets(saved) == {"pin": "correct horse"}
        assert saved.selection == {"server_ids": [*ready[1:]]}
        assert saved.options["forks"] == 7


def test_a_playbook_that_changed_under_it_is_said_in_words(house: House, ready: tuple[int, int, int]) -> None:
    uuid = save(house, ready)
    with house.unit():
        service_content.edit_playbook(house.admin, ready[0], {"variable_specs": [SPECS[1]]})
    with pytest.raises(Conflict, match="no longer declares greeting, pin"):
        press(house, uuid, extra_vars={"count": 1})
    with house.unit():
        assert service_content.delete_playbook(house.admin, ready[0]) is False
        service_saved.edit_saved(house.operator, uuid, {"extra_vars": {}})
    with pytest.raises(Conflict, match="deactivated"):
        press(house, uuid, extra_vars={"count": 1})


def test_production_asks_for_the_name_of_the_saved_launch(house: House, ready: tuple[int, int, int]) -> None:
    live = house.add_server("live-1", environment="production")
    uuid = save(house, ready, selection=Selection(server_ids=(live,)))
    with pytest.raises(InvalidInput, match="fields") as caught:
        press(house, uuid, extra_vars={"count": 1}, confirmed_by_name="Greet")
    assert "Type Greet the web to go on" in caught.value.errors["confirm_name"][0]
    press(house, uuid, extra_vars={"count": 1}, confirmed_by_name="Greet the web")


def test_figures_and_lists_follow_the_launches(house: House, ready: tuple[int, int, int]) -> None:
    one, two = save(house, ready, tags=["nightly"]), save(house, ready, name="Other")
    ends = [(one, JobStatus.SUCCESS), (one, JobStatus.FAILED), (two, JobStatus.SUCCESS)]
    for uuid, status in ends:
        launch = press(house, uuid, extra_vars={"count": 1})
        with house.unit():
            row = db.session.scalars(select(Launch).where(Launch.id == launch.id)).one()
            row.status = status
    with house.unit():
        service_saved.mark_favourite(house.viewer, two, True)
        service_saved.mark_favourite(house.viewer, two, True)
        page = queries_saved.list_saved(house.viewer, SavedFilter())
        rows = {row["name"]: row for row in saved_rows(house.viewer, page.items)}
        assert rows["Greet the web"]["success_rate"] == 0.5
        assert rows["Greet the web"]["last_status"] == "failed"
        assert (rows["Other"]["runs_30d"], rows["Other"]["is_favourite"]) == (1, True)
        assert not rows["Other"]["may_launch"]
        cases = [
            (SavedFilter(tag="nightly"), ["Greet the web"]),
            (SavedFilter(q="othe"), ["Other"]),
            (SavedFilter(q="%"), []),
            (SavedFilter(favourite=True), ["Other"]),
            (SavedFilter(launchable=True), []),
            (SavedFilter(owner_id=house.admin.user_id), []),
        ]
        for narrow, names in cases:
            assert [row.name for row in queries_saved.list_saved(house.viewer, narrow).items] == names, narrow
        down = queries_saved.list_saved(house.viewer, SavedFilter(), sort="-name").items
        assert [row.name for row in down] == ["Other", "Greet the web"]
        with pytest.raises(InvalidInput):
            queries_saved.list_saved(house.viewer, SavedFilter(), sort="owner_id")
        service_saved.mark_favourite(house.viewer, two, False)
        assert not queries_saved.list_saved(house.viewer, SavedFilter(favourite=True)).items


def test_the_jobs_of_a_press_belong_to_who_pressed(house: House, ready: tuple[int, int, int]) -> None:
    launch = press(house, save(house, ready), extra_vars={"count": 1})
    with house.unit():
        jobs = db.session.scalars(select(Job).where(Job.launch_id == launch.id)).all()
        assert {job.user_id for job in jobs} == {house.operator.user_id}


def test_a_list_of_many_costs_as_many_statements_as_one_of_few(house: House, ready: tuple[int, int, int]) -> None:
    def cost(actor: Actor) -> int:
        with house.unit(), sent() as seen:
            saved_rows(actor, queries_saved.list_saved(actor, SavedFilter()).items)
            return len(seen)

    press(house, save(house, ready), extra_vars={"count": 1})
    few = [cost(actor) for actor in (house.viewer, house.operator, house.admin)]
    for number in range(8):
        press(house, save(house, ready, name=f"Number {number}"), extra_vars={"count": 1})
    assert [cost(actor) for actor in (house.viewer, house.operator, house.admin)] == few
    assert max(few) <= 14
