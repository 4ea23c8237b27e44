"""What may be done with servers, by whom, and what is remembered of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from app.core.actor import Actor
from app.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied, VersionConflict
from app.core.runtime import settings
from app.inventory import events, queries, service
from app.inventory.draft import ServerInput
from app.inventory.models import Connection, Server, ServerTag
from app.inventory.queries import ServerFilter
from tests.inventory.conftest import Acting

pytestmark = pytest.mark.database
Make = Callable[..., int]
Row = Callable[[int], Server]


def test_a_new_server_is_stored_in_canonical_form_with_its_tags_and_one_entry(
    acting: Acting, operator: Actor, make_server: Make, row: Row, events_recorded: Callable[[], list[str]]
) -> None:
    server_id = make_server(
        operator, hostname="WEB-9.Example.org.", ip_address="2001:DB8:0::9", tags=["Blue", "app", "blue"]
    )
    server = row(server_id)
    assert (server.hostname, server.ip_address, server.tags) == ("web-9.example.org", "2001:db8::9", ["app", "blue"])
    with acting(operator) as session:
        assert set(session.scalars(select(ServerTag.tag))) == {"app", "blue"}
    assert events_recorded() == ["server:create"]


def test_a_name_is_taken_by_one_active_server_only_and_free_again_when_it_leaves(
    acting: Acting, admin: Actor, make_server: Make
) -> None:
    first = make_server(hostname="db-1")
    with pytest.raises(Conflict, match="has this name"):
        make_server(hostname="DB-1")
    with acting(admin):
        service.deactivate_server(admin, first)
    second = make_server(hostname="db-1")
    with pytest.raises(Conflict, match="has this name"), acting(admin):
        service.reactivate_server(admin, first)
    with acting(admin):
        service.deactivate_server(admin, second)
    with acting(admin):
        assert service.reactivate_server(admin, first).is_active


def test_an_edit_from_an_old_version_is_refused_and_loses_nothing(
    acting: Acting, operator: Actor, make_server: Make, row: Row
) -> None:
    server_id = make_server()
    with acting(operator):
        service.update_server(operator, server_id, {"environment": "production", "tags": ["x"]}, version=1)
    with pytest.raises(VersionConflict), acting(operator):
        service.update_server(operator, server_id, {"environment": "test"}, version=1)
    server = row(server_id)
    assert (server.environment, server.tags, server.version) == ("production", ["x"], 2)


def test_an_edit_that_changes_nothing_leaves_version_and_log_alone(
    acting: Acting, operator: Actor, make_server: Make, row: Row, events_recorded: Callable[[], list[str]]
) -> None:
    server_id = make_server(hostname="same")
    with acting(operator):
        service.update_server(operator, server_id, {"hostname": "SAME", "environment": ""}, version=1)
    assert row(server_id).version == 1
    assert events_recorded() == ["server:create"]


def test_another_tenants_server_is_as_unknown_as_one_that_does_not_exist(
    acting: Acting, people: dict[str, Actor], make_server: Make
) -> None:
    theirs = make_server(people["stranger"])
    admin = people["admin"]
    for server_id in (theirs, 999_999, 2**40):
        calls: list[Callable[[int], Server]] = [
            lambda n: service.update_server(admin, n, {"environment": "x"}, version=None),
            lambda n: service.deactivate_server(admin, n),
            lambda n: queries.get_server(admin, n),
        ]
        for call in calls:
            with pytest.raises(NotFound), acting(admin):
                call(server_id)
    with pytest.raises(InvalidInput), acting(admin):
        service.create_server(admin, {"hostname": "a", "ip_address": "192.0.2.1", "jump_host_id": theirs})


@pytest.mark.parametrize(
    "change",
    [
        {"connection": Connection.LOCAL},
        {"ip_address": "127.0.0.1"},
        {"ip_address": "169.254.169.254"},
        {"variables": {"ansible_connection": "local"}},
        {"variables": {"motd": "{{ lookup('pipe', 'id') }}"}},
        {"variables": {"deep": [{"a": "{% x %}"}]}},
        {"ssh_key_path": "/etc/passwd"},
    ],
)
def test_what_reaches_the_platforms_own_machine_is_for_administrators(
    acting: Acting, operator: Actor, make_server: Make, row: Row, change: Any
) -> None:
    server_id = make_server()
    with pytest.raises(PermissionDenied), acting(operator):
        service.update_server(operator, server_id, change, version=None)
    with pytest.raises(PermissionDenied), acting(operator):
        wanted: ServerInput = {"hostname": "new", "ip_address": "192.0.2.77"}
        wanted.update(change)
        service.create_server(operator, wanted)
    assert row(server_id).version == 1


def test_an_operator_cannot_point_an_administrators_key_at_another_machine(
    acting: Acting, admin: Actor, operator: Actor, make_server: Make
) -> None:
    folder = settings().key_root / f"tenant-{admin.tenant_id}"
    folder.mkdir(parents=True)
    key = folder / "id"
    key.touch(mode=0o600)
    key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    server_id = make_server(ssh_key_path=str(key))
    with pytest.raises(PermissionDenied), acting(operator):
        service.update_server(operator, server_id, {"ip_address": "192.0.2.200"}, version=None)
    with acting(operator):
        service.update_server(operator, server_id, {"description": "Rack 4"}, version=None)


def test_a_variable_of_an_administrator_survives_an_operators_edit_of_another(
    acting: Acting, operator: Actor, make_server: Make, row: Row
) -> None:
    server_id = make_server(variables={"ansible_ssh_common_args": "-C", "colour": "red"})
    with acting(operator):
        wanted = {"ansible_ssh_common_args": "-C", "colour": "green"}
        service.update_server(operator, server_id, {"variables": wanted}, version=None)
    with pytest.raises(PermissionDenied), acting(operator):
        service.update_server(operator, server_id, {"variables": {"colour": "green"}}, version=None)
    assert row(server_id).variables == wanted


def test_a_server_with_open_work_or_servers_behind_it_stays(
    acting: Acting, admin: Actor, make_server: Make, row: Row
) -> None:
    gate = make_server(hostname="gate")
    make_server(hostname="inner", jump_host_id=gate)
    with pytest.raises(Conflict, match="jump host of inner"), acting(admin):
        service.deactivate_server(admin, gate)

    def busy(leaving: events.ServerLeaving) -> str | None:
        return "2 jobs are open on it." if leaving.server_id == lonely else None

    lonely = make_server()
    with events.server_leaving.connected_to(busy), pytest.raises(Conflict, match="2 jobs are open"), acting(admin):
        service.deactivate_server(admin, lonely)
    assert row(gate).is_active and row(lonely).is_active


def test_jump_hosts_never_form_a_circle(acting: Acting, admin: Actor, make_server: Make) -> None:
    first = make_server()
    second = make_server(jump_host_id=first)
    third = make_server(jump_host_id=second)
    for target in (first, third):
        with pytest.raises(InvalidInput) as caught, acting(admin):
            service.update_server(admin, first, {"jump_host_id": target}, version=None)
        assert "circle" in caught.value.errors["jump_host_id"][0]


def test_the_controller_is_made_once_and_belongs_to_administrators(
    acting: Acting, admin: Actor, operator: Actor
) -> None:
    with acting(admin):
        made = service.ensure_controller(admin).id
    with acting(admin):
        assert service.ensure_controller(admin).id == made
    with pytest.raises(PermissionDenied), acting(operator):
        service.update_server(operator, made, {"description": "mine"}, version=None)
    with acting(admin):
        assert service.update_server(admin, made, {"hostname": "localhost"}, version=None).hostname == "localhost"
    with pytest.raises(Conflict, match="built in"), acting(admin):
        service.deactivate_server(admin, made)
    with pytest.raises(InvalidInput), acting(admin):
        service.update_server(admin, made, {"connection": Connection.SSH}, version=None)


@pytest.mark.parametrize("role", ["viewer"])
def test_a_viewer_sees_and_changes_nothing(
    acting: Acting, people: dict[str, Actor], make_server: Make, role: str
) -> None:
    server_id, actor = make_server(), people[role]
    with acting(actor):
        assert queries.get_server(actor, server_id).id == server_id
    with pytest.raises(PermissionDenied), acting(actor):
        service.deactivate_server(actor, server_id)


def test_lists_filter_by_each_field_and_by_text(acting: Acting, admin: Actor, make_server: Make) -> None:
    web = make_server(hostname="prod-web-1", environment="Production", tags=["blue", "web"], ip_address="198.51.100.7")
    db_server = make_server(hostname="prod-db-1", environment="production", tags=["blue"])
    odd = make_server(hostname="test-100", connection=Connection.NETWORK_CLI)
    with acting(admin):
        service.deactivate_server(admin, db_server)
    for wanted, expected in (
        (ServerFilter(), [odd, db_server, web]),
        (ServerFilter(environment="PRODUCTION"), [db_server, web]),
        (ServerFilter(environment="production", is_active=True), [web]),
        (ServerFilter(is_active=False), [db_server]),
        (ServerFilter(tag="Blue"), [db_server, web]),
        (ServerFilter(tag="web"), [web]),
        (ServerFilter(connection=Connection.NETWORK_CLI), [odd]),
        (ServerFilter(text="WEB"), [web]),
        (ServerFilter(text="198.51."), [web]),
        (ServerFilter(text="%"), []),
        (ServerFilter(text="_"), []),
        (ServerFilter(text="\\"), []),
    ):
        with acting(admin):
            assert [server.id for server in queries.list_servers(admin, wanted).items] == expected, wanted


def test_a_list_costs_the_same_number_of_queries_for_one_server_and_for_thirty(
    acting: Acting, admin: Actor, make_server: Make, statements: Any
) -> None:
    counts = []
    for more in (1, 29):
        for _ in range(more):
            make_server(tags=["a", "b"])
        with acting(admin), statements() as sent:
            page = queries.list_servers(admin, ServerFilter(tag="a", text="web"), page_size=100)
            assert all(server.tags == ["a", "b"] for server in page.items)
        counts.append(len(sent))
    assert counts[0] == counts[1] <= 3


def test_a_cursor_walks_every_server_once(acting: Acting, admin: Actor, make_server: Make) -> None:
    made = [make_server() for _ in range(7)]
    seen: list[int] = []
    after = None
    while True:
        with acting(admin):
            page = queries.list_servers(admin, ServerFilter(), page_size=3, after=after)
            seen += [server.id for server in page.items]
        after = page.next_after
        if after is None:
            break
    assert seen == sorted(made, reverse=True)
