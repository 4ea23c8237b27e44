"""The REST face: statuses, headers and bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.inventory.models import Server

Http = Callable[[str], FlaskClient]
NEW = {"hostname": "web-1", "ip_address": "192.0.2.1"}
URL = "/api/v1/servers"


def test_a_server_is_created_shown_edited_and_taken_away(http: Http) -> None:
    api = http("operator")
    made = api.post(URL, json={**NEW, "tags": ["b", "a"]})
    assert made.status_code == 201, made.json
    assert made.json is not None
    address = made.headers["Location"]
    assert address.endswith(f"{URL}/{made.json['id']}")
    assert made.json["tags"] == ["a", "b"] and made.json["test"]["state"] == "never"
    shown = api.get(address)
    assert shown.json == made.json and shown.headers["ETag"] == '"1"'
    edited = api.patch(address, json={"environment": "test"}, headers={"If-Match": '"1"'})
    assert edited.status_code == 200 and edited.headers["ETag"] == '"2"'
    stale = api.patch(address, json={"environment": "other", "version": 1})
    assert (stale.status_code, stale.json and stale.json["error"]) == (409, "version_conflict")
    gone = api.delete(address)
    assert gone.status_code == 200 and gone.json is not None and gone.json["is_active"] is False
    assert api.post(f"{address}/test").status_code == 409
    assert api.post(f"{address}/reactivate").status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"hostname": "x ansible_connection=local"}, "hostname"),
        ({"hostname": "h[1:99999999]"}, "hostname"),
        ({"hostname": "-oProxyCommand=id"}, "hostname"),
        ({"hostname": "a\nb"}, "hostname"),
        ({"hostname": "localhost"}, "hostname"),
        ({"hostname": "web。example"}, "hostname"),
        ({"hostname": "10.0.0.1"}, "hostname"),
        ({"hostname": "all"}, "hostname"),
        ({"hostname": 7}, "hostname"),
        ({"ip_address": "0x7f.1"}, "ip_address"),
        ({"ip_address": "::ffff:127.0.0.1"}, "ip_address"),
        ({"ip_address": "fe80::1%eth0"}, "ip_address"),
        ({"ip_address": "0.0.0.0"}, "ip_address"),
        ({"ssh_port": 0}, "ssh_port"),
        ({"ssh_port": "22"}, "ssh_port"),
        ({"ssh_user": "-l root"}, "ssh_user"),
        ({"tags": ["a b"]}, "tags"),
        ({"tags": ["x"] * 51}, "tags"),
        ({"variables": {"a b": 1}}, "variables"),
        ({"variables": {"hostvars": 1}}, "variables"),
        ({"variables": {"big": "x" * 70_000}}, "variables"),
        ({"python_interpreter": "/bin/sh -c id"}, "python_interpreter"),
        ({"connection": "docker"}, "connection"),
        ({"become_method": "rsh"}, "become_method"),
        ({"jump_host_id": 999_999}, "jump_host_id"),
        ({"jump_host_id": 2**70}, "jump_host_id"),
        ({"tenant_id": 2}, "tenant_id"),
        ({"is_active": False}, "is_active"),
        ({"is_controller": True}, "is_controller"),
        ({"id": 5}, "id"),
        ({"last_test_ok": True}, "last_test_ok"),
        ({"created_at": "2020-01-01"}, "created_at"),
        ({"ssh_key_path": "/etc/shadow"}, "ssh_key_path"),
    ],
)
def test_input_that_cannot_be_used_is_named_and_changes_nothing(
    http: Http, row: Callable[[int], Server], change: dict[str, Any], field: str
) -> None:
    api = http("admin")
    assert api.post(URL, json={**NEW, **change}).status_code == 422
    made = api.post(URL, json=NEW)
    assert made.json is not None
    answer = api.patch(f"{URL}/{made.json['id']}", json=change)
    assert answer.status_code == 422, answer.json
    assert answer.json is not None and field in json.dumps(answer.json["errors"])
    assert row(made.json["id"]).version == 1


@pytest.mark.parametrize(
    "query",
    [
        "page_size=1000000000",
        "page=1000000000",
        "nosuch=1",
        "after=-1",
        "connection=x",
        "is_active=perhaps",
        "q=",
        "page=201",
    ],
)
def test_a_list_refuses_unknown_and_unbounded_queries(http: Http, query: str) -> None:
    assert http("viewer").get(f"{URL}?{query}").status_code == 422


def test_a_list_is_paged_by_number_and_by_cursor(http: Http, make_server: Callable[..., int]) -> None:
    made = [make_server() for _ in range(5)]
    api = http("viewer")
    first = api.get(f"{URL}?page_size=2&page=1")
    assert first.json is not None
    about = json.loads(first.headers["X-Pagination"])
    assert (about["total"], about["total_pages"], about["next_after"]) == (5, 3, made[3])
    rest = api.get(f"{URL}?page_size=100&after={about['next_after']}").json
    assert rest is not None
    assert [server["id"] for server in first.json + rest] == made[::-1]
    assert len(api.get(f"{URL}?page_size=100&q=%25%25%25%25%25%25").json or []) == 0


def test_unknown_parameters_and_bodies_of_another_kind_are_refused(http: Http, make_server: Callable[..., int]) -> None:
    api, server_id = http("admin"), make_server()
    assert api.get(f"{URL}/{server_id}?x=1").status_code == 422
    assert api.delete(f"{URL}/{server_id}?force=1").status_code == 422
    assert api.post(URL, data="hostname=x", content_type="text/plain").status_code in (415, 422)
    assert api.post(URL, data="{", content_type="application/json").status_code in (400, 422)
    assert api.patch(f"{URL}/{server_id}", json={}, headers={"If-Match": "new"}).status_code == 422
    assert api.patch(f"{URL}/{server_id}", json={"version": 1}, headers={"If-Match": '"2"'}).status_code == 422
    nested = "[" * 200_000 + "]" * 200_000
    answer = api.patch(
        f"{URL}/{server_id}", data=f'{{"variables": {{"a": {nested}}}}}', content_type="application/json"
    )
    assert answer.status_code in (400, 422), answer.status_code


def test_strangers_viewers_and_other_tenants_are_kept_out(http: Http, make_server: Callable[..., int]) -> None:
    server_id = make_server()
    assert http("nobody").get(URL).status_code == 401
    assert http("viewer").post(URL, json=NEW).status_code == 403
    assert http("viewer").post(f"{URL}/{server_id}/test").status_code == 403
    assert http("operator").post(f"{URL}/{server_id}/host-keys/1/accept").status_code == 403
    for method, path in (("get", ""), ("patch", ""), ("delete", ""), ("post", "/test"), ("get", "/host-keys")):
        body: dict[str, Any] = {"json": {}} if method == "patch" else {}
        call: Any = getattr(http("stranger"), method)
        theirs = call(f"{URL}/{server_id}{path}", **body)
        unknown = call(f"{URL}/999999{path}", **body)
        assert theirs.status_code == unknown.status_code == 404
        assert theirs.json["message"] == unknown.json["message"]


def test_a_test_is_asked_for_once_and_answered_with_202(
    http: Http, make_server: Callable[..., int], events_recorded: Callable[[], list[str]]
) -> None:
    api, server_id = http("operator"), make_server()
    for _ in range(2):
        answer = api.post(f"{URL}/{server_id}/test")
        assert answer.status_code == 202
        assert answer.json is not None and answer.json["test"]["state"] == "waiting"
    assert events_recorded() == ["server:create", "server:test"]


def test_every_endpoint_documents_its_errors(app: Flask) -> None:
    document = app.test_client().get("/api/v1/openapi.json")
    if document.status_code != 200:  # where the document needs a key
        from app.core.extensions import api

        with app.app_context():
            paths = api.spec.to_dict()["paths"]
    else:
        paths = (document.json or {})["paths"]
    mine = {path: item for path, item in paths.items() if path.startswith(URL)}
    assert len(mine) >= 6
    for path, item in mine.items():
        for method in set(item) & {"get", "post", "patch", "delete"}:
            documented = set(item[method]["responses"])
            wanted = {"401", "403", "422", "429"} | ({"404"} if "{" in path else set())
            assert wanted <= documented, (method, path, documented)
