"""One change to many servers: all or none, and who refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from app.core.actor import Actor
from app.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from app.inventory import service_bulk
from app.inventory.models import Server, ServerTag
from app.inventory.queries import ServerFilter
from app.inventory.service_bulk import BulkChange
from tests.inventory.conftest import Acting

Make = Callable[..., int]
Row = Callable[[int], Server]


@pytest.mark.database
def test_all_servers_get_the_change_each_with_its_own_entry(
    acting: Acting, operator: Actor, make_server: Make, row: Row, events_recorded: Callable[[], list[str]]
) -> None:
    ids = [make_server(tags=["old", "kept"]) for _ in range(3)]
    change = BulkChange(
        add_tags=("New", "kept"), remove_tags=("old",), fields={"environment": "staging", "ssh_port": 2222}, test=True
    )
    before = events_recorded()
    with acting(operator) as session:
        results = service_bulk.change_servers(operator, ids, change)
        assert [result.changed for result in results] == [True] * 3
        tags = session.scalars(select(ServerTag.tag).where(ServerTag.server_id == ids[0]).order_by(ServerTag.tag))
        assert list(tags) == ["kept", "new"]
    for server_id in ids:
        server = row(server_id)
        assert (server.tags, server.environment, server.ssh_port) == (["kept", "new"], "staging", 2222)
        assert server.test_requested_at is not None
    assert sorted(events_recorded()[len(before) :]) == ["server:test"] * 3 + ["server:update"] * 3
    with acting(operator):
        again = service_bulk.change_servers(operator, ids, BulkChange(fields={"environment": "staging"}))
        assert not any(result.changed for result in again)


@pytest.mark.database
def test_one_refusal_leaves_all_as_they_were_and_is_named(
    acting: Acting, operator: Actor, make_server: Make, row: Row, events_recorded: Callable[[], list[str]]
) -> None:
    free, local, stale = make_server(), make_server(connection="local"), make_server()
    with acting(operator):
        service_bulk.change_servers(operator, [stale], BulkChange(add_tags=("x",)))
    before = events_recorded()
    with pytest.raises(Conflict) as caught, acting(operator):
        service_bulk.change_servers(
            operator, [free, local, stale], BulkChange(fields={"environment": "qa"}), versions={free: 1, stale: 1}
        )
    assert set(caught.value.errors) == {row(local).hostname, row(stale).hostname}
    assert "2 of 3" in caught.value.message and "server:admin" in str(caught.value.errors[row(local).hostname])
    assert {row(one).environment for one in (free, local, stale)} == {None} and events_recorded() == before


def test_deactivating_and_taking_back(acting: Acting, operator: Actor, make_server: Make, row: Row) -> None:
    ids = [make_server(), make_server()]
    with acting(operator):
        service_bulk.change_servers(operator, ids, BulkChange(is_active=False, add_tags=("retired",)))
    assert not row(ids[0]).is_active and row(ids[0]).tags == ["retired"]
    with acting(operator):
        service_bulk.change_servers(operator, ids, BulkChange(is_active=True, remove_tags=("retired",)))
    assert row(ids[1]).is_active and row(ids[1]).tags == []


def test_choices_are_bounded_complete_and_of_the_tenant(
    acting: Acting, operator: Actor, people: dict[str, Actor], make_server: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [make_server(environment="qa"), make_server(environment="qa"), make_server()]
    with acting(operator):
        found = service_bulk.choose(operator, wanted=ServerFilter(environment="qa"))
        assert [server.id for server in found] == ids[:2]
        with pytest.raises(InvalidInput):
            service_bulk.choose(operator)
        monkeypatch.setattr(service_bulk, "MAXIMUM_SERVERS", 2)
        with pytest.raises(InvalidInput, match="fields"):
            service_bulk.choose(operator, wanted=ServerFilter())
        with pytest.raises(InvalidInput):
            service_bulk.choose(operator, server_ids=ids)
        with pytest.raises(InvalidInput):
            service_bulk.change_servers(operator, ids[:1], BulkChange())
        with pytest.raises(InvalidInput):
            service_bulk.change_servers(operator, ids[:1], BulkChange(fields={"hostname": "all-the-same"}))
        with pytest.raises(InvalidInput):
            service_bulk.change_servers(operator, ids[:1], BulkChange(add_tags=("not a tag",)))
    stranger = people["stranger"]
    with pytest.raises(NotFound), acting(stranger):
        service_bulk.change_servers(stranger, ids[:1], BulkChange(add_tags=("x",)))
    with pytest.raises(PermissionDenied), acting(people["viewer"]):
        service_bulk.change_servers(people["viewer"], ids[:1], BulkChange(add_tags=("x",)))


def test_the_api_previews_changes_and_reports_by_name(make_server: Make, http: Callable[[str], Any], row: Row) -> None:
    ids = [make_server(environment="qa"), make_server(environment="qa")]
    client, path = http("operator"), "/api/v1/servers:bulk-edit"
    body = {"filter": {"environment": "qa"}, "add_tags": ["web"], "dry_run": True}
    preview = client.post(path, json=body).json
    assert (preview["count"], preview["dry_run"]) == (2, True) and row(ids[0]).tags == []
    done = client.post(path, json={**body, "dry_run": False})
    assert done.status_code == 200 and all(one["changed"] for one in done.json["servers"])
    refused = client.post(path, json={"server_ids": ids, "environment": "x", "versions": {str(ids[0]): 1}})
    assert refused.status_code == 409 and refused.json["error"] == "bulk_refused"
    assert list(refused.json["errors"]) == [row(ids[0]).hostname]
    for wrong in ({}, {"server_ids": []}, {"server_ids": ids, "filter": {}}, {"filter": {"nope": 1}}, {"x": 1}):
        assert client.post(path, json={"add_tags": ["a"], **wrong}).status_code == 422, wrong


def test_the_page_names_what_it_hits_keeps_what_was_typed_and_asks_for_production(
    make_server: Make, http: Callable[[str], Any], row: Row
) -> None:
    ids = [make_server(environment="production"), make_server()]
    names = [row(one).hostname for one in ids]
    client = http("operator")
    page = client.get("/servers/bulk", query_string={"server_ids": ids}).get_data(as_text=True)
    assert all(name in page for name in names) and "Change 2 servers" in page and "1 in production" in page
    assert "Change 2 servers" in client.get("/servers/bulk?all=1").get_data(as_text=True)
    assert client.get("/servers/bulk").status_code == 302
    form = {"server_ids": ids, "versions": [f"{one}:1" for one in ids], "is_active": "0", "add_tags": "gone"}
    asked = client.post("/servers/bulk", data=form)
    assert asked.status_code == 422 and "Type production" in asked.get_data(as_text=True)
    assert 'value="gone"' in asked.get_data(as_text=True) and row(ids[1]).is_active
    assert client.post("/servers/bulk", data={**form, "confirm_name": "production"}).status_code == 303
    assert not row(ids[0]).is_active
    stale = client.post("/servers/bulk", data={**form, "is_active": "1"})
    assert (
        stale.status_code == 409
        and names[0] in stale.get_data(as_text=True)
        and "Refused by" in stale.get_data(as_text=True)
    )
