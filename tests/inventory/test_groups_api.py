"""REST of groups: statuses, headers, versions and bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

Http = Callable[[str], FlaskClient]
URL = "/api/v1/server-groups"


def test_a_group_is_created_nested_filled_edited_and_deleted(http: Http, make_server: Callable[..., int]) -> None:
    api, server_id = http("operator"), make_server()
    inner = api.post(URL, json={"name": "web", "variables": {"http_port": 80}})
    assert inner.status_code == 201 and inner.json is not None, inner.json
    web = inner.headers["Location"]
    outer = api.post(URL, json={"name": "site", "child_ids": [inner.json["id"]]}).json
    assert outer is not None and outer["child_ids"] == [inner.json["id"]]
    shown = api.get(web)
    assert shown.json is not None
    assert shown.json["parent_ids"] == [outer["id"]] and shown.headers["ETag"] == '"1"'
    changed = api.patch(f"{web}/members", json={"add_server_ids": [server_id]})
    assert changed.json == {"added": 1, "removed": 0}
    for nested, count in (("false", 0), ("true", 1)):
        listed = api.get(f"{URL}/{outer['id']}/members?nested={nested}")
        assert len(listed.json or []) == count and json.loads(listed.headers["X-Pagination"])["total"] == count
    variables = api.get(f"/api/v1/servers/{server_id}/variables").json
    assert variables == [{"name": "http_port", "value": 80, "source": "web", "hidden": []}]
    assert api.patch(web, json={"priority": 3}, headers={"If-Match": '"1"'}).headers["ETag"] == '"2"'
    stale = api.patch(web, json={"priority": 4, "version": 1})
    assert (stale.status_code, stale.json and stale.json["error"]) == (409, "version_conflict")
    listed = api.get(f"{URL}?sort=-name&q=e")
    assert [(group["name"], group["server_count"]) for group in listed.json or []] == [("web", 1), ("site", 0)]
    assert api.delete(web, headers={"If-Match": '"1"'}).status_code == 409
    assert api.delete(web).status_code == 204
    assert api.get(web).status_code == 404


def test_the_variables_of_all_servers_are_read_by_everybody_and_changed_by_administrators(http: Http) -> None:
    assert http("viewer").get(f"{URL}/all").json == {"variables": {}, "version": 0}
    assert http("operator").patch(f"{URL}/all", json={"variables": {"a": 1}}).status_code == 403
    made = http("admin").patch(f"{URL}/all", json={"variables": {"a": 1}, "version": 0})
    assert made.json == {"variables": {"a": 1}, "version": 1}
    assert http("admin").patch(f"{URL}/all", json={"variables": {"a": 2}, "version": 0}).status_code == 409
    assert http("viewer").get(URL).json == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "all"}, "name"),
        ({"name": "tag_x"}, "name"),
        ({"name": ""}, "name"),
        ({"priority": 0}, "priority"),
        ({"priority": "1"}, "priority"),
        ({"priority": True}, "priority"),
        ({"variables": []}, "variables"),
        ({"variables": {"a b": 1}}, "variables"),
        ({"child_ids": ["1"]}, "child_ids"),
        ({"child_ids": [0]}, "child_ids"),
        ({"description": "a\u0000b"}, "description"),
        ({"tenant_id": 2}, "tenant_id"),
        ({"uuid": "x"}, "uuid"),
        ({"server_count": 3}, "server_count"),
    ],
)
def test_input_that_cannot_be_used_is_named(http: Http, change: dict[str, Any], field: str) -> None:
    api = http("admin")
    assert api.post(URL, json={"name": "web", **change}).status_code == 422
    made = api.post(URL, json={"name": "web"}).json
    assert made is not None
    answer = api.patch(f"{URL}/{made['id']}", json=change)
    assert answer.status_code == 422 and answer.json is not None and field in json.dumps(answer.json["errors"])


@pytest.mark.parametrize("query", ["sort=version", "sort=name;drop", "page=0", "page_size=1000", "nosuch=1", "q="])
def test_a_list_refuses_queries_it_does_not_know(http: Http, query: str) -> None:
    assert http("viewer").get(f"{URL}?{query}").status_code == 422
