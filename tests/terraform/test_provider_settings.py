"""Settings of instances of providers: kept apart from the files, secrets write-only, in no plan and no log."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.audit.models import AuditEntry
from app.core import runtime
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.terraform.models import TerraformProject
from app.terraform.provider_values import providers_of_run
from tests import factories
from tests.factories import PersonMade
from tests.support.cloud import Cloud, Credentials, new_credentials
from tests.support.hosts import make_key
from tests.terraform.conftest import Backend
from tests.terraform.house import Workshop
from tests.terraform.test_command_line import dump

KEYS = {
    "access_key": "AKIAPLANTED000000001",
    "secret_key": "planted/secret+of-a-provider/4711",
    "token": "planted-token",
}
TWO = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
variable "public_key" {}
provider "aws" {
  region     = "eu-north-1"
  access_key = "AKIA-OF-THE-FILES"
  secret_key = "secret-of-the-files"
}
provider "aws" {
  alias = "west"
}
data "aws_caller_identity" "here" {}
data "aws_caller_identity" "west" {
  provider = aws.west
}
resource "aws_key_pair" "here" {
  key_name   = "here"
  public_key = var.public_key
}
resource "aws_key_pair" "west" {
  provider   = aws.west
  key_name   = "west"
  public_key = var.public_key
}
output "accounts" {
  value = [data.aws_caller_identity.here.account_id, data.aws_caller_identity.west.account_id]
}
"""


def put(workshop: Workshop, instance: str, code: int = 200, **body: Any) -> Any:
    return workshop.of_project("PUT", f"/provider-settings/{instance}", code, json=body)


def given(keys: Credentials) -> dict[str, str]:
    found = {"access_key": keys.key_id, "secret_key": keys.secret, "token": keys.token}
    return {name: text for name, text in found.items() if text}


def of_run(workshop: Workshop, text: str, path: str = "main.tf") -> Any:
    """What a run of these files gets."""
    with system_scope("test"), unit_of_work(writes=False):
        project = db.session.query(TerraformProject).filter_by(uuid=workshop.uuid).one()
        return providers_of_run(project.tenant_id, project.id, {path: text.encode()}, "")


@pytest.mark.database
def test_settings_are_kept_and_credentials_never_shown_again(workshop: Workshop) -> None:
    made = put(workshop, "aws.west", region="us-west-2", configuration={"max_retries": 5}, credentials=KEYS)
    assert (made["name"], made["alias"], made["region"]) == ("aws", "west", "us-west-2")
    assert (made["credentials"], made["is_declared"]) == (sorted(KEYS), False)
    kept = put(workshop, "aws.west", region="eu-west-1", credentials={"token": None})
    assert (kept["credentials"], kept["configuration"]) == (["access_key", "secret_key"], {})
    put(workshop, "AWS", region="eu-west-3")
    listed = workshop.of_project("GET", "/provider-settings")
    assert [row["instance"] for row in listed] == ["AWS", "aws.west"], "upper and lower case differ"
    assert workshop.of_project("GET", "/provider-settings/aws.west") == kept
    said = json.dumps([made, kept, listed, [row.details for row in factories.rows(AuditEntry)]])
    whole = dump(workshop.app)
    assert not any(text in said or text.encode() in whole for text in KEYS.values())
    (opened,) = of_run(workshop, 'provider "aws" {\n  alias = "west"\n}\n')["aws_profiles"].values()
    assert opened == {name: KEYS[name] for name in ("access_key", "secret_key")}
    workshop.of_project("DELETE", "/provider-settings/aws.west", 204)
    workshop.of_project("DELETE", "/provider-settings/aws.west", 404)
    workshop.of_project("GET", "/provider-settings/aws.west", 404)


def test_a_stale_version_is_refused(workshop: Workshop) -> None:
    first = put(workshop, "aws", region="eu-west-1")
    assert put(workshop, "aws", region="eu-west-2", version=first["version"])["version"] == 2
    assert put(workshop, "aws", 409, region="eu-west-3", version=first["version"])["error"] == "version_conflict"
    put(workshop, "aws.new", 409, region="eu-west-3", version=1)


@pytest.mark.parametrize(
    ("instance", "body", "said"),
    [
        ("aws.", {"region": "eu-west-1"}, "as the files name it"),
        ("aws.a.b", {"region": "eu-west-1"}, "as the files name it"),
        ("äws", {"region": "eu-west-1"}, "as the files name it"),
        ("aws", {}, "Give a region"),
        ("aws", {"region": "a\nb"}, "in one line"),
        ("aws", {"credentials": {"access_key": KEYS["access_key"]}}, "access_key and secret_key"),
        ("aws", {"credentials": {**KEYS, "token": "short"}}, "8 to 16384"),
        ("aws", {"credentials": {**KEYS, "token": "two lines\n[default]"}}, "one word"),
        ("aws", {"credentials": {"password": "long enough"}}, "access_key, secret_key, token"),
        ("aws", {"configuration": {"profile": "mine"}}, "set by the platform"),
        ("aws", {"configuration": {"secret_key": "x"}}, "arguments stand in plans"),
        ("aws", {"configuration": {"assume_role": [{"api_key": "x"}]}}, "arguments stand in plans"),
        ("aws", {"configuration": {"alias": "x"}}, "stands in the files"),
        ("aws", {"configuration": {"no name": 1}}, "no name of an argument"),
        ("aws", {"configuration": {"max_retries": 2**60}}, "exactly"),
        ("aws", {"configuration": {"note": "a\ud800"}}, "half of a character"),
        ("aws", {"configuration": {"note": "x" * 20_000}}, "16384"),
        ("aws", {"configuration": {str(i) and f"a{i}": i for i in range(60)}}, "50 arguments"),
        ("hcloud.west", {"credentials": {"token": "long enough"}}, "sensitive variable"),
        ("hcloud", {"credentials": {"token": "half a \ud800 letter"}}, "half of a character"),
        ("homemade", {"credentials": {"token": "long enough"}}, "Environment of providers"),
    ],
)
def test_what_cannot_work_is_refused_with_advice(workshop: Workshop, instance: str, body: Any, said: str) -> None:
    answer = put(workshop, instance, 422, **body)
    assert said in json.dumps(answer["errors"], ensure_ascii=False), answer
    assert workshop.of_project("GET", "/provider-settings") == []


def test_an_argument_nested_too_deep_is_refused(workshop: Workshop) -> None:
    value: Any = 1
    for _ in range(12):
        value = {"a": value}
    assert "Nested" in json.dumps(put(workshop, "aws", 422, configuration=value)["errors"])


def test_new_settings_make_waiting_plans_void(workshop: Workshop) -> None:
    plan = workshop.plan()
    put(workshop, "aws.west", region="eu-west-1")
    found = workshop.call("GET", f"/executions/{plan['id']}")
    assert found["review"] == "void" and "aws.west" in found["review_note"], found
    plan = workshop.plan()
    workshop.of_project("DELETE", "/provider-settings/aws.west", 204)
    assert workshop.call("GET", f"/executions/{plan['id']}")["review"] == "void"


@pytest.mark.database
def test_a_plan_that_was_running_while_settings_changed_is_void_when_it_ends(workshop: Workshop) -> None:
    put(workshop, "aws.west", region="eu-west-1")
    assert workshop.plan()["review"] == "waiting", "settings that were there before it do not matter"
    asked = workshop.ask()
    assert workshop.carry_next(), "it has run, and nothing has followed it up yet"
    put(workshop, "aws.west", region="eu-west-2")
    found = workshop.ended(asked)
    assert found["review"] == "void" and "settings of a provider" in found["review_note"], found


def test_settings_of_an_instance_that_no_file_declares_reach_no_run(workshop: Workshop) -> None:
    put(workshop, "aws.west", region="eu-west-1", credentials=KEYS)
    assert workshop.apply(workshop.plan())["status"] == "success"
    assert of_run(workshop, 'provider "aws" {}\n')["aws_profiles"] == {}


def test_settings_and_a_file_that_cannot_be_read_stop_the_run_with_the_reason(workshop: Workshop) -> None:
    put(workshop, "aws", region="eu-west-1")
    workshop.write("resource {{{", "broken.tf")
    plan = workshop.plan()
    assert plan["status"] == "failed" and "whether they declare the provider aws" in plan["error_message"], plan


def test_default_instances_find_credentials_in_their_environment(workshop: Workshop) -> None:
    put(workshop, "hcloud", credentials={"token": KEYS["token"]}, configuration={"endpoint": "https://${x}"})
    found = of_run(workshop, 'provider "hcloud" {}\n')
    assert found["provider_environment"] == {"HCLOUD_TOKEN": KEYS["token"]}
    arguments = {"endpoint": "https://${x}"}
    assert found["provider_overrides"] == [{"name": "hcloud", "alias": "", "arguments": arguments}]
    assert of_run(workshop, "")["provider_environment"] == {}


def test_arguments_take_the_place_of_those_in_the_files_as_they_are(workshop: Workshop) -> None:
    put(workshop, "terraform", configuration={"made_up": "${not.evaluated}"})
    plan = workshop.plan()
    log = workshop.log(plan)
    assert plan["status"] == "failed" and "made_up" in log and "not.evaluated" not in plan["error_message"], log


def test_on_pages_they_are_set_listed_and_removed(
    app: Any, admin: PersonMade, workshop: Workshop, summary_line: Any
) -> None:
    browser: FlaskClient = factories.sign_in(app.test_client(), admin)
    where = f"/terraform/{workshop.uuid}"

    def text(path: str) -> str:
        found = browser.get(f"{where}{path}")
        assert found.status_code == 200, found.text
        return found.text

    assert "Providers one by one" in text("/variables")
    form = f"{where}/provider-settings?instance=aws.west"
    typed = {f"credential_{name}": value for name, value in KEYS.items()}
    wrong = factories.post(browser, form, region="eu-west-1", configuration="{", **typed)
    assert wrong.status_code == 422 and "This is no JSON" in wrong.text
    assert not any(value in wrong.text for value in KEYS.values())
    factories.post(browser, form, region="eu-west-1", configuration='{"max_retries": 5}', **typed)
    page = text("/providers")
    assert all(word in page for word in ("aws.west", "eu-west-1", "secret_key", "max_retries", "not declared"))
    shown = text("/provider-settings?instance=aws.west")
    version = re.search(r'name="version" value="(\d+)"', shown)
    assert version and "One is stored; empty keeps it." in shown
    assert not any(value in page + shown for value in KEYS.values())
    stale = factories.post(browser, form, region="eu-west-2", version="7")
    assert stale.status_code == 409 and "Somebody else" in stale.text
    factories.post(browser, form, region="eu-west-2", version=version[1], forget="1")
    found = workshop.of_project("GET", "/provider-settings/aws.west")
    assert (found["region"], found["credentials"], found["configuration"]) == ("eu-west-2", [], {})
    asked = factories.post(browser, f"{where}/provider-settings/remove", instance="aws.west")
    assert "Remove the settings of aws.west?" in asked.text
    factories.post(browser, f"{where}/provider-settings/remove", instance="aws.west", confirmed="1")
    assert "us-west-2" not in text("/providers")
    assert "not known here" in text("/provider-settings?instance=homemade")


@pytest.mark.stack
def test_two_instances_of_aws_work_in_two_regions_and_two_accounts(
    workshop: Workshop, backend: Backend, cloud: Cloud, aws_mirror: Path, tmp_path: Path
) -> None:
    runtime.configure(runtime.settings().model_copy(update={"terraform_mirror": str(aws_mirror)}))
    here, west = new_credentials(), cloud.other_account("222222222222")
    workshop.of_project("PUT", "/environment/AWS_ENDPOINT_URL", json={"value": cloud.url, "sensitive": False})
    public_key = make_key(tmp_path / "key").with_suffix(".pub").read_text(encoding="utf-8").strip()
    workshop.of_project("POST", "/variables", 201, json={"name": "public_key", "value": public_key})
    put(workshop, "aws", region="eu-central-1", credentials=given(here))
    put(workshop, "aws.west", region="us-west-2", credentials=given(west))
    workshop.write(TWO)
    plan = workshop.plan()
    assert plan["review"] == "waiting", workshop.log(plan)
    apply = workshop.apply(plan)
    assert apply["status"] == "success", workshop.log(apply)

    state = json.loads(backend.ask("GET").data)
    assert state["outputs"]["accounts"]["value"] == ["123456789012", "222222222222"]
    for name, region, keys in (("here", "eu-central-1", here), ("west", "us-west-2", west)):
        pairs = cloud.client("ec2", region, keys).describe_key_pairs()["KeyPairs"]
        assert [pair["KeyName"] for pair in pairs] == [name]
    asked = {(call.key_id, call.region) for call in cloud.calls()}
    assert asked == {(here.key_id, "eu-central-1"), (west.key_id, "us-west-2")}, "nobody else's, nowhere else"
    said = workshop.log(plan) + workshop.log(apply) + json.dumps(state)
    said += json.dumps(workshop.call("GET", f"/executions/{plan['id']}/plan.json"))
    whole = dump(workshop.app)
    for secret in (here.key_id, here.secret, *given(west).values()):
        assert secret not in said and secret.encode() not in whole


@pytest.mark.stack
def test_wrong_credentials_fail_the_plan_in_the_words_of_aws(
    workshop: Workshop, closed_cloud: Cloud, aws_mirror: Path
) -> None:
    runtime.configure(runtime.settings().model_copy(update={"terraform_mirror": str(aws_mirror)}))
    keys = new_credentials()
    workshop.of_project("PUT", "/environment/AWS_ENDPOINT_URL", json={"value": closed_cloud.url, "sensitive": False})
    put(workshop, "aws", region="eu-central-1", credentials=given(keys))
    workshop.write('resource "aws_vpc" "main" {\n  cidr_block = "10.0.0.0/16"\n}\n')
    plan = workshop.plan()
    assert (plan["status"], plan["review"]) == ("failed", "none"), plan
    assert "validating provider credentials" in plan["error_message"] and "403" in plan["error_message"], plan
    said = workshop.log(plan) + json.dumps(plan)
    assert keys.key_id not in said and keys.secret not in said
    assert {call.key_id for call in closed_cloud.calls()} == {keys.key_id}


def test_a_provider_that_the_mirror_does_not_have_is_named(workshop: Workshop, tmp_path: Path) -> None:
    runtime.configure(runtime.settings().model_copy(update={"terraform_mirror": str(tmp_path)}))
    workshop.write('resource "homemade_thing" "x" {}\n')
    plan = workshop.plan()
    assert plan["status"] == "failed" and "hashicorp/homemade" in plan["error_message"], plan["error_message"]
