"""States that live elsewhere, in a file of the workers: read by the real terraform, never written, brought here."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from app.audit.models import AuditEntry
from app.core import runtime
from app.core.actor import Role
from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.tenancy import system_scope
from app.inventory.models import Server
from app.terraform import elsewhere_reading
from app.terraform.configuration_work import read_configuration
from app.terraform.models_configuration import TerraformResource
from app.terraform.models_files import TerraformRevision
from app.terraform.models_state import TerraformState
from app.tickets.models import Ticket
from tests import factories
from tests.terraform.conftest import LINEAGE, Backend, state_of
from tests.terraform.elsewhere import SECRET, OwnTerraform, open_folders, read, register, versions, where
from tests.terraform.house import Workshop
from tests.terraform.test_command_line import dump

pytestmark = pytest.mark.database


@pytest.fixture
def own(tmp_path: Path) -> OwnTerraform:
    """Somebody's own terraform with a local state below an open folder."""
    found = OwnTerraform(tmp_path / "states")
    found.declare('  backend "local" {}')
    found.apply("a")
    return found


@pytest.fixture
def file(own: OwnTerraform, workshop: Workshop) -> Path:
    """The file of that state; its folder is open to workers."""
    open_folders(own.folder)
    return own.folder / "terraform.tfstate"


def listed(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its bytes."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_what_the_command_line_writes_is_read_as_versions_and_nothing_is_written_there(
    workshop: Workshop, own: OwnTerraform, file: Path
) -> None:
    made = register(workshop, backend="local", backend_config={"path": str(file)})
    assert (made["location"], made["read_at"], made["backend_config"]) == (str(file), None, {"path": str(file)})
    before = listed(own.folder)
    done = read(workshop)
    assert (done["status"], done["error_message"]) == ("success", None), workshop.log(done)
    assert listed(own.folder) == before
    (version,) = versions(workshop)
    written = json.loads(file.read_bytes())
    assert (version["source"], version["read_from"]) == ("import", str(file))
    assert (version["serial"], version["lineage"]) == (written["serial"], written["lineage"])
    outputs = {row["name"]: row["value"] for row in workshop.of_project("GET", "/workspaces/shop/outputs")}
    assert outputs == {"names": ["a"], "password": "(sensitive value)"}
    shown = next(row for row in workshop.of_project("GET", "/workspaces") if row["workspace"] == "shop")
    assert (shown["backend"], shown["resources_count"], shown["read_error"]) == ("local", 1, None)
    assert SECRET.encode() not in dump(workshop.app)
    assert SECRET not in workshop.log(done)
    read(workshop)
    assert len(versions(workshop)) == 1, "nothing changed there"
    own.apply("a", "b")
    read(workshop)
    assert [row["resources_count"] for row in versions(workshop)] == [2, 1]
    assert where(workshop)["read_note"] is None


def test_an_older_or_another_state_there_is_taken_and_said(workshop: Workshop, file: Path) -> None:
    register(workshop, backend="local", backend_config={"path": str(file)})
    file.write_bytes(state_of(7, "a"))
    read(workshop)
    for state, said in (
        (state_of(3, "a"), "an older state was put back"),
        (state_of(3, "b"), "changed by hand"),
        (state_of(9, "b", lineage="another"), f"before ({LINEAGE})"),
    ):
        file.write_bytes(state)
        assert read(workshop)["status"] == "success"
        assert said in where(workshop)["read_note"]
    assert [row["serial"] for row in versions(workshop)] == [9, 3, 3, 7]


def test_what_cannot_be_read_is_said_opens_a_ticket_and_leaves_what_was_read(
    workshop: Workshop, own: OwnTerraform, file: Path, tmp_path: Path
) -> None:
    register(workshop, backend="local", backend_config={"path": str(file)})
    read(workshop)
    outside = tmp_path / "outside.tfstate"
    file.rename(outside)

    def told() -> str:
        done = read(workshop)
        assert done["status"] == "failed", done
        said = str(where(workshop)["read_error"])
        assert said in done["error_message"]
        return said

    assert "No such file" in told()
    file.symlink_to(outside)
    assert "leads out of the folders" in told()
    file.unlink()
    os.mkfifo(file)
    assert "no regular file" in told()
    file.unlink()
    file.write_bytes(b'{"version": 4, "ser')
    assert "no state that this program can read" in told()
    file.write_bytes(b"")
    assert "no state there" in told()
    assert len(factories.rows(Ticket)) >= 1
    assert len(versions(workshop)) == 1
    file.unlink()
    file.symlink_to(own.folder / "moved.tfstate")
    outside.rename(own.folder / "moved.tfstate")
    assert read(workshop)["status"] == "success", "a link inside is fine"
    assert where(workshop)["read_error"] is None


def test_what_follows_an_execution_follows_a_reading_too(workshop: Workshop, own: OwnTerraform, file: Path) -> None:
    workshop.write('resource "terraform_data" "one" {}\n')
    read_configuration(max(row.id for row in factories.rows(TerraformRevision)))
    rule = {"resource_type": "terraform_data", "hostname": "{input.value}.example.org", "ip_address": "192.0.2.1"}
    workshop.of_project("POST", "/server-rules", 201, json=rule)
    register(workshop, backend="local", backend_config={"path": str(file)})

    def came_of_it() -> tuple[list[str], list[str]]:
        assert read(workshop)["status"] == "success"
        servers = [row.hostname for row in factories.rows(Server) if row.is_active and not row.is_controller]
        return sorted(servers), [row.status.value for row in factories.rows(TerraformResource)]

    assert came_of_it() == (["a.example.org"], ["created"])
    own.apply("b", "c")
    assert came_of_it() == (["b.example.org", "c.example.org"], ["created"])
    own.run("destroy", "-input=false", "-auto-approve")
    assert came_of_it() == ([], ["destroyed"])


def test_values_that_no_plan_can_be_made_with_stop_no_reading(workshop: Workshop, file: Path) -> None:
    kept = workshop.of_project("POST", "/variables", 201, json={"name": "size", "value": 1})
    workshop.of_project("PATCH", f"/variables/{kept['id']}", json={"rules": {"min": 5}})
    workshop.ask(409)
    register(workshop, backend="local", backend_config={"path": str(file)})
    assert read(workshop)["status"] == "success"


def test_a_state_over_the_limit_is_refused_in_words(workshop: Workshop, file: Path) -> None:
    register(workshop, backend="local", backend_config={"path": str(file)})
    runtime.configure(runtime.settings().model_copy(update={"state_max_bytes": 100}))
    assert "larger than 100 bytes" in read(workshop)["error_message"]


def test_whatever_would_write_is_refused_with_what_to_do(workshop: Workshop, backend: Backend, file: Path) -> None:
    register(workshop, backend="local", backend_config={"path": str(file)})
    read(workshop)
    for wanted in ({}, {"is_destroy": True}, {"is_refresh_only": True}):
        refused = workshop.ask(409, workspace="shop", **wanted)
        assert refused["error"] == "state_elsewhere"
        assert str(file) in refused["message"] and "Bring it here" in refused["message"]
    here = Backend(backend.app, backend.key, backend.project, "shop")
    held = here.lock("one")
    assert held.status_code == 423
    assert str(file) in held.json["Who"] and "Bring it here" in held.json["Info"]
    assert here.ask("POST", state_of(99, "a")).json["error"] == "state_elsewhere"
    assert here.ask("DELETE").status_code == 409
    assert here.api("POST", "/workspaces/shop/versions/1/restore").status_code == 409
    assert here.ask("GET").status_code == 200, "reading is free"
    assert len(versions(workshop)) == 1
    looked = workshop.plan(workspace="shop", is_speculative=True)
    assert looked["status"] == "success", workshop.log(looked)
    assert looked["changes_summary"]["destroy"] == 1, "it is compared with what was read"
    assert len(versions(workshop)) == 1


def test_an_unmodified_command_line_is_told_why_it_gets_no_lock(
    workshop: Workshop, backend: Backend, file: Path, tmp_path: Path
) -> None:
    register(workshop, backend="local", backend_config={"path": str(file)})
    read(workshop)
    address = f"{runtime.settings().internal_url}{Backend(backend.app, '', backend.project, 'shop').path}"
    places = dict.fromkeys(("TF_HTTP_ADDRESS", "TF_HTTP_LOCK_ADDRESS", "TF_HTTP_UNLOCK_ADDRESS"), address)
    another = OwnTerraform(tmp_path / "another", {**places, "TF_HTTP_USERNAME": "a", "TF_HTTP_PASSWORD": backend.key})
    another.declare('  backend "http" {}')
    said = " ".join(another.run("apply", "-input=false", "-auto-approve", "-no-color", code=1).split())
    assert f"The state of shop lives in {file} and is read-only here." in said
    assert "Change it where it lives, or bring it here first" in said
    assert "terraform_data.one" in another.run("state", "list"), "reading is free"


def test_it_is_brought_here_and_written_here_from_then_on(workshop: Workshop, file: Path) -> None:
    register(workshop, backend="local", backend_config={"path": str(file)}, read_every_minutes=5)
    workshop.of_project("POST", "/workspaces/shop/backend/bring-here", 409)
    read(workshop)
    state = file.read_bytes()
    file.write_bytes(b"nothing")
    read(workshop)
    refused = workshop.of_project("POST", "/workspaces/shop/backend/bring-here", 409)
    assert "Read it again first" in refused["message"]
    file.write_bytes(state)
    waits = workshop.ask(execution_type="refresh", workspace="shop")
    assert workshop.of_project("POST", "/workspaces/shop/backend/bring-here", 409)["error"] == "still_open"
    workshop.ended(waits)
    brought = workshop.of_project("POST", "/workspaces/shop/backend/bring-here")
    assert (brought["backend"], brought["backend_location"], brought["resources_count"]) == ("platform", None, 1)
    workshop.of_project("GET", "/workspaces/shop/backend", 404)
    plan = workshop.plan(workspace="shop")
    assert plan["changes_summary"]["destroy"] == 1, plan
    assert workshop.apply(plan)["status"] == "success"
    assert versions(workshop)[0]["source"] == "run"
    assert file.read_bytes() == state
    events = {entry.event for entry in factories.rows(AuditEntry)}
    assert {"terraform_state:register", "terraform_state:bring_here"} <= events


def test_letting_go_leaves_the_versions_and_none_in_force(workshop: Workshop, file: Path) -> None:
    register(workshop, backend="local", backend_config={"path": str(file)})
    read(workshop)
    workshop.of_project("DELETE", "/workspaces/shop/backend", 204)
    shown = workshop.of_project("GET", "/workspaces/shop")
    assert (shown["backend"], shown["serial"], shown["resources_count"]) == ("platform", None, 0)
    assert len(versions(workshop)) == 1
    assert workshop.of_project("POST", "/workspaces/shop/versions/1/restore", 201)["source"] == "restore"
    register(workshop, backend="local", workspace="never-read", backend_config={"path": str(file)})
    workshop.of_project("DELETE", "/workspaces/never-read/backend", 204)
    workshop.of_project("GET", "/workspaces/never-read", 404)


def s3(**config: Any) -> dict[str, Any]:
    """A state in S3, with these changes."""
    return {"backend": "s3", "backend_config": {"bucket": "acme", "key": "a", **config}}


def local(path: str, **body: Any) -> dict[str, Any]:
    """A state in a file of the workers."""
    return {"backend": "local", "backend_config": {"path": path}, **body}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (s3(bucket=""), "bucket"),
        (s3(key="/a"), "key"),
        (s3(access_key="AKIAEXAMPLE"), "secret_key"),
        (s3(token="token-token"), "access_key"),
        (s3(region=7), "region"),
        (s3(encrypt="yes"), "encrypt"),
        (s3(endpoint_s3="file:///etc"), "endpoint_s3"),
        (s3(access_key="a" * 2000, secret_key="abcdefgh"), "access_key"),
        (s3(access_key="short", secret_key="abcdefgh"), "access_key"),
        (s3(shared_credentials_files="/x"), "backend_config"),
        (s3(assume_role_external_id="abc"), "assume_role_role_arn"),
        ({**s3(), "read_every_minutes": 4}, "read_every_minutes"),
        ({"backend": "gcs", "backend_config": {}}, "backend"),
        (local("relative"), "path"),
        (local("/etc/passwd"), "path"),
        (local("/open/../etc/passwd"), "path"),
        (local("/open/a", workspace="a/b"), "workspace"),
    ],
)
def test_what_cannot_be_a_place_is_refused_by_field(workshop: Workshop, body: Any, field: str) -> None:
    open_folders(Path("/open"))
    refused = register(workshop, 422, **body)
    assert f"{field!r}: [" in str(refused["errors"]), refused
    assert workshop.of_project("GET", "/workspaces") == []


def test_no_folder_is_open_unless_the_setting_names_it(workshop: Workshop) -> None:
    refused = register(workshop, 422, backend="local", backend_config={"path": "/srv/a.tfstate"})
    assert "MILLWRIGHT_TERRAFORM_LOCAL_STATE_ROOTS" in refused["errors"]["path"][0]


def test_a_workspace_with_a_state_or_a_lock_here_is_not_given_away(workshop: Workshop, backend: Backend) -> None:
    config = {"bucket": "acme", "key": "a"}
    backend.ask("POST", state_of(1, "a"))
    assert register(workshop, 409, workspace="default", backend="s3", backend_config=config)["error"] == "has_state"
    Backend(backend.app, backend.key, backend.project, "held").lock("one")
    assert register(workshop, 409, workspace="held", backend="s3", backend_config=config)["error"] == "has_state"
    waits = workshop.ask(workspace="busy")
    Backend(backend.app, backend.key, backend.project, "busy").ask("POST", state_of(1))
    Backend(backend.app, backend.key, backend.project, "busy").ask("DELETE")
    assert register(workshop, 409, workspace="busy", backend="s3", backend_config=config)["error"] == "still_open"
    workshop.ended(waits)
    register(workshop, workspace="busy", backend="s3", backend_config=config)
    assert register(workshop, 409, workspace="busy", backend="s3", backend_config=config)["error"] == "registered"


def test_secrets_are_write_only_stay_unless_sent_and_go_with_another_endpoint(workshop: Workshop) -> None:
    keys = {"access_key": "planted-access-key-4711", "secret_key": "planted-secret-key-4711"}
    config = {"bucket": "acme", "key": "a"}
    made = register(workshop, backend="s3", backend_config={**config, **keys})
    assert (made["secrets"], made["backend_config"]) == (["access_key", "secret_key"], config)
    assert b"planted" not in dump(workshop.app)
    changed = workshop.of_project(
        "PATCH",
        "/workspaces/shop/backend",
        json={"backend_config": {**config, "remote_workspace": "production"}, "version": made["version"]},
    )
    assert changed["location"] == "s3://acme/env:/production/a"
    assert changed["secrets"] == ["access_key", "secret_key"]
    stale = {"read_every_minutes": 60, "version": made["version"]}
    assert workshop.of_project("PATCH", "/workspaces/shop/backend", 409, json=stale)["error"] == "version_conflict"
    assert workshop.of_project("PATCH", "/workspaces/shop/backend", json={"read_every_minutes": 60})["next_read_at"]
    away = {"backend_config": {**config, "endpoint_s3": "https://elsewhere.example.org"}}
    assert workshop.of_project("PATCH", "/workspaces/shop/backend", json=away)["secrets"] == []


def test_another_tenant_and_lesser_roles_are_kept_out(workshop: Workshop, backend: Backend, as_other: Any) -> None:
    body = {"workspace": "shop", "backend": "s3", "backend_config": {"bucket": "acme", "key": "a"}}
    assert as_other(Role.OPERATOR).api("POST", "/workspaces", json=body).status_code == 403
    stranger = as_other(Role.ADMIN, elsewhere=True)
    assert stranger.api("POST", "/workspaces", json=body).status_code == 404
    register(workshop, **{name: body[name] for name in ("backend", "backend_config")})
    viewer = as_other(Role.VIEWER)
    assert viewer.api("GET", "/workspaces/shop/backend").status_code == 200
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/bring-here")):
        options = {"json": {}} if method == "PATCH" else {}
        assert stranger.api(method, f"/workspaces/shop/backend{path}", **options).status_code == 404
        if method != "GET":
            assert viewer.api(method, f"/workspaces/shop/backend{path}", **options).status_code == 403


def test_it_is_read_by_itself_when_it_is_due_and_not_twice(workshop: Workshop, file: Path) -> None:
    register(workshop, backend="local", backend_config={"path": str(file)}, read_every_minutes=5)

    def due() -> None:
        with system_scope("test"), unit_of_work():
            earlier = database_now() - timedelta(seconds=1)
            db.session.execute(
                update(TerraformState).where(TerraformState.workspace == "shop").values(next_read_at=earlier)
            )

    assert elsewhere_reading.read_due() == 0, "not yet"
    due()
    assert elsewhere_reading.read_due() == 1
    assert elsewhere_reading.read_due() == 0, "the next one is in five minutes"
    due()
    assert elsewhere_reading.read_due() == 0, "one is waiting already"
    workshop.work()
    assert len(versions(workshop)) == 1
    workshop.of_project("PATCH", json={"is_active": False})
    due()
    assert elsewhere_reading.read_due() == 0, "a project out of use is left alone"


def test_what_was_read_can_be_read_over_the_backend_by_whoever_may_read_states(
    workshop: Workshop, backend: Backend, file: Path, as_other: Any
) -> None:
    register(workshop, backend="local", backend_config={"path": str(file)})
    read(workshop)
    here = Backend(backend.app, backend.key, backend.project, "shop")
    assert json.loads(here.ask("GET").data)["lineage"] == json.loads(file.read_bytes())["lineage"]
    assert as_other(Role.VIEWER).api("GET", "/workspaces/shop/versions/1/content").status_code == 403
