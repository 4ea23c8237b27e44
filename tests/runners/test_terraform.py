"""The terraform engine with the real program: plans, applies of saved plans, stops, states that stay behind."""

from __future__ import annotations

import base64
import json
import shutil
import uuid
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.runners import launcher, terraform
from app.runners.base import FailureCode, RunFile, RunSpec, StopReason
from app.runners.launcher import RunHandle
from app.runners.sealed import new_key, unseal
from app.runners.terraform_outcome import HOST
from app.runners.terraform_plan import REDACTED
from tests.runners.conftest import Ended, Runs, Wait, read_all
from tests.support.state_backend import StateBackend

BINARY = shutil.which("terraform") or ""
pytestmark = pytest.mark.skipif(not BINARY, reason="no terraform on this machine")
TOKEN = "token-of-the-run"
SECRET = "kept-out-of-sight-4711"
MAIN = """
variable "password" {
  type      = string
  sensitive = true
}
variable "size" {
  type    = number
  default = 2
  validation {
    condition     = var.size < 10
    error_message = "At most nine."
  }
}
resource "terraform_data" "box" {
  count = var.size
  input = { number = count.index, password = var.password }
}
resource "terraform_data" "said" {
  input = terraform_data.box[0].output.number
  provisioner "local-exec" {
    command = "echo the password is $PASSWORD"
    environment = { PASSWORD = nonsensitive(var.password) }
  }
}
output "id" { value = terraform_data.said.id }
"""


class Stage:
    """Operations on one configuration and one state."""

    def __init__(self, runs: Runs, backend: StateBackend) -> None:
        self.runs, self.backend, self.key = runs, backend, new_key()

    def start(self, operation: str, main: str = MAIN, **parameters: Any) -> RunHandle:
        more: tuple[RunFile, ...] = parameters.pop("more", ())
        spec = RunSpec(
            run_uuid=str(uuid.uuid4()),
            attempt=1,
            engine="terraform",
            timeout_seconds=parameters.pop("timeout", 60),
            parameters={
                "binary": BINARY,
                "operation": operation,
                "backend": {
                    "address": self.backend.address,
                    "username": "run",
                    "password": "token-of-the-run",
                    "retry_max": 1,
                },
                "secret_variables": {"password": SECRET} if 'variable "password"' in main else {},
                "artifact_key": base64.b64encode(self.key).decode(),
                **parameters,
            },
            files=(RunFile("main.tf", main.encode()), *more),
        )
        handle = launcher.start(spec, workspace_root=self.runs.workspaces, spool_root=self.runs.spools)
        self.runs.handles.append(handle)
        return handle

    def run(self, operation: str, main: str = MAIN, **parameters: Any) -> Ended:
        return self.runs.end(self.start(operation, main, **parameters))

    def plan_and_apply(self, main: str = MAIN, **parameters: Any) -> tuple[Ended, Ended]:
        planned = self.run("plan", main, **parameters)
        assert planned.result.failure_code is None, planned.result
        sealed = artifact(planned, "plan")
        operation = "destroy" if parameters.get("is_destroy") else "apply"
        return planned, self.run(operation, main, plan=base64.b64encode(sealed).decode())


@pytest.fixture
def stage(runs: Runs) -> Iterator[Stage]:
    """A bare state backend and the real terraform."""
    with StateBackend() as backend:
        yield Stage(runs, backend)


def artifact(ended: Ended, name: str) -> bytes:
    pieces = ended.of("art", n=name)
    assert pieces and pieces[-1]["z"], f"no whole artifact {name}"
    return b"".join(base64.b64decode(piece["d"]) for piece in pieces)


def test_a_plan_is_summarized_kept_sealed_and_shows_no_secret(stage: Stage) -> None:
    ended = stage.run("plan")
    assert ended.codes() == {HOST: None}
    summary = json.loads(artifact(ended, "summary"))
    assert (summary["add"], summary["change"], summary["destroy"], summary["outputs"]) == (3, 0, 0, 1)
    assert [change["address"] for change in summary["changes"]] == [
        "terraform_data.box[0]", "terraform_data.box[1]", "terraform_data.said",
    ]  # fmt: skip
    plan = json.loads(artifact(ended, "plan_json"))
    assert plan["resource_changes"][0]["change"]["after"]["input"] == {"number": 0, "password": REDACTED}
    assert plan["variables"]["password"] == {"value": REDACTED}
    assert "will be created" in artifact(ended, "plan_text").decode()
    assert '"terraform_data.said" -> "terraform_data.box"' in artifact(ended, "graph").decode()
    assert unseal(stage.key, "plan", artifact(ended, "plan"))[:2] == b"PK"  # a plan file is a zip archive
    assert (
        SECRET not in ended.everything + artifact(ended, "plan_json").decode() + artifact(ended, "plan_text").decode()
    )
    assert ended.result.engine_version.startswith("Terraform 1.")
    assert stage.backend.posts == [] and stage.backend.holder is None


def test_exactly_the_saved_plan_is_applied_and_each_resource_has_its_lines_and_its_result(stage: Stage) -> None:
    _planned, ended = stage.plan_and_apply(variables={"size": 1})
    assert ended.codes() == {HOST: None}
    assert {r["type"] for r in stage.backend.state()["resources"]} == {"terraform_data"}
    assert [record["n"] for record in ended.of("task")] == [
        "terraform init", "terraform apply", "terraform_data.box[0]", "terraform_data.said",
    ]  # fmt: skip
    assert ended.states("terraform_data.said") == {HOST: "changed"}
    seq = ended.of("task", n="terraform_data.said")[0]["s"]
    told = "\n".join(record["x"] for record in ended.of("line", s=seq))
    assert "(local-exec): the password is ***" in told
    assert SECRET not in ended.everything
    assert ended.result.hosts[HOST].counts == {"ok": 2, "changed": 2}
    assert {name for _method, name in stage.backend.requests} == {"Basic cnVuOnRva2VuLW9mLXRoZS1ydW4="}


def test_a_saved_plan_after_another_change_is_refused_by_terraform_itself(stage: Stage) -> None:
    planned = stage.run("plan")
    stage.plan_and_apply()
    ended = stage.run("apply", plan=base64.b64encode(artifact(planned, "plan")).decode())
    assert ended.result.failure_code is FailureCode.TASK_FAILED
    assert "Saved plan is stale" in ended.result.hosts[HOST].message


def test_a_changed_plan_is_not_opened(stage: Stage) -> None:
    planned = bytearray(artifact(stage.run("plan"), "plan"))
    planned[-1] ^= 1
    with pytest.raises(launcher.WorkspaceError, match="The saved plan cannot be opened"):
        stage.start("apply", plan=base64.b64encode(planned).decode())


def test_destroy_of_a_destroy_plan_leaves_nothing(stage: Stage) -> None:
    stage.plan_and_apply()
    planned, ended = stage.plan_and_apply(is_destroy=True)
    assert json.loads(artifact(planned, "summary"))["destroy"] == 3
    assert ended.result.failure_code is None
    assert stage.backend.state()["resources"] == []


def test_a_refresh_where_nothing_is_in_the_state_yet_is_no_failure(stage: Stage) -> None:
    ended = stage.run("refresh")
    assert ended.result.failure_code is None, ended.result


def test_a_refresh_changes_the_state_alone(stage: Stage) -> None:
    stage.plan_and_apply()
    ended = stage.run("refresh")
    assert ended.result.failure_code is None, ended.result
    assert [record["n"] for record in ended.of("task")] == ["terraform init", "terraform refresh"]


TOO_SMALL = """
variable "n" {
  default = 1
  validation {
    condition     = var.n > 5
    error_message = "More."
  }
}
"""


@pytest.mark.parametrize(
    ("main", "where", "what"),
    [
        ('resource "terraform_data" "x" {\n', "main.tf line 1", "Unclosed configuration block"),
        ('resource "aws_thing" "x" {}\n', "", "Failed to query available provider packages"),
        (TOO_SMALL, "main.tf line 2", "More."),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_files_is_said_with_its_place(stage: Stage, main: str, where: str, what: str) -> None:
    ended = stage.run("plan", main)
    host = ended.result.hosts[HOST]
    assert ended.result.failure_code is FailureCode.TASK_FAILED
    assert where in host.message
    assert what in host.message + ended.text(HOST)
    assert any(record["v"] == "ERROR" for record in ended.of("line", h=HOST)) or "init" in host.failed_task


def test_a_resource_that_fails_is_named_and_the_others_are_kept(stage: Stage) -> None:
    main = """
resource "terraform_data" "good" {}
resource "terraform_data" "bad" {
  provisioner "local-exec" { command = "echo before >&2; exit 3" }
}
"""
    _planned, ended = stage.plan_and_apply(main)
    host = ended.result.hosts[HOST]
    assert (host.failure_code, host.failed_task) == (FailureCode.TASK_FAILED, "terraform_data.bad")
    assert "exit status 3" in host.message
    assert ended.states("terraform_data.bad") == {HOST: "failed"}
    assert {r["name"] for r in stage.backend.state()["resources"]} == {"good", "bad"}


def test_a_lock_that_somebody_holds_is_waited_for_and_then_said(stage: Stage) -> None:
    stage.backend.holder = {"ID": "x", "Who": "ada", "Operation": "OperationTypeApply"}
    ended = stage.run("plan", lock_timeout_seconds=1)
    assert "Error acquiring the state lock" in ended.result.hosts[HOST].message
    assert stage.run("plan", is_speculative=True).result.failure_code is None


def test_a_cancel_lets_terraform_end_what_is_under_way_and_keep_its_state(
    stage: Stage, wait_for: Wait, tmp_path: Path
) -> None:
    gate = tmp_path / "go"
    main = f"""
resource "terraform_data" "slow" {{
  provisioner "local-exec" {{ command = "touch {gate}.there; while [ ! -e {gate} ]; do sleep 0.05; done" }}
}}
resource "terraform_data" "never" {{ input = terraform_data.slow.id }}
"""
    planned = stage.run("plan", main)
    plan = base64.b64encode(artifact(planned, "plan")).decode()
    handle = stage.start("apply", main, plan=plan, grace_seconds=40)
    wait_for(lambda: Path(f"{gate}.there").exists())
    handle.stop(StopReason.CANCEL)
    wait_for(lambda: any("Interrupt" in record.get("x", "") for record in read_all(handle.spool_path)))
    gate.touch()
    ended = stage.runs.end(handle)
    assert (ended.result.failure_code, ended.result.stopped_by) == (FailureCode.CANCELLED, StopReason.CANCEL)
    assert [r["name"] for r in stage.backend.state()["resources"]] == ["slow"]
    assert stage.backend.holder is None


def test_what_outlives_the_grace_is_killed_with_all_it_started(stage: Stage, wait_for: Wait, tmp_path: Path) -> None:
    mark = tmp_path / "there"
    main = f"""
resource "terraform_data" "stubborn" {{
  provisioner "local-exec" {{ command = "trap '' INT TERM; touch {mark}; while :; do sleep 0.2; done" }}
}}
"""
    plan = base64.b64encode(artifact(stage.run("plan", main), "plan")).decode()
    handle = stage.start("apply", main, plan=plan, grace_seconds=1)
    wait_for(mark.exists)
    handle.stop(StopReason.CANCEL)
    ended = stage.runs.end(handle)  # asserts that no process is left
    assert ended.result.failure_code is FailureCode.CANCELLED
    assert ended.states("terraform_data.stubborn") == {HOST: "failed"}


def test_a_state_that_cannot_be_handed_over_is_salvaged(stage: Stage, wait_for: Wait, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    main = f"""
resource "terraform_data" "slow" {{
  provisioner "local-exec" {{ command = "touch {gate}.there; while [ ! -e {gate} ]; do sleep 0.05; done" }}
}}
"""
    plan = base64.b64encode(artifact(stage.run("plan", main), "plan")).decode()
    handle = stage.start("apply", main, plan=plan)
    wait_for(lambda: Path(f"{gate}.there").exists())
    stage.backend.is_away = True
    gate.touch()
    ended = stage.runs.end(handle)
    assert ended.result.failure_code is FailureCode.TASK_FAILED
    assert "It was salvaged" in ended.result.message
    state = json.loads(unseal(stage.key, "state", artifact(ended, "state")))
    assert [r["name"] for r in state["resources"]] == ["slow"]


@pytest.mark.parametrize("block", ['backend "local" {}', 'backend "http" { address = "%s/another" }'])
def test_files_that_lead_the_state_elsewhere_run_nothing(stage: Stage, block: str) -> None:
    text = f"terraform {{\n  {block.replace('%s', stage.backend.address)}\n}}\n"
    ended = stage.run("plan", more=(RunFile("\u00e9_override.tf", text.encode()),))  # after ours, by its name
    assert "The state would be kept elsewhere" in ended.result.hosts[HOST].message, ended.result
    assert "Remove that block" in ended.result.hosts[HOST].message
    assert [record["n"] for record in ended.of("task")] == ["terraform init"]


def test_a_program_that_is_not_there_is_said_before_the_run_begins(stage: Stage) -> None:
    with pytest.raises(launcher.WorkspaceError, match="This worker has no program /nowhere/terraform"):
        stage.start("plan", binary="/nowhere/terraform")


class Chunks:
    """A stream that gives its bytes in these pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = [piece for piece in pieces if piece]

    def read1(self, _most: int) -> bytes:
        """The next piece."""
        return self._pieces.pop(0) if self._pieces else b""


@given(text=st.text(st.sampled_from('ab{"}ü\n'), max_size=60), cuts=st.lists(st.integers(0, 80), max_size=8))
def test_output_arrives_line_by_line_wherever_it_was_cut(text: str, cuts: list[int]) -> None:
    data, sent = text.encode(), []
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[start:end] for start, end in pairwise(places)]
    terraform._read(Chunks(pieces), None, SimpleNamespace(send=lambda e, x: sent.append(x)))  # type: ignore[arg-type]
    lines = [line for one in sent for line in one.split("\n")]
    assert [line for line in lines if line] == [line for line in text.split("\n") if line]
