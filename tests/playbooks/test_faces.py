"""REST and pages of playbooks; the rules themselves are tested with the services."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from tests.playbooks.conftest import GOOD, House

Http = Callable[[str], FlaskClient]
SPECS = [{"name": "greeting", "default": "hi"}, {"name": "loud", "type": "boolean", "default": True}]


@pytest.fixture
def http(app: Flask, house: House) -> Http:
    """A client that acts as admin, operator or viewer; CSRF is off."""
    actors = {"admin": house.admin, "operator": house.operator, "viewer": house.viewer}
    app.config["WTF_CSRF_ENABLED"] = False
    app.authenticator = lambda: actors.get(request.headers.get("X-Test-Actor", ""))  # type: ignore[attr-defined]

    def make(name: str) -> FlaskClient:
        client = app.test_client()
        client.environ_base["HTTP_X_TEST_ACTOR"] = name
        return client

    return make


def test_a_program_uploads_approves_and_launches_once(house: House, http: Http) -> None:
    server = house.add_server("web-1")
    admin = http("admin")
    body = {"name": "Greet", "file_name": "site.yml", "content": GOOD.decode(), "variable_specs": SPECS}
    made = admin.post("/api/v1/playbooks", json=body)
    assert made.status_code == 201, made.json
    path = made.headers["Location"]
    launch = {"playbook_id": made.json["id"], "server_ids": [server], "extra_vars": {"greeting": "ho"}}
    refused = admin.post("/api/v1/launches", json=launch)
    assert (refused.status_code, refused.json["error"]) == (409, "not_approved")
    assert admin.post(f"{path}/approve", json={"manifest_hash": made.json["manifest_hash"]}).json["is_approved"]

    operator = http("operator")
    key = {"Idempotency-Key": "one"}
    first = operator.post("/api/v1/launches", json=launch, headers=key)
    assert first.status_code == 202, first.json
    again = operator.post("/api/v1/launches", json=launch, headers=key)
    assert again.json["uuid"] == first.json["uuid"]
    assert again.headers["Idempotent-Replayed"] == "true"
    other = operator.post("/api/v1/launches", json={**launch, "check": True}, headers=key)
    assert other.status_code == 422
    job = operator.post("/api/v1/jobs", json={"playbook_id": made.json["id"], "server_id": server})
    assert job.status_code == 202, job.json
    assert job.json["status"] == "pending"
    listed = http("viewer").get("/api/v1/launches")
    assert len(listed.json) == 2
    assert http("viewer").post("/api/v1/launches", json=launch).status_code == 403


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"playbook_id": "1"}, "playbook_id"),
        ({"playbook_id": 2**63}, "playbook_id"),
        ({"server_ids": []}, "server_ids"),
        ({"server_ids": "x"}, "server_ids"),
        ({"user_id": 1}, "user_id"),
        ({"extra_vars": []}, "extra_vars"),
        ({"forks": 1.5}, "forks"),
        ({"limit": "\ud800"}, "limit"),
    ],
)
def test_a_launch_of_the_wrong_shape_is_422(http: Http, change: dict[str, object], field: str) -> None:
    answer = http("operator").post("/api/v1/launches", json={"playbook_id": 1, "server_ids": [1], **change})
    assert answer.status_code == 422, answer.json
    assert field in str(answer.json["errors"])


def test_a_file_can_be_uploaded_as_multipart(http: Http) -> None:
    form = {"name": "Greet", "variable_specs": "- {name: greeting}", "file": (io.BytesIO(GOOD), "site.yml")}
    made = http("admin").post("/api/v1/playbooks", data=form)
    assert made.status_code == 201, made.json
    bomb = {"name": "Bomb", "file": (io.BytesIO(b"[" * 200_000), "bomb.yml")}
    answer = http("admin").post("/api/v1/playbooks", data=bomb)
    assert answer.status_code == 422
    assert "nests deeper" in str(answer.json["errors"])


def test_the_sample_project_is_adopted_and_read_again(http: Http) -> None:
    made = http("admin").post("/api/v1/playbook-projects", json={"source": "sample"})
    assert made.status_code == 201, made.json
    assert http("admin").post(f"/api/v1/playbook-projects/{made.json['uuid']}/sync").status_code == 202
    listed = http("viewer").get("/api/v1/playbooks?page_size=2")
    assert listed.status_code == 200
    assert '"total": 11' in listed.headers["X-Pagination"]
    assert http("viewer").get("/api/v1/playbooks?nope=1").status_code == 422
    assert http("operator").post("/api/v1/playbook-projects", json={"source": "sample"}).status_code == 403


def test_a_person_uploads_reads_approves_and_launches(house: House, http: Http) -> None:
    server = house.add_server("live-1", environment="production")
    admin = http("admin")
    assert b"No playbook yet" in admin.get("/playbooks").data
    bad = admin.post("/playbooks/upload", data={"name": "Greet", "content": "hosts: all"})
    assert bad.status_code == 422
    assert b"a list of plays" in bad.data
    assert b"hosts: all" in bad.data
    good = {
        "name": "Greet",
        "content": GOOD.decode(),
        "variable_specs": "- {name: greeting}\n- {name: n, type: number}",
    }
    made = admin.post("/playbooks/upload", data=good)
    assert made.status_code == 303, made.data
    page = admin.get(made.location)
    assert b"Say it" in page.data
    with house.unit():
        from app.playbooks import queries

        playbook = queries.list_playbooks(house.admin).items[0]
        base, manifest = f"/playbooks/{playbook.id}", playbook.manifest_hash
    assert admin.get(f"{base}/edit").status_code == 200
    saved = admin.post(f"{base}/edit", data={"name": "Greet all", "description": "x", "version": "1"})
    assert saved.status_code == 303, saved.data
    assert b"Nothing of this playbook was approved before" in admin.get(f"{base}/approve").data
    stale = admin.post(f"{base}/approve", data={"manifest_hash": "0" * 64})
    assert stale.status_code == 409
    assert b"changed after you read it" in stale.data
    assert admin.post(f"{base}/approve", data={"manifest_hash": manifest}).status_code == 303

    assert http("viewer").get(base).status_code == 200
    operator = http("operator")
    assert b"live-1" in operator.get(f"{base}/launch").data
    typed = {"server_ids": str(server), "var_greeting": "typed text", "var_n": "x"}
    wrong = operator.post(f"{base}/launch", data=typed)
    assert wrong.status_code == 422
    assert b"n must be a number" in wrong.data
    assert b"typed text" in wrong.data
    unconfirmed = operator.post(f"{base}/launch", data={**typed, "var_n": "5"})
    assert unconfirmed.status_code == 422
    assert b"Production is among the servers" in unconfirmed.data
    done = operator.post(f"{base}/launch", data={**typed, "var_n": "5", "confirm_name": "Greet all"})
    assert done.status_code == 303, done.data
    assert "/launches/" in done.location
    again = operator.get(f"{base}/launch?again={done.location.rsplit('/', 1)[-1]}", follow_redirects=True)
    assert b"typed text" in again.data
    assert http("viewer").get("/playbooks/upload").status_code == 403
    assert http("viewer").get(f"{base}/launch").status_code == 403


def test_the_list_is_filtered_sorted_and_downloaded(house: House, http: Http) -> None:
    admin = http("admin")
    assert admin.post("/api/v1/playbook-projects", json={"source": "sample"}).status_code < 300
    for name, tags in (("Zebra", ["wild", "größe"]), ("Alpha", ["wilder"])):
        body = {"name": name, "file_name": "site.yml", "content": GOOD.decode(), "tags": tags}
        assert admin.post("/api/v1/playbooks", json=body).status_code == 201

    def names(query: str) -> list[str]:
        answer = http("viewer").get(f"/api/v1/playbooks?{query}")
        assert answer.status_code == 200, answer.json
        return [row["name"] for row in answer.json]

    assert names("tag=wild") == ["Zebra"]
    assert names("tag=gr%C3%B6%C3%9Fe") == ["Zebra"]
    assert names("tag=wil%25") == []
    assert sorted(names("approved=false")) == ["Alpha", "Zebra"]
    assert len(names("approved=true")) == 11
    assert names("approved=false&sort=name") == ["Alpha", "Zebra"]
    assert names("approved=false&sort=-name&page_size=1") == ["Zebra"]
    assert http("viewer").get("/api/v1/playbooks?sort=file_hash").status_code == 422
    page = http("viewer").get("/playbooks?approved=false&sort=name").data
    assert page.index(b">Alpha<") < page.index(b">Zebra<")
    rows = http("viewer").get("/playbooks/export?format=csv&approved=false").data.decode().splitlines()
    assert len(rows) == 3
    assert rows[0].startswith("id,name,")
    assert http("viewer").get("/playbooks/export?format=jsonl").data.count(b"\n") == 13


def test_projects_and_approvals_are_downloaded_with_the_filters_of_their_lists(house: House, http: Http) -> None:
    admin, viewer = http("admin"), http("viewer")
    body = {"name": "Greet", "file_name": "plays/site.yml", "content": GOOD.decode()}
    made = admin.post("/api/v1/playbooks", json=body)
    assert made.status_code == 201, made.json

    def lines(address: str) -> list[str]:
        answer = viewer.get(address)
        assert answer.status_code == 200, answer.data
        return answer.data.decode().splitlines()

    head, one = lines("/playbooks/projects/export?source=upload")
    assert head.startswith("id,uuid,name,")
    assert ",upload," in one
    assert len(lines("/playbooks/projects/export?source=git")) == 1
    assert json.loads(lines("/playbooks/projects/export?format=jsonl&source=upload")[0])["unapproved"] == 1
    approved = admin.post(f"/api/v1/playbooks/{made.json['id']}/approve", json={})
    assert approved.status_code == 200, approved.json
    head, *rows = lines("/playbooks/approvals/export?revoked=false")
    assert head.startswith("id,playbook_id,playbook_name,")
    assert [row for row in rows if ",Greet," in row]
    assert len(lines("/playbooks/approvals/export?revoked=true")) == 1
    assert viewer.get("/playbooks/approvals/export?format=xlsx").status_code == 422


def test_revisions_files_and_differences_over_rest(house: House, http: Http) -> None:
    admin, viewer = http("admin"), http("viewer")
    body = {"name": "Greet", "file_name": "plays/site.yml", "content": GOOD.decode()}
    made = admin.post("/api/v1/playbooks", json=body).json
    changed = GOOD.decode().replace("Say it", "Say it louder")
    assert admin.put(f"/api/v1/playbooks/{made['id']}/content", json={"content": changed}).status_code == 200
    base = f"/api/v1/playbook-projects/{viewer.get('/api/v1/playbook-projects').json[0]['uuid']}"
    new, old = viewer.get(f"{base}/revisions").json
    assert (new["in_force"], new["files_changed"], old["files_added"]) == (True, 1, 1)
    files = viewer.get(f"{base}/revisions/{old['id']}/files").json
    assert [(file["path"], file["size"]) for file in files] == [("plays/site.yml", len(GOOD))]
    raw = viewer.get(f"{base}/revisions/{old['id']}/raw?path=plays/site.yml")
    assert raw.data == GOOD
    assert raw.headers["Content-Disposition"] == 'attachment; filename="site.yml"'
    assert raw.headers["X-Content-Type-Options"] == "nosniff"
    assert raw.mimetype == "text/plain"
    told = viewer.get(f"{base}/diff?old={old['id']}&new={new['id']}").json
    assert "+    - name: Say it louder" in told["changes"][0]["diff"]
    assert told == viewer.get(f"{base}/diff?new={new['id']}").json
    assert viewer.get(f"{base}/diff?new=999999").status_code == 404
    page = f"/playbooks/projects/{base.rsplit('/', 1)[-1]}"
    assert b'id="L3"' in viewer.get(f"{page}/revisions/{old['id']}/file?path=plays/site.yml").data
    for path in ("", "/edit", "/approve"):
        status = viewer.get(f"{page}{path}").status_code
        assert status == {"": 200, "/edit": 403, "/approve": 405}[path]
    moved = admin.post(f"{page}/approve", data={"manifest_hash": old["manifest_hash"]})
    assert moved.status_code == 409
    done = admin.post(f"{base}/approve", json={"manifest_hash": new["manifest_hash"]})
    assert done.json["playbook_ids"] == [made["id"]]
    approvals = viewer.get("/api/v1/playbook-approvals").json
    assert [(row["kind"], row["is_current"], row["revoked_at"]) for row in approvals] == [("commit", True, None)]


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "/etc/passwd", "plays/../plays/site.yml", "plays//site.yml", "%2e%2e/x", "site.yml\\0"]
)
def test_t_path_only_a_path_that_the_revision_holds_is_answered(house: House, http: Http, path: str) -> None:
    body = {"name": "Greet", "file_name": "plays/site.yml", "content": GOOD.decode()}
    assert http("admin").post("/api/v1/playbooks", json=body).status_code == 201
    base = f"/api/v1/playbook-projects/{http('admin').get('/api/v1/playbook-projects').json[0]['uuid']}"
    revision = http("admin").get(f"{base}/revisions").json[0]["id"]
    answer = http("admin").get(f"{base}/revisions/{revision}/raw", query_string={"path": path})
    assert answer.status_code in (404, 422), answer.data


@pytest.mark.parametrize(
    "change",
    [
        {"limit": "-oProxyCommand=id"},
        {"limit": "@/etc/passwd"},
        {"limit": "web\nall"},
        {"limit": "web\x00"},
        {"tags": ["-e"]},
        {"tags": ["@/etc/passwd"]},
        {"skip_tags": ["a\nb"]},
        {"verbosity": "-vvvvv"},
        {"verbosity": 9},
        {"forks": "-1"},
        {"extra_vars": {"-e": "x"}},
        {"extra_vars": {"@/etc/passwd": "x"}},
        {"extra_vars": {"a\nb": "x"}},
    ],
)
def test_t_args_what_could_be_taken_for_an_option_or_a_file_is_422(
    house: House, http: Http, change: dict[str, object]
) -> None:
    server, admin = house.add_server("web-1"), http("admin")
    made = admin.post("/api/v1/playbooks", json={"name": "Greet", "file_name": "site.yml", "content": GOOD.decode()})
    assert admin.post(f"/api/v1/playbooks/{made.json['id']}/approve").status_code == 200
    body = {"playbook_id": made.json["id"], "server_ids": [server], **change}
    answer = http("operator").post("/api/v1/launches", json=body)
    assert answer.status_code == 422, answer.json
    assert http("operator").get("/api/v1/launches").json == []


def test_t_vars_a_launch_takes_only_declared_names_and_plain_text(house: House, http: Http) -> None:
    server, admin = house.add_server("web-1"), http("admin")
    body = {"name": "Greet", "file_name": "site.yml", "content": GOOD.decode(), "variable_specs": SPECS}
    made = admin.post("/api/v1/playbooks", json=body).json
    assert admin.post(f"/api/v1/playbooks/{made['id']}/approve").status_code == 200
    for wrong in (
        {"greeting": "{{ lookup('pipe', 'id') }}"},
        {"greeting": "{{ {'a': 1} and lookup('pipe', 'id') }}"},
        {"greeting": ["{% set x = 1 %}"]},
        {"ansible_connection": "local"},
        {"ansible_ssh_common_args": "-oProxyCommand=id"},
        {"hostvars": {}},
        {"environment": {"LD_PRELOAD": "x"}},
        {"undeclared": "x"},
    ):
        launch = {"playbook_id": made["id"], "server_ids": [server], "extra_vars": wrong}
        assert http("operator").post("/api/v1/launches", json=launch).status_code == 422, wrong
    assert http("operator").get("/api/v1/launches").json == []


def test_t_yaml_bombs_over_http_are_refused_quickly_by_the_process_that_goes_on(http: Http) -> None:
    pid, began, admin = os.getpid(), time.monotonic(), http("admin")
    aliases = "\n".join(
        ["- hosts: &a0 [x, x]", *(f"  k{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 12)}]" for n in range(1, 12))]
    )
    for number, text in enumerate(
        ("[" * 200_000, "{a: " * 200_000, aliases, "- hosts: !!python/object/apply:os.system [id]", "- {a: 1, a: 2}")
    ):
        body = {"name": f"Bomb {number}", "file_name": "bomb.yml", "content": text}
        assert admin.post("/api/v1/playbooks", json=body).status_code == 422, text[:50]
    huge = admin.post(
        "/api/v1/playbooks",
        input_stream=io.BytesIO(b'{"content": "'),
        content_type="application/json",
        environ_overrides={"CONTENT_LENGTH": str(100 * 1_048_576)},
    )
    assert huge.status_code == 413
    assert os.getpid() == pid
    assert admin.get("/api/v1/playbooks").json == []
    assert time.monotonic() - began < 60
