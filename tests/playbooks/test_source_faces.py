"""REST and pages of projects' sources; the rules themselves are tested with the services."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from app.playbooks import queries_sources, sync_work
from tests.core.test_archives import make_tar, make_zip
from tests.playbooks.conftest import House
from tests.playbooks.git_project import MakeProject
from tests.support.git_repositories import Repository, play

Http = Callable[[str], FlaskClient]
FILES = {"top/site.yml": play("Greet").encode(), "top/roles/web/tasks/main.yml": b"[]\n"}


@pytest.fixture
def http(app: Flask, house: House, make_project: MakeProject) -> Http:
    """A client that acts as admin, operator or viewer; CSRF is off; local repositories may be cloned."""
    actors = {"admin": house.admin, "operator": house.operator, "viewer": house.viewer}
    app.config["WTF_CSRF_ENABLED"] = False
    app.authenticator = lambda: actors.get(request.headers.get("X-Test-Actor", ""))  # type: ignore[attr-defined]

    def make(name: str) -> FlaskClient:
        client = app.test_client()
        client.environ_base["HTTP_X_TEST_ACTOR"] = name
        return client

    return make


def work(house: House, uuid: str) -> None:
    """Answer the open sync of a project, as a worker would."""
    from app.playbooks import queries

    with house.unit():
        sync = queries_sources.last_sync(house.admin, queries.get_project(house.admin, uuid))
        assert sync is not None
        sync_id = sync.id
    sync_work.sync_project(sync_id)


def test_a_program_makes_a_project_syncs_it_and_adopts_a_playbook(
    http: Http, house: House, repository: Repository
) -> None:
    admin = http("admin")
    body: dict[str, Any] = {"source": "git", "name": "Plays", "git_url": repository.url}
    made = admin.post("/api/v1/playbook-projects", json=body)
    assert made.status_code == 201, made.json
    uuid, base = made.json["uuid"], f"/api/v1/playbook-projects/{made.json['uuid']}"
    (first,) = admin.get(f"{base}/syncs").json
    assert (first["status"], first["reason"]) == ("pending", "change")
    work(house, uuid)
    key = {"Idempotency-Key": "one"}
    asked = admin.post(f"{base}/sync", headers=key)
    assert (asked.status_code, asked.json["status"]) == (202, "pending"), asked.json
    again = admin.post(f"{base}/sync", headers=key)
    assert (again.json["uuid"], again.headers["Idempotent-Replayed"]) == (asked.json["uuid"], "true")
    work(house, uuid)
    done = http("viewer").get(asked.headers["Location"])
    assert (done.json["status"], done.json["counts"]["files"]) == ("success", 5)
    assert "commit" in done.json["log"]
    offers = http("viewer").get(f"{base}/playbooks").json
    found = [(offer["path"], offer["playbook_id"]) for offer in offers]
    assert found == [("plays/second.yml", None), ("site.yml", None)]
    adopted = admin.post(f"{base}/playbooks", json={"paths": ["site.yml"]})
    assert (adopted.status_code, adopted.json[0]["name"]) == (201, "Greet everybody")
    assert not adopted.json[0]["is_approved"]
    assert http("operator").post(f"{base}/sync").status_code == 403
    assert http("operator").delete(base).status_code == 403
    assert admin.delete(base, headers={"If-Match": '"99"'}).status_code == 409
    assert admin.delete(base).status_code == 204
    assert admin.get(base).status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"git_url": "ext::sh -c id"}, "git_url"),
        ({"git_url": "https://169.254.169.254/x"}, "git_url"),
        ({"git_url": None}, "git_url"),
        ({"git_branch": "--upload-pack=x"}, "git_branch"),
        ({"git_subfolder": "../x"}, "git_subfolder"),
        ({"credential_kind": "ssh_key"}, "credential_kind"),
        ({"credential_kind": "token"}, "credential_secret"),
        ({"credential_kind": "token", "credential_secret": "short"}, "credential_secret"),
        ({"name": ""}, "name"),
        ({"tenant_id": 2}, "tenant_id"),
        ({"source": "svn"}, "source"),
    ],
)
def test_t_git_a_source_that_cannot_be_used_is_422_and_says_which_field(
    http: Http, change: dict[str, Any], field: str
) -> None:
    body = {"source": "git", "name": "Plays", "git_url": "https://git.example.org/x.git", **change}
    answer = http("admin").post("/api/v1/playbook-projects", json=body)
    assert answer.status_code == 422, answer.json
    assert field in str(answer.json["errors"])


def test_the_credential_is_never_given_out(http: Http) -> None:
    body = {
        "source": "git",
        "name": "Plays",
        "git_url": "https://git.example.org/x.git",
        "credential_kind": "token",
        "credential_secret": "tok-12345678",
    }
    made = http("admin").post("/api/v1/playbook-projects", json=body)
    assert made.status_code == 201, made.json
    uuid = made.json["uuid"]
    page = f"/playbooks/projects/{uuid}"
    for path in (f"/api/v1/playbook-projects/{uuid}", page, f"{page}/source", f"{page}/sync"):
        assert b"tok-12345678" not in http("admin").get(path).data
    assert http("admin").get(f"/api/v1/playbook-projects/{uuid}").json["credential_kind"] == "token"


def test_an_archive_becomes_a_revision_and_another_is_added_to_it(http: Http) -> None:
    admin = http("admin")
    made = admin.post("/api/v1/playbook-projects", json={"source": "upload", "name": "Uploads"})
    base = f"/api/v1/playbook-projects/{made.json['uuid']}"
    put = admin.put(f"{base}/archive?strip_folder=true", data=make_zip(FILES), content_type="application/zip")
    assert (put.status_code, put.json["files"], put.json["entries"]) == (200, 2, 1), put.json
    more = make_tar({"extra.yml": play("Extra").encode()})
    form = {"file": (io.BytesIO(more), "more.tar.gz")}
    put = admin.put(f"{base}/archive?mode=add", data=form, content_type="multipart/form-data")
    assert (put.json["files"], put.json["added"]) == (3, 1)
    offers = [offer["path"] for offer in admin.get(f"{base}/playbooks").json]
    assert offers == ["extra.yml", "site.yml"]
    bad = admin.put(f"{base}/archive", data=make_zip({"../evil.yml": b"x"}), content_type="application/zip")
    assert bad.status_code == 422
    assert "leads out" in str(bad.json["errors"])
    assert http("operator").put(f"{base}/archive", data=make_zip(FILES)).status_code == 403
    assert admin.put(f"{base}/archive", data=b"x" * 9_000_000).status_code in (413, 422)


@pytest.mark.parametrize("name", [".git/config", "/etc/x.yml", "a%2e.yml", "x" * 300 + "/a.yml", "-e.yml"])
def test_t_path_an_archive_with_a_name_that_cannot_be_kept_changes_nothing(http: Http, name: str) -> None:
    admin = http("admin")
    made = admin.post("/api/v1/playbook-projects", json={"source": "upload", "name": "Uploads"})
    base = f"/api/v1/playbook-projects/{made.json['uuid']}"
    answer = admin.put(f"{base}/archive", data=make_zip({"site.yml": b"x", name: b"x"}), content_type="application/zip")
    assert answer.status_code == 422, answer.json
    assert admin.get(base).json["revision_id"] is None


def test_a_person_makes_a_project_from_git_and_ticks_a_playbook(
    http: Http, house: House, repository: Repository
) -> None:
    admin = http("admin")
    assert admin.get("/playbooks/projects/new").status_code == 200
    bad = {"name": "Plays", "git_url": "ext::sh", "credential_kind": "none", "credential_secret": "tok-12345678"}
    refused = admin.post("/playbooks/projects/new", data=bad)
    assert refused.status_code == 422
    assert b"Only https and ssh addresses" in refused.data and b"ext::sh" in refused.data
    assert b"tok-12345678" not in refused.data
    good = {"name": "Plays", "git_url": repository.url, "credential_kind": "none"}
    made = admin.post("/playbooks/projects/new", data=good)
    assert made.status_code == 303, made.data
    uuid = made.location.rsplit("/", 1)[-1]
    waiting = admin.get(made.location)
    assert b"Waiting for a worker" in waiting.data and b"every 1s" in waiting.data
    work(house, uuid)
    part = admin.get(f"{made.location}/sync")
    assert b"Found playbooks" in part.data and b"every 1s" not in part.data
    assert b"Found playbooks" not in http("viewer").get(made.location).data
    ticked = admin.post(f"{made.location}/playbooks", data={"paths": ["site.yml"]})
    assert ticked.status_code == 303
    assert b"Greet everybody" in admin.get(made.location).data
    assert admin.post(f"{made.location}/sync").status_code == 303
    work(house, uuid)
    listed = http("viewer").get(f"{made.location}/syncs")
    logs = re.findall(rb'href="([^"]*/syncs/[^"]*)"', listed.data)
    assert len(logs) == 2 and b"branch main is at" in http("viewer").get(logs[0].decode()).data
    other = {"git_url": repository.url, "git_branch": "nope", "version": "1"}
    changed = admin.post(f"{made.location}/source", data=other)
    assert changed.status_code == 303, changed.data
    work(house, uuid)
    assert b"has no branch &#39;nope&#39;" in admin.get(made.location).data
    stale = admin.post(f"{made.location}/source", data={"git_url": repository.url, "version": "1"})
    assert stale.status_code == 409
    assert admin.post(f"{made.location}/delete", data={"version": "2"}).status_code == 303


def test_a_person_makes_a_project_from_an_archive_of_several_megabytes(http: Http) -> None:
    import random

    admin = http("admin")
    files = {**FILES, "top/files/noise.bin": random.Random(1).randbytes(3_000_000)}
    parts = [("source", "upload"), ("name", "Uploads"), ("strip_folder", "1")]
    head = "".join(f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in parts)
    head += '--x\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\n'
    form = head.encode() + make_zip(files) + b"\r\n--x--\r\n"
    made = admin.post("/playbooks/projects/new", data=form, content_type="multipart/form-data; boundary=x")
    assert made.status_code == 303, made.data
    assert b"Found playbooks" in admin.get(made.location).data
    refused = admin.post(f"{made.location}/archive", data={"file": (io.BytesIO(b"no"), "a.zip"), "mode": "add"})
    assert refused.status_code == 422 and b"This is no .zip" in refused.data
    added = {"file": (io.BytesIO(make_zip({"more.yml": play("More").encode()})), "a.zip"), "mode": "add"}
    assert admin.post(f"{made.location}/archive", data=added).status_code == 303
    assert b"more.yml" in admin.get(made.location).data
