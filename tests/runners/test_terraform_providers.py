"""What people set for providers, as files of a run: profiles beside the configuration, arguments by an override."""

from __future__ import annotations

import base64
import io
import re
import zipfile

import pytest

from app.runners.base import FailureCode
from app.runners.sealed import unseal
from app.runners.workspace import WorkspaceError
from tests.runners.test_terraform import Stage, artifact, pytestmark, stage

__all__ = ["pytestmark", "stage"]
KEYS = {"access_key": "AKIAPLANTED000000002", "secret_key": "planted/key+of-west-0815", "token": "planted-token-0816"}
PROFILES = {"millwright": {"access_key": "AKIAPLANTED000000003", "secret_key": "planted-key-of-here"}, "west": KEYS}
LOOK = """
resource "terraform_data" "look" {
  provisioner "local-exec" {
    command = "cat $AWS_SHARED_CREDENTIALS_FILE; stat -c 'mode %a' $AWS_SHARED_CREDENTIALS_FILE"
  }
}
"""


def test_profiles_lie_in_a_private_file_and_are_masked_and_in_no_plan(stage: Stage) -> None:
    planned = stage.run("plan", LOOK, aws_profiles=PROFILES)
    sealed = artifact(planned, "plan")
    ended = stage.run("apply", LOOK, plan=base64.b64encode(sealed).decode(), aws_profiles=PROFILES)
    assert ended.result.failure_code is None, ended.everything
    told = "\n".join(record["x"] for record in ended.of("line"))
    for line in ("[millwright]", "[west]", "aws_access_key_id = ***", "aws_session_token = ***", "mode 600"):
        assert line in told
    secrets = [text for fields in PROFILES.values() for text in fields.values()]
    with zipfile.ZipFile(io.BytesIO(unseal(stage.key, "plan", sealed))) as plan:
        whole = b"".join(plan.read(name) for name in plan.namelist()).decode("utf-8", "replace")
    assert not any(text in planned.everything + ended.everything + whole for text in secrets)


def test_a_credential_of_two_lines_never_becomes_a_profile(stage: Stage) -> None:
    with pytest.raises(WorkspaceError, match="not one line"):
        stage.run("plan", LOOK, aws_profiles={"west": {**KEYS, "token": "planted-token\n[other]"}})


def test_arguments_replace_those_of_the_same_instance_and_are_no_templates(stage: Stage) -> None:
    overrides = [{"name": "terraform", "alias": "", "arguments": {"made_up": ["${path.cwd}", {"b": "%{if}"}]}}]
    ended = stage.run("plan", LOOK, provider_overrides=overrides)
    told = "\n".join(record["x"] for record in ended.of("line"))
    assert ended.result.failure_code is FailureCode.TASK_FAILED and "made_up" in told, ended.everything
    assert "millwright_providers_override.tf.json" in told


def test_an_alias_that_the_files_do_not_declare_is_terraforms_own_error(stage: Stage) -> None:
    ended = stage.run("plan", LOOK, provider_overrides=[{"name": "terraform", "alias": "x", "arguments": {}}])
    assert "Missing base provider configuration" in ended.everything


def test_providers_listen_on_short_paths_however_long_that_of_the_run_is(stage: Stage) -> None:
    size = "$${#PLUGIN_UNIX_SOCKET_DIR}"
    look = re.sub('command = ".*"', f'command = "test {size} -gt 0 -a {size} -lt 80"', LOOK)
    _planned, ended = stage.plan_and_apply(look)
    assert ended.result.failure_code is None, ended.everything
