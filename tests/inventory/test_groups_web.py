"""Pages of groups and of import work without JavaScript, keep what was typed and say what is wrong."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

from flask.testing import FlaskClient

Http = Callable[[str], FlaskClient]
Make = Callable[..., int]
TEXT = "[web]\nweb-1 ansible_host=192.0.2.1\nlocalhost\n[web:vars]\nport=80\nansible_password=hunter22\n"


def _id(answer: Any) -> int:
    return int(answer.headers["Location"].rsplit("/", 1)[1])


def test_a_group_is_added_filled_edited_and_deleted_by_forms(http: Http, make_server: Make) -> None:
    browser = http("operator")
    names = [f"node-{number}" for number in range(3)]
    ids = [make_server(hostname=name) for name in names]
    inner = _id(browser.post("/server-groups/new", data={"name": "inner"}))
    data = {"name": "outer", "variables": "port: 80\nlist: [1, 2]", "priority": "4", "child_ids": str(inner)}
    outer = _id(browser.post("/server-groups/new", data=data))
    done = browser.post(f"/server-groups/{inner}/members", data={"names": "node-*, nosuch"}, follow_redirects=True)
    assert "3 servers put in" in done.text and "No active server is named nosuch" in done.text
    assert "node-2" in browser.get(f"/server-groups/{outer}?nested=1").text
    assert "node-2" not in browser.get(f"/server-groups/{outer}").text
    shown = browser.get(f"/servers/{ids[0]}/variables")
    assert shown.status_code == 200 and "outer" in shown.text and "port" in shown.text
    browser.post(f"/server-groups/{inner}/members", data={"remove_server_ids": ids[:2]})
    assert "node-2" in browser.get(f"/server-groups/{inner}").text
    assert "node-0" not in browser.get(f"/server-groups/{inner}").text
    stale = browser.post(f"/server-groups/{outer}/edit", data={**data, "version": "9"})
    assert stale.status_code == 409 and "outer" in stale.text
    assert (
        browser.post(f"/server-groups/{outer}/edit", data={**data, "version": "1", "priority": "5"}).status_code == 302
    )
    assert "Priority</dt><dd>5" in browser.get(f"/server-groups/{outer}").text
    asked = browser.post(f"/server-groups/{outer}/delete", data={"version": "2"})
    assert "Delete the group outer?" in asked.text
    assert browser.post(f"/server-groups/{outer}/delete", data={"version": "2", "confirmed": "1"}).status_code == 302
    assert browser.get(f"/server-groups/{outer}").status_code == 404


def test_a_form_with_an_error_keeps_what_was_typed(http: Http) -> None:
    browser = http("operator")
    for wrong, field in (
        ({"name": "a b"}, "name-error"),
        ({"variables": "- 1"}, "variables-error"),
        ({"variables": "ansible_group_priority: 3"}, "variables-error"),
        ({"priority": "x"}, "priority-error"),
        ({"priority": "99999"}, "priority-error"),
    ):
        answer = browser.post("/server-groups/new", data={"name": "web", "description": "Rack 9", **wrong})
        assert answer.status_code == 422 and "Rack 9" in answer.text and field in answer.text, wrong
    own = _id(browser.post("/server-groups/new", data={"name": "web"}))
    browser.post("/server-groups/new", data={"name": "other"})
    circle = browser.post(f"/server-groups/{own}/edit", data={"name": "web", "child_ids": str(own)})
    assert circle.status_code == 422 and "circle" in circle.text
    assert browser.post("/server-groups/new", data={"name": "web"}).status_code == 409


def test_the_list_is_searched_and_downloaded(http: Http) -> None:
    browser = http("operator")
    assert "No group yet" in browser.get("/server-groups").text
    for name in ("web", "db"):
        browser.post("/server-groups/new", data={"name": name, "description": "=1+1"})
    page = browser.get("/server-groups?q=w&sort=-name").text
    assert ">web<" in page and ">db<" not in page
    download = browser.get("/server-groups/export?format=csv&sort=-name")
    assert re.findall(r"^(\w+),'=1\+1", download.text, re.MULTILINE) == ["web", "db"]
    assert browser.get("/server-groups?sort=nosuch").status_code == 422


def test_viewers_see_the_same_pages_without_buttons(http: Http) -> None:
    own = _id(http("admin").post("/server-groups/new", data={"name": "web", "variables": "a: 1"}))
    http("admin").post("/server-groups/all", data={"variables": "everywhere: 1", "version": "0"})
    viewer = http("viewer")
    for path in ("/server-groups", f"/server-groups/{own}", "/server-groups/all"):
        answer = viewer.get(path)
        assert answer.status_code == 200
        assert 'action="/server-groups' not in answer.text and "Add a group" not in answer.text
    assert "everywhere" in viewer.get("/server-groups/all").text
    assert viewer.get("/servers/import").status_code == 403


def test_an_import_is_previewed_then_done(http: Http) -> None:
    browser = http("operator")
    preview = browser.post("/servers/import", data={"inventory": TEXT})
    assert preview.status_code == 200 and "What would happen" in preview.text
    assert "meaning of its own" in preview.text and "passwords are not kept in clear" in preview.text
    assert "web-1" not in browser.get("/servers").text
    carried = re.search(r'name="carried" value="([^"]+)"', preview.text)
    assert carried
    done = browser.post("/servers/import", data={"carried": carried[1], "go": "1"})
    assert "What was done" in done.text and "Imported: 1 added, 1 refused." in done.text
    assert "web-1" in browser.get("/servers").text
    again = browser.post("/servers/import", data={"file": (io.BytesIO(TEXT.encode()), "hosts.ini"), "into": "shop"})
    assert "1 unchanged" in again.text
    for form in ("yaml", "ini"):
        download = browser.get(f"/servers/inventory?format={form}&group=web")
        assert download.status_code == 200 and "web-1" in download.text and "hunter22" not in download.text


def test_an_import_with_an_error_keeps_the_text_and_names_the_line(http: Http) -> None:
    browser = http("operator")
    answer = browser.post("/servers/import", data={"inventory": "good\n[web]\nbad one\n"})
    assert answer.status_code == 422 and "Line 3" in answer.text and "bad one" in answer.text
    assert browser.post("/servers/import", data={}).status_code == 422
    assert browser.post("/servers/import", data={"inventory": TEXT, "into": "all"}).status_code == 422
    assert browser.post("/servers/import", data={"carried": "%%%", "go": "1"}).status_code == 422
    large = "# " + "x" * 4_000_000 + "\n" + TEXT
    assert browser.post("/servers/import", data={"inventory": large}).status_code == 200


def test_a_launch_form_offers_groups_and_takes_them(http: Http, make_server: Make) -> None:
    browser = http("admin")
    own = _id(browser.post("/server-groups/new", data={"name": "web"}))
    make_server(hostname="node-1")
    browser.post(f"/server-groups/{own}/members", data={"names": "node-1"})
    playbook = browser.post(
        "/api/v1/playbooks", json={"name": "one", "file_name": "one.yml", "content": "- hosts: all\n"}
    ).json
    assert playbook
    browser.post(f"/api/v1/playbooks/{playbook['id']}/approve", json={})
    form = browser.get(f"/playbooks/{playbook['id']}/launch?group=web").text
    assert 'name="groups" value="web" data-picker-group checked' in form
    assert "&#34;web&#34;" in form  # the servers say which groups they are in
    sent = browser.post(f"/playbooks/{playbook['id']}/launch", data={"groups": "web"})
    assert sent.status_code == 303, sent.text
    launch = browser.post("/api/v1/launches", json={"playbook_id": playbook["id"], "group": "web"})
    assert launch.status_code == 202 and launch.json and launch.json["jobs_total"] == 1
    refused = browser.post("/api/v1/launches", json={"playbook_id": playbook["id"], "group": "nosuch"})
    assert refused.status_code == 422 and refused.json and "groups" in refused.json["errors"]
