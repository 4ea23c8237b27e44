"""What somebody could try through Terraform: options, other backends, links, secrets, states of others."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from app.core.actor import Role
from tests.factories import PersonMade, bearer, make_key, make_person
from tests.support.environment import KEYS
from tests.terraform.conftest import Backend, state_of
from tests.terraform.house import MAIN, Workshop


def test_t_tf_who_may_run_neither_writes_what_runs_nor_reads_states(
    workshop: Workshop, backend: Backend, admin: PersonMade
) -> None:
    assert backend.ask("POST", state_of(1, "a")).status_code == 200
    key = make_key(make_person(admin.tenant_id, Role.OPERATOR))
    theirs = Workshop(workshop.app, workshop.settings, key, workshop.uuid)
    evil = 'resource "terraform_data" "x" {\n  provisioner "local-exec" { command = "id" }\n}\n'
    theirs.write(evil, code=403)
    theirs.of_project("PUT", "/archive", 403, data=b"x")
    theirs.of_project("POST", "/variables", 403, json={"name": "size", "value": 1})
    theirs.of_project("PUT", "/environment/AWS_REGION", 403, json={"value": "eu-central-1"})
    theirs.of_project("PATCH", "", 403, json={"is_destroy_protected": False})
    theirs.of_project("GET", "/workspaces/default/versions/1/content", 403)
    theirs.of_project("POST", "/workspaces/default/versions/1/restore", 403)
    assert Backend(workshop.app, key, workshop.uuid).ask("GET").status_code == 403
    assert Backend(workshop.app, key, workshop.uuid).ask("POST", state_of(2, "b")).status_code == 403


@pytest.mark.parametrize("name", ["TF_CLI_ARGS", "TF_CLI_ARGS_plan", "TF_LOG", "TF_HTTP_ADDRESS", "PATH", "LD_PRELOAD"])
def test_t_tf_names_that_lead_terraform_or_the_loader_are_refused(workshop: Workshop, name: str) -> None:
    workshop.of_project("PUT", f"/environment/{name}", 422, json={"value": "-destroy"})
    assert workshop.of_project("GET", "/environment") == []


def test_t_tf_options_of_the_workers_environment_reach_no_run(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CLI_ARGS_plan", "-destroy")
    monkeypatch.setenv("TF_VAR_size", "9")
    plan = workshop.plan()
    assert (plan["status"], plan["changes_summary"]["add"]) == ("success", 2), plan
    assert "= 9" not in workshop.call("GET", f"/executions/{plan['id']}/plan")["output"]


@pytest.mark.parametrize(
    "wanted",
    [
        {"targets": ["-destroy"]},
        {"replaces": ["-var-file=/etc/passwd"]},
        {"targets": ["a\nb"]},
        {"workspace": "../other"},
        {"workspace": "-chdir=.."},
    ],
)
def test_t_tf_options_in_the_place_of_names_are_refused(workshop: Workshop, wanted: dict[str, Any]) -> None:
    workshop.ask(422, **wanted)
    assert workshop.of_project("GET", "/executions") == []


@pytest.mark.parametrize("folder", ["../other", "live/../..", "-chdir=..", "a\x00b"])
def test_t_tf_a_folder_outside_of_the_project_runs_nothing(workshop: Workshop, folder: str) -> None:
    answer = workshop.of_project("PATCH", "", (200, 422), json={"working_directory": folder})
    if "working_directory" in answer:  # a name like any other: there is no such folder
        failed = workshop.plan()
        assert failed["status"] == "failed" and "no folder" in failed["error_message"], failed


@pytest.mark.parametrize("name", ["backend_override.tf", "override.tf", "zz_override.tf"])
def test_t_tf_another_backend_in_the_files_gets_no_state(
    workshop: Workshop, backend: Backend, tmp_path: Path, name: str
) -> None:
    elsewhere = tmp_path / "elsewhere.tfstate"
    other = f'terraform {{\n  backend "local" {{ path = "{elsewhere}" }}\n}}\n'
    workshop.write(other + MAIN)
    workshop.write(other, name)
    applied = workshop.apply(workshop.plan())
    assert applied["status"] == "success", applied
    assert not elsewhere.exists()
    assert b"terraform_data" in backend.ask("GET").data


def test_t_tf_what_runs_on_the_worker_sees_no_key_of_the_platform(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    workshop.write(
        'resource "terraform_data" "x" {\n  provisioner "local-exec" { command = "env; tr \'\\\\0\' \'\\\\n\' '
        '< /proc/$PPID/environ" }\n}\n'
    )
    applied = workshop.apply(workshop.plan())
    log = workshop.log(applied)
    assert applied["status"] == "success" and "TF_IN_AUTOMATION=1" in log, log
    assert not [name for name, value in KEYS.items() if value in log or f"{name}=" in log]
    (token,) = {line.partition("=")[2] for line in log.splitlines() if "TF_HTTP_PASSWORD=" in line}
    assert set(token) <= set("*"), "the run's own token is masked, and ends with the run"


def packed(kind: str) -> bytes:
    """Return an archive with a good file and one that climbs out or links out."""
    made = io.BytesIO()
    if kind == "zip-slip":
        with zipfile.ZipFile(made, "w") as archive:
            archive.writestr("main.tf", MAIN)
            archive.writestr("../../evil.tf", "x")
        return made.getvalue()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        entry = tarfile.TarInfo("main.tf")
        entry.size = len(MAIN)
        archive.addfile(entry, io.BytesIO(MAIN.encode()))
        link = tarfile.TarInfo("secrets.auto.tfvars")
        link.type = tarfile.SYMTYPE if kind == "symlink" else tarfile.LNKTYPE
        link.linkname = "/etc/shadow"
        archive.addfile(link)
    return made.getvalue()


@pytest.mark.parametrize("kind", ["zip-slip", "symlink", "hardlink"])
def test_t_tf_archives_that_climb_or_link_out_change_nothing(workshop: Workshop, kind: str) -> None:
    before = workshop.of_project("GET", "/revisions")
    answer = workshop.app.test_client().put(
        f"/api/v1/terraform/projects/{workshop.uuid}/archive", data=packed(kind), headers=bearer(workshop.key)
    )
    assert answer.status_code == 422, answer.get_data(as_text=True)
    assert workshop.of_project("GET", "/revisions") == before
