"""Groups: names, nesting, members, variables, and who may change what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert, select

from app.audit.models import AuditEntry
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied, VersionConflict
from app.inventory import queries, queries_groups, service, service_groups
from app.inventory.models import Server
from app.inventory.models_groups import ServerGroup, ServerGroupMember
from tests.inventory.conftest import Acting, act

pytestmark = pytest.mark.database
Make = Callable[..., int]


@pytest.fixture
def make_group(admin: Actor) -> Make:
    """Create a group and return its id."""

    def make(name: str, actor: Actor | None = None, **given: Any) -> int:
        actor = actor or admin
        with act(actor):
            return service_groups.create_group(actor, {"name": name, **given}).id  # type: ignore[typeddict-item]

    return make


@pytest.mark.parametrize(
    "name",
    ["all", "ungrouped", "tag_web", "env_live", "-web", "a b", "a:b", "web!", "", "x" * 101, "wéb", "[a]", "a,b"],
)
def test_names_that_ansible_or_the_platform_uses_otherwise_are_refused(make_group: Make, name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        make_group(name)
    assert "name" in caught.value.errors


def test_two_groups_of_one_tenant_have_two_names_and_case_counts(make_group: Make, people: dict[str, Actor]) -> None:
    make_group("web")
    make_group("Web")
    make_group("web", people["stranger"])
    with pytest.raises(Conflict) as caught:
        make_group("web")
    assert caught.value.error == "name_taken" and "name" in caught.value.errors


def test_a_circle_of_groups_is_refused_and_the_way_is_named(make_group: Make, admin: Actor, acting: Acting) -> None:
    web = make_group("web")
    site = make_group("site", child_ids=[web])
    top = make_group("top", child_ids=[site])
    for wrong in ({"child_ids": [top]}, {"parent_ids": [web]}):
        with pytest.raises(InvalidInput) as caught, acting(admin):
            service_groups.update_group(admin, web, wrong, version=None)  # type: ignore[arg-type]
        assert "web" in str(caught.value.errors)
    with pytest.raises(InvalidInput, match="fields") as caught, acting(admin):
        service_groups.update_group(admin, web, {"child_ids": [top]}, version=None)
    assert "web > top > site > web" in str(caught.value.errors)


def test_groups_nest_twenty_deep_and_no_deeper(make_group: Make) -> None:
    below = make_group("g0")
    for number in range(1, 20):
        below = make_group(f"g{number}", child_ids=[below])
    with pytest.raises(InvalidInput, match="fields") as caught:
        make_group("one-too-many", child_ids=[below])
    assert "20 levels" in str(caught.value.errors)


def test_an_edit_from_an_old_version_changes_nothing(make_group: Make, admin: Actor, acting: Acting) -> None:
    web = make_group("web")
    with acting(admin):
        assert service_groups.update_group(admin, web, {"priority": 5}, version=1).version == 2
        assert service_groups.update_group(admin, web, {"priority": 5}, version=2).version == 2
    with pytest.raises(VersionConflict), acting(admin):
        service_groups.update_group(admin, web, {"priority": 6}, version=1)


@pytest.mark.parametrize(
    "variables", [{"ansible_user": "x"}, {"a": "{{ lookup('pipe', 'id') }}"}, {"deep": [{"a": ["{% x %}"]}]}]
)
def test_variables_that_steer_the_platform_are_for_administrators(
    make_group: Make, operator: Actor, admin: Actor, acting: Acting, variables: dict[str, Any]
) -> None:
    with pytest.raises(PermissionDenied):
        make_group("mine", operator, variables=variables)
    group = make_group("theirs", variables={**variables, "colour": "red"})
    with acting(operator):  # what was there before may stay
        service_groups.update_group(operator, group, {"variables": {**variables, "colour": "blue"}}, version=None)
    for wrong in ({}, {**variables, "ansible_port": 1}):
        with pytest.raises(PermissionDenied), acting(operator):
            service_groups.update_group(operator, group, {"variables": wrong}, version=None)
    with pytest.raises(PermissionDenied), acting(operator):
        service_groups.delete_group(operator, group)


@pytest.mark.parametrize(
    "variables",
    [{"ansible_group_priority": 5}, {"hostvars": 1}, {"a b": 1}, {"x": "y" * 70_000}, {"n": 2**63}, {"s": "\ud800"}],
)
def test_variables_that_cannot_be_used_are_refused(make_group: Make, variables: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        make_group("web", variables=variables)
    assert "variables" in caught.value.errors


def test_a_group_with_the_platforms_own_machine_is_changed_by_administrators_only(
    make_group: Make, admin: Actor, operator: Actor, acting: Acting, make_server: Make
) -> None:
    inner, outer, mine = make_group("inner"), make_group("outer"), make_group("mine", operator)
    own = make_server(admin, connection="local")
    with pytest.raises(PermissionDenied), acting(operator):
        service_groups.change_members(operator, mine, add=[own])
    with acting(admin):
        service_groups.change_members(admin, inner, add=[own])
        service_groups.update_group(admin, outer, {"child_ids": [inner]}, version=None)
    for change in ({"variables": {"a": 1}}, {"child_ids": []}):
        with pytest.raises(PermissionDenied), acting(operator):
            service_groups.update_group(operator, outer, change, version=None)  # type: ignore[arg-type]
    with pytest.raises(PermissionDenied), acting(operator):
        service_groups.update_group(operator, mine, {"child_ids": [inner]}, version=None)
    with pytest.raises(PermissionDenied), acting(operator):
        service_groups.set_all_variables(operator, {"a": 1}, version=None)


def test_members_come_and_go_once_and_are_recorded(
    make_group: Make, make_server: Make, admin: Actor, acting: Acting, people: dict[str, Actor]
) -> None:
    web, servers = make_group("web"), [make_server() for _ in range(3)]
    with acting(admin):
        assert service_groups.change_members(admin, web, add=[*servers, servers[0]]) == (3, 0)
        assert service_groups.change_members(admin, web, add=servers[:1]) == (0, 0)
        assert service_groups.change_members(admin, web, remove=servers[1:]) == (0, 2)
        assert [server.id for server in queries_groups.list_members(admin, [web]).items] == servers[:1]
        found = db.session.scalars(select(AuditEntry).where(AuditEntry.event == "group:members")).all()
    foreign = make_server(people["stranger"])
    for unknown in (foreign, 999_999):
        with pytest.raises(NotFound), acting(admin):
            service_groups.change_members(admin, web, add=[unknown])
    with acting(admin):
        found = db.session.scalars(select(AuditEntry).where(AuditEntry.event == "group:members")).all()
        assert [entry.details["added"] for entry in found if entry.details] == [servers, []]


def test_another_tenants_groups_do_not_exist(make_group: Make, people: dict[str, Actor], acting: Acting) -> None:
    web, stranger = make_group("web"), people["stranger"]
    theirs = make_group("theirs", stranger)
    with acting(stranger):
        for call in (
            lambda: queries_groups.get_group(stranger, web),
            lambda: service_groups.update_group(stranger, web, {"priority": 2}, version=None),
            lambda: service_groups.delete_group(stranger, web),
            lambda: service_groups.change_members(stranger, web, add=[]),
            lambda: service_groups.update_group(stranger, theirs, {"child_ids": [web]}, version=None),
        ):
            with pytest.raises(NotFound):
                call()
        assert [group.name for group in queries_groups.list_groups(stranger).items] == ["theirs"]


def test_deleting_a_group_leaves_its_servers_and_groups(
    make_group: Make, make_server: Make, admin: Actor, acting: Acting
) -> None:
    inner = make_group("inner")
    outer, server = make_group("outer", child_ids=[inner]), make_server()
    with acting(admin):
        service_groups.change_members(admin, outer, add=[server])
        service_groups.delete_group(admin, outer)
    with acting(admin):
        assert queries.get_server(admin, server).is_active
        assert queries_groups.read_nesting(admin.tenant_id).parents == {}
        assert queries_groups.get_group(admin, inner).name == "inner"
        assert queries_groups.memberships(admin.tenant_id, [server]) == {}


def test_a_servers_variables_say_where_they_come_from(
    make_group: Make, make_server: Make, admin: Actor, acting: Acting
) -> None:
    server = make_server(variables={"own": 1, "shared": "server"})
    inner = make_group("inner", variables={"shared": "inner", "a": 1, "b": 1})
    make_group("outer", variables={"shared": "outer", "a": 2}, child_ids=[inner])
    make_group("zebra", variables={"b": 2})
    last = make_group("zebra2", variables={"b": 3, "c": 3})
    first = make_group("ape", variables={"b": 4, "c": 4}, priority=9)
    with acting(admin):
        for group in (inner, last, first):
            service_groups.change_members(admin, group, add=[server])
        service_groups.set_all_variables(admin, {"shared": "all", "everywhere": True}, version=0)
        found = queries_groups.effective_variables(admin, queries.get_server(admin, server))
    assert {name: (origin.value, origin.source) for name, origin in found.items()} == {
        "own": (1, ""),
        "shared": ("server", ""),
        "a": (1, "inner"),
        "b": (1, "inner"),  # the deeper group wins
        "c": (4, "ape"),  # the higher priority wins
        "everywhere": (True, "all"),
    }
    assert found["shared"].hidden == ("inner", "outer", "all")


def test_the_variables_of_all_servers_are_edited_from_a_version(admin: Actor, acting: Acting) -> None:
    with acting(admin):
        assert service_groups.set_all_variables(admin, {"a": 1}, version=0).version == 1
    with pytest.raises(VersionConflict), acting(admin):
        service_groups.set_all_variables(admin, {"a": 2}, version=0)
    with acting(admin):
        assert service_groups.set_all_variables(admin, None, version=1).variables is None
        assert queries_groups.list_groups(admin).items == []


def test_ten_thousand_members_cost_no_more_queries_than_three(
    make_group: Make, make_server: Make, admin: Actor, acting: Acting, statements: Any
) -> None:
    small, large = make_group("small"), make_group("large")
    with acting(admin):
        service_groups.change_members(admin, small, add=[make_server_row(admin, f"s{n}") for n in range(3)])
        rows = [
            {"tenant_id": admin.tenant_id, "uuid": f"u-{n}", "hostname": f"h{n:05}", "ip_address": "192.0.2.1"}
            for n in range(10_000)
        ]
        db.session.execute(insert(Server), rows)
        ids = db.session.scalars(select(Server.id).where(Server.hostname.like("h%"))).all()
        members = [{"tenant_id": admin.tenant_id, "group_id": large, "server_id": server_id} for server_id in ids]
        db.session.execute(insert(ServerGroupMember), members)
    counts = []
    for group in (small, large):
        with acting(admin), statements() as sent:
            queries_groups.list_members(admin, [group])
            queries_groups.count_members(admin, [group])
            queries_groups.list_groups(admin)
            queries_groups.has_own_machine(admin, [group])
            server = queries_groups.list_members(admin, [group], page_size=1).items[0]
            queries_groups.effective_variables(admin, server)
        counts.append(len(sent))
    assert counts[0] == counts[1] <= 12


def make_server_row(actor: Actor, hostname: str) -> int:
    return service.create_server(actor, {"hostname": hostname, "ip_address": "192.0.2.7"}).id


def test_a_list_is_searched_sorted_and_paged(make_group: Make, admin: Actor, acting: Acting) -> None:
    for name in ("web", "web_db", "Alpha", "db.eu"):
        make_group(name)
    with acting(admin):
        names = [group.name for group in queries_groups.list_groups(admin).items]
        assert names == ["Alpha", "db.eu", "web", "web_db"]
        assert [g.name for g in queries_groups.list_groups(admin, sort="-name").items] == names[::-1]
        assert [g.name for g in queries_groups.list_groups(admin, text="WEB_").items] == ["web_db"]
        assert [g.name for g in queries_groups.list_groups(admin, text="wéb").items] == []
        first = queries_groups.list_groups(admin, page_size=2)
        rest = queries_groups.list_groups(admin, page_size=2, after=first.next_after)
        assert [g.name for g in (*first.items, *rest.items)] == names
        assert db.session.scalar(select(ServerGroup.version).where(ServerGroup.name == "web")) == 1
