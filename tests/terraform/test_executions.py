"""Executions from the request to the state: plan, review, apply of exactly that plan, and all that voids one."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from app.audit.models import AuditEntry
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.jobs.log_models import RunArtifact
from app.terraform.models_executions import TerraformExecution
from tests.factories import bearer
from tests.support.processes import wait_until
from tests.terraform.conftest import Backend, state_of
from tests.terraform.house import MAIN, Workshop
from tests.terraform.test_command_line import dump

pytestmark = pytest.mark.database
SECRET = "planted-secret-of-a-variable-4711"


def actions() -> list[str]:
    with system_scope("test"), unit_of_work(writes=False):
        return [str(entry.details.get("event") or entry.action) for entry in db.session.scalars(select(AuditEntry))]


def test_a_plan_waits_for_its_review_and_exactly_it_is_applied(workshop: Workshop) -> None:
    plan = workshop.plan(note="first")
    assert (plan["status"], plan["review"], plan["note"]) == ("success", "waiting", "first"), plan
    assert plan["changes_summary"] == {"add": 2, "change": 0, "destroy": 0, "import": 0, "drift": 0, "outputs": 1}
    shown = workshop.call("GET", f"/executions/{plan['id']}/plan")
    assert "2 to add" in shown["output"] and shown["void_because"] is None
    assert {(c["address"], c["kind"]) for c in shown["changes"]} == {
        ("terraform_data.first", "create"),
        ("terraform_data.second", "create"),
    }
    apply = workshop.apply(plan)
    assert (apply["execution_type"], apply["status"], apply["plan_id"]) == ("apply", "success", plan["id"]), apply
    assert workshop.call("GET", f"/executions/{plan['id']}")["review"] == "applied"
    (state,) = workshop.of_project("GET", "/workspaces")
    assert (state["resources_count"], state["lock"]) == (2, None)
    (version, *_older) = workshop.of_project("GET", "/workspaces/default/versions")
    assert version["source"] == "run" and version["run_uuid"]
    again = workshop.plan()
    assert (again["status"], again["review"]) == ("success", "none"), "nothing to change, nothing to review"
    workshop.apply(again, code=409)


def test_a_plan_is_applied_once_and_a_discarded_one_never(workshop: Workshop) -> None:
    plan = workshop.plan()
    made = workshop.call("POST", f"/executions/{plan['id']}/apply", 202, json={})
    refused = workshop.call("POST", f"/executions/{plan['id']}/apply", 409, json={})
    assert "applied once" in refused["message"]
    assert workshop.ended(made)["status"] == "success"
    workshop.write(MAIN.replace("default = 1", "default = 2"))
    other = workshop.plan()
    assert (
        workshop.call("POST", f"/executions/{other['id']}/discard", json={"note": "not today"})["review"] == "discarded"
    )
    assert "discarded" in workshop.call("POST", f"/executions/{other['id']}/apply", 409, json={})["message"]
    with system_scope("test"), unit_of_work(writes=False):
        names = set(db.session.scalars(select(RunArtifact.name)))
        keys = db.session.scalars(select(TerraformExecution.artifact_key)).all()
    assert "plan" not in names and keys == [None] * 3, "bytes and keys of ended plans are gone"


def test_what_moves_makes_a_plan_void_and_the_answer_says_what(workshop: Workshop, backend: Backend) -> None:
    plan = workshop.plan()
    workshop.write(MAIN + "# changed\n")
    refused = workshop.apply(plan, code=409)
    assert refused["error"] == "plan_void" and "files were changed" in refused["message"]
    plan = workshop.plan()
    backend.lock("somebody")
    assert backend.ask("POST", state_of(7, "other"), ID="somebody").status_code == 200
    backend.unlock("somebody")
    refused = workshop.apply(plan, code=409)
    assert "state was changed" in refused["message"]
    assert workshop.call("GET", f"/executions/{plan['id']}")["review"] == "void"
    plan = workshop.plan()
    assert plan["review"] == "waiting" and plan["base_serial"] == 7
    workshop.of_project("PATCH", json={"terraform_version": "0.1.0"})
    assert "another version" in workshop.apply(plan, code=409)["message"]


def test_an_apply_that_ended_before_it_began_leaves_its_plan_waiting(workshop: Workshop) -> None:
    plan = workshop.plan()
    made = workshop.call("POST", f"/executions/{plan['id']}/apply", 202, json={})
    cancelled = workshop.app.test_client().post(
        f"/api/v1/jobs/{made['job_id']}/cancel", headers={"Authorization": f"Bearer {workshop.key}"}
    )
    assert cancelled.status_code == 202
    assert workshop.ended(made)["status"] == "cancelled"
    assert workshop.call("GET", f"/executions/{plan['id']}")["review"] == "waiting"
    assert workshop.apply(plan)["status"] == "success"


def test_a_plan_whose_bytes_were_changed_is_not_applied(workshop: Workshop) -> None:
    plan = workshop.plan()
    with system_scope("test"), unit_of_work():
        row = db.session.scalars(select(RunArtifact).where(RunArtifact.name == "plan")).one()
        db.session.execute(
            update(RunArtifact).where(RunArtifact.id == row.id).values(data=row.data[:-1] + bytes([row.data[-1] ^ 1]))
        )
    failed = workshop.apply(plan)
    assert (failed["status"], failed["failure_code"]) == ("failed", "hash_mismatch"), failed
    (state,) = workshop.of_project("GET", "/workspaces")
    assert state["state_version"] is None, "nothing ran"


def test_destroy_is_planned_reviewed_and_refused_while_protected(workshop: Workshop) -> None:
    workshop.apply(workshop.plan())
    workshop.of_project("PATCH", json={"is_destroy_protected": True})
    assert workshop.ask(409, is_destroy=True)["error"] == "destroy_protected"
    workshop.write(MAIN.replace('resource "terraform_data" "second"', 'resource "terraform_data" "third"'))
    replacing = workshop.plan()
    assert replacing["changes_summary"]["destroy"] == 1
    assert workshop.apply(replacing, code=409)["error"] == "destroy_protected"
    workshop.of_project("PATCH", json={"is_destroy_protected": False})
    plan = workshop.plan(is_destroy=True)
    assert plan["changes_summary"]["destroy"] == 2
    ended = workshop.apply(plan)
    assert (ended["execution_type"], ended["status"]) == ("destroy", "success"), ended
    (state,) = workshop.of_project("GET", "/workspaces")
    assert state["resources_count"] == 0


@pytest.mark.parametrize(("policy", "applied"), [("manual", 0), ("auto_without_destroy", 1), ("auto", 2)])
def test_the_policy_says_which_plans_are_applied_by_themselves(workshop: Workshop, policy: str, applied: int) -> None:
    workshop.of_project("PATCH", json={"apply_policy": policy})
    first = workshop.plan()
    if policy == "manual":
        workshop.apply(first)
    workshop.write(MAIN.replace('"second"', '"third"'))
    second = workshop.plan()
    assert [first["review"], second["review"]].count("applied") == applied
    ran = workshop.of_project("GET", "/executions?execution_type=apply")
    assert len(ran) == max(applied, 1) and all(row["status"] == "success" for row in ran)
    assert workshop.plan(is_destroy=True)["review"] == "waiting", "a destroy always waits for a person"


def test_variables_reach_the_run_and_secret_ones_are_nowhere_in_clear(workshop: Workshop, backend: Backend) -> None:
    made = workshop.of_project("POST", "/variables", 201, json={"name": "size", "value": 7})
    secret = workshop.of_project("POST", "/variables", 201, json={"name": "secret", "value": SECRET, "sensitive": True})
    assert (made["value"], secret["value"], secret["sensitive"]) == (7, None, True)
    plan = workshop.plan()
    apply = workshop.apply(plan)
    assert apply["status"] == "success", (apply, workshop.log(apply))
    state = json.loads(backend.ask("GET").data)
    assert state["outputs"]["size"]["value"] == 7 and SECRET in json.dumps(state)
    assert workshop.of_project("GET", "/workspaces/default/outputs") == [
        {
            "name": "size",
            "value": 7,
            "type": "number",
            "sensitive": False,
            "reference": "terraform://network/default/size",
        }
    ]
    assert SECRET.encode() not in dump(workshop.app)
    assert SECRET not in json.dumps(workshop.call("GET", f"/executions/{plan['id']}/plan"))
    assert SECRET not in json.dumps(workshop.call("GET", f"/executions/{plan['id']}/plan.json"))
    workshop.of_project("PATCH", f"/variables/{secret['id']}", 422, json={"sensitive": False})
    workshop.of_project("DELETE", f"/variables/{secret['id']}", 204)


def test_providers_find_their_environment_and_what_is_sensitive_of_it_shows_nowhere(workshop: Workshop) -> None:
    key = "planted-key-of-a-provider-0042"
    plain = {"value": "eu-central-1", "sensitive": False}
    assert workshop.of_project("PUT", "/environment/CLOUD_REGION", json=plain)["value"] == "eu-central-1"
    assert workshop.of_project("PUT", "/environment/CLOUD_KEY", json={"value": "another-key-before"})["value"] is None
    workshop.of_project("PUT", "/environment/CLOUD_KEY", json={"value": key, "description": "Of the robot"})
    command = "echo in $CLOUD_REGION with $CLOUD_KEY"
    workshop.write(f'resource "terraform_data" "x" {{\n  provisioner "local-exec" {{ command = "{command}" }}\n}}\n')
    apply = workshop.apply(workshop.plan())
    log = workshop.log(apply)
    assert apply["status"] == "success" and "in eu-central-1 with ***" in log, log
    assert key not in log and key.encode() not in dump(workshop.app)
    for name, body in (
        ("TF_LOG", {"value": "trace"}),
        ("PATH", {"value": "/nowhere"}),
        ("not-a-name", {"value": "long enough"}),
        ("SHORT", {"value": "x"}),
    ):
        workshop.of_project("PUT", f"/environment/{name}", 422, json=body)
    workshop.of_project("DELETE", "/environment/CLOUD_KEY", 204)
    workshop.of_project("DELETE", "/environment/CLOUD_KEY", 404)
    assert [row["name"] for row in workshop.of_project("GET", "/environment")] == ["CLOUD_REGION"]


def test_bad_configuration_fails_with_the_place_and_keeps_nothing(workshop: Workshop) -> None:
    workshop.write('resource "terraform_data" "first" {\n  nonsense = 1\n}\n')
    failed = workshop.plan()
    assert (failed["status"], failed["failure_code"], failed["review"]) == ("failed", "task_failed", "none")
    assert "main.tf line 2" in failed["error_message"] and "Unsupported argument" in failed["error_message"]


def test_a_lock_of_somebody_else_stops_a_plan_with_the_holders_name_but_no_speculative_one(
    workshop: Workshop, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.terraform.job_kind.LOCK_SECONDS", 1)
    backend.lock("theirs", who="grace@laptop")
    failed = workshop.plan()
    assert failed["status"] == "failed" and "lock" in failed["error_message"].lower()
    looked = workshop.plan(is_speculative=True)
    assert (looked["status"], looked["review"]) == ("success", "none")
    assert looked["changes_summary"]["add"] == 2
    assert workshop.apply(looked, code=409)["error"] == "not_waiting"


def test_executions_of_one_workspace_go_in_order_and_others_do_not_wait(workshop: Workshop) -> None:
    first, second = workshop.ask(), workshop.ask()
    other = workshop.ask(workspace="staging")
    looking = workshop.ask(is_speculative=True)
    for made in (first, second, other, looking):
        assert made["status"] == "pending"
    assert [workshop.ended(made)["status"] for made in (first, second, other, looking)] == ["success"] * 4
    names = {row["workspace"] for row in workshop.of_project("GET", "/executions?workspace=staging")}
    assert names == {"staging"}


def test_the_same_is_asked_for_again_over_rest_but_nothing_is_applied_twice(workshop: Workshop) -> None:
    def again(execution: Any, **body: Any) -> Any:
        job = client.get(f"/api/v1/jobs/{execution['job_id']}", headers=headers).json
        return client.post(f"/api/v1/launches/{job['launch_uuid']}/relaunch", json=body, headers=headers)

    client, headers = workshop.app.test_client(), bearer(workshop.key)
    plan = workshop.plan(note="first")
    assert again(plan).status_code == 202
    workshop.work()
    (newest, _first) = workshop.of_project("GET", "/executions")
    assert (newest["execution_type"], newest["note"], newest["review"]) == ("plan", "first", "waiting")
    assert again(plan, check=True).status_code == 422
    refused = again(workshop.apply(plan))
    assert refused.status_code == 409 and refused.json["error"] == "needs_plan"


def test_a_workspace_with_the_longest_name_runs(workshop: Workshop) -> None:
    assert workshop.plan(workspace="w" * 90)["status"] == "success"


def test_init_and_refresh_run_and_a_refresh_writes_the_state(workshop: Workshop) -> None:
    assert workshop.plan(execution_type="init")["status"] == "success"
    workshop.apply(workshop.plan())
    before = workshop.of_project("GET", "/workspaces/default/versions")
    done = workshop.plan(execution_type="refresh")
    assert done["status"] == "success", workshop.log(done)
    assert workshop.of_project("GET", "/workspaces/default/versions")[0]["serial"] >= before[0]["serial"]


def test_a_version_that_no_worker_has_fails_with_what_to_do(workshop: Workshop) -> None:
    workshop.of_project("PATCH", json={"terraform_version": "9.9.9"})
    failed = workshop.plan()
    assert failed["status"] == "failed" and "terraform-9.9.9" in failed["error_message"], failed


def test_files_come_as_an_archive_or_one_by_one_and_an_older_revision_comes_back(workshop: Workshop) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in {"live/main.tf": MAIN, ".terraform/x": "x", "terraform.tfstate": "{}"}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    made = workshop.of_project("PUT", "/archive", data=packed.getvalue())
    found = workshop.of_project("GET", "/files")
    assert [file["path"] for file in found["files"]] == ["live/main.tf"] and found["revision"] == made["id"]
    workshop.of_project("PATCH", json={"working_directory": "live"})
    assert workshop.plan()["changes_summary"]["add"] == 2
    (_newest, first) = workshop.of_project("GET", "/revisions")
    workshop.of_project("POST", f"/revisions/{first['id']}/restore")
    assert workshop.of_project("GET", "/files/main.tf") == MAIN.encode()
    workshop.of_project("DELETE", "/files/main.tf", 409)
    base = workshop.of_project("GET", "/files")["revision"]
    workshop.write("# somebody else\n")
    conflict = {"content": "# mine\n", "base": base}
    assert workshop.of_project("PUT", "/files/main.tf", 409, json=conflict)["error"] == "version_conflict"


def test_what_cannot_be_asked_is_refused_by_field(workshop: Workshop) -> None:
    for body, field in (
        ({"execution_type": "apply"}, "execution_type"),
        ({"execution_type": "init", "is_destroy": True}, "is_destroy"),
        ({"targets": ["-var=x"]}, "targets"),
        ({"is_destroy": True, "replaces": ["terraform_data.first"]}, "replaces"),
        ({"workspace": "../x"}, "workspace"),
    ):
        refused = workshop.ask(422, **body)
        assert field in json.dumps(refused), refused
    workshop.call("POST", "/projects", 201, json={"name": "empty"})
    empty = next(p for p in workshop.call("GET", "/projects") if p["name"] == "empty")
    refused = workshop.call("POST", f"/projects/{empty['id']}/executions", 409, json={})
    assert refused["error"] == "no_files"


def test_a_state_that_could_not_be_handed_over_is_salvaged_and_the_lock_given_back(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.terraform.job_kind.BACKEND_RETRIES", 0)
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    command = f"touch {begun}; while [ ! -e {ended} ]; do sleep .1; done"
    workshop.write(f'resource "terraform_data" "x" {{\n  provisioner "local-exec" {{ command = "{command}" }}\n}}\n')
    plan = workshop.plan()
    made = workshop.call("POST", f"/executions/{plan['id']}/apply", 202, json={})

    def cut_off() -> None:
        wait_until(begun.exists, 30, "the middle of the apply")
        workshop.close()
        ended.touch()

    cutter = threading.Thread(target=cut_off)
    cutter.start()
    done = workshop.ended(made)
    cutter.join()
    assert done["status"] == "failed" and "salvaged" in done["error_message"], done
    (version,) = workshop.of_project("GET", "/workspaces/default/versions")
    assert (version["source"], version["resources_count"]) == ("salvage", 1)
    assert workshop.of_project("GET", "/workspaces/default")["lock"] is None


def test_a_salvaged_state_that_does_not_follow_is_kept_with_its_execution(
    workshop: Workshop, backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.terraform.job_kind.BACKEND_RETRIES", 0)
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    command = f"touch {begun}; while [ ! -e {ended} ]; do sleep .1; done"
    workshop.write(f'resource "terraform_data" "x" {{\n  provisioner "local-exec" {{ command = "{command}" }}\n}}\n')
    made = workshop.call("POST", f"/executions/{workshop.plan()['id']}/apply", 202, json={})

    def cut_off() -> None:
        wait_until(begun.exists, 30, "the middle of the apply")
        assert backend.ask("UNLOCK").status_code == 200, "by force"
        assert backend.ask("POST", state_of(9, "another")).status_code == 200
        workshop.close()
        ended.touch()

    cutter = threading.Thread(target=cut_off)
    cutter.start()
    done = workshop.ended(made)
    cutter.join()
    (version,) = workshop.of_project("GET", "/workspaces/default/versions")
    assert (done["status"], version["source"]) == ("failed", "cli")
    kept = workshop.call("GET", f"/executions/{made['id']}/salvaged-state")
    assert [row["name"] for row in kept["resources"]] == ["x"]
    workshop.call("GET", f"/executions/{done['plan_id']}/salvaged-state", 404)
