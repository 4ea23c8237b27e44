"""The tutorial of docs/terraform.md on the whole platform: machines of a mock of AWS become servers, and go again."""

from __future__ import annotations

import fnmatch
import json
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.runners.terraform_binaries import find_binaries
from tests.e2e.client import LOOK, Team
from tests.e2e.conftest import Site
from tests.support.cloud import IMAGE, Cloud, Credentials, new_credentials
from tests.support.databases import ROOT
from tests.support.hosts import SshHost, SshHosts
from tests.support.processes import wait_until
from tests.terraform.test_command_line import dump

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(not find_binaries(), reason="no terraform on this machine"),
]
mariadb = pytest.mark.parametrize("database_kind", ["mariadb"], indirect=True)
REGION = "eu-central-1"
BOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.command: echo set up {{ inventory_hostname }}
"""
TALKATIVE = """
resource "terraform_data" "talkative" {
  provisioner "local-exec" { command = "echo as $AWS_ACCESS_KEY_ID with $AWS_SECRET_ACCESS_KEY" }
}
"""


def block(language: str) -> str:
    """A code block of the tutorial."""
    text = (ROOT / "docs" / "terraform.md").read_text(encoding="utf-8")
    chapter = text.partition("\n## Machines on AWS")[2].partition("\n## ")[0]
    found = re.search(rf"```{language}\n(.*?)```", chapter, re.DOTALL)
    assert found, f"the tutorial has a block of {language}"
    return textwrap.dedent("   " + found[1])


def granted(action: str, policy: Any) -> bool:
    """Whether a policy allows an action."""
    (statement,) = policy["Statement"]
    return any(fnmatch.fnmatchcase(action, pattern) for pattern in statement["Action"])


class Tutorial:
    """The project of the tutorial, by REST."""

    def __init__(self, site: Site, cloud: Cloud, keys: Credentials) -> None:
        self.site, self.team = site, site.team
        self.seen: list[str] = []  # every answer, as text
        self.path = f"/terraform/projects/{self.call('POST', '/terraform/projects', 201, name='tutorial')['id']}"
        for name, value, sensitive in (
            ("AWS_ACCESS_KEY_ID", keys.key_id, True),
            ("AWS_SECRET_ACCESS_KEY", keys.secret, True),
            ("AWS_REGION", REGION, False),
            ("AWS_ENDPOINT_URL", cloud.url, False),
        ):
            self.call("PUT", f"{self.path}/environment/{name}", 200, value=value, sensitive=sensitive)

    def call(self, method: str, path: str, expect: int, **body: Any) -> Any:
        """Call the API; the answer is looked at later, too."""
        answer = self.team.call(method, path, body if method != "GET" else None)
        assert answer.status == expect, (method, path, answer)
        self.seen.append(json.dumps(answer.data))
        return answer.data

    def write(self, path: str, text: str) -> None:
        """Save a file."""
        self.call("PUT", f"{self.path}/files/{path}", 200, content=text)

    def ended(self, execution: Any) -> Any:
        """Wait for the end of an execution, a plan's with what follows it."""

        def over() -> Any:
            found = self.team.get(f"/terraform/executions/{execution['id']}")
            is_plan = found["execution_type"] == "plan" and found["status"] == "success"
            is_over = found["completed_at"] is not None and not (is_plan and found["changes_summary"] is None)
            return found if is_over else None

        found = wait_until(over, 240, f"the end of {execution['execution_type']}", LOOK)
        self.seen += [json.dumps(found), "\n".join(self.team.lines(found["job_id"]))]
        assert found["status"] == "success", self.seen[-1]
        return found

    def planned(self, **wanted: Any) -> Any:
        """Plan, and read the plan as a person would."""
        plan = self.ended(self.call("POST", f"{self.path}/executions", 202, **wanted))
        self.call("GET", f"/terraform/executions/{plan['id']}/plan", 200)
        self.call("GET", f"/terraform/executions/{plan['id']}/plan.json", 200)
        return plan

    def applied(self, plan: Any) -> Any:
        """Apply a plan that was read."""
        return self.ended(self.call("POST", f"/terraform/executions/{plan['id']}/apply", 202))

    def machines(self) -> dict[str, dict[str, Any]]:
        """What the instances became, by address in the state."""
        rows = self.call("GET", f"{self.path}/servers", 200)
        return {row["address"]: row for row in rows}


def rule(team: Team, host: SshHost, key_path: Path) -> dict[str, Any]:
    """The tutorial's rule, with the port and user of a host of this machine."""
    book = team.upload("Set up", BOOK)
    saved = team.post("/saved-launches", {"name": "First steps", "playbook_id": book, "ask": ["servers"]}, expect=201)
    return {
        "resource_type": "aws_instance",
        "hostname": "{tags.Name}",
        "ip_address": "{private_ip}",
        "environment": "{tags.Environment}",
        "tags": ["{tags.Project}"],
        "ssh_user": host.user,
        "ssh_port": str(host.port),
        "ssh_key_path": str(key_path),
        "python_interpreter": host.python_interpreter,
        "trusts_first_key": True,
        "bootstrap_uuid": saved["uuid"],
    }


@mariadb
def test_machines_of_aws_become_servers_with_their_first_playbook_and_leave_with_the_destroy(
    site: Site, app: Flask, cloud: Cloud, aws_mirror: Path, ssh_hosts: SshHosts
) -> None:
    site.stack.settings["MILLWRIGHT_TERRAFORM_MIRROR"] = str(aws_mirror)
    site.stack.start()
    host, keys = ssh_hosts.new("web-1", "127.0.0.10"), new_credentials()  # web-2 is 127.0.0.11, where nobody answers
    tutorial = Tutorial(site, cloud, keys)
    tutorial.write("main.tf", block("hcl"))
    tutorial.write("talkative.tf", TALKATIVE)
    public_key = host.key_path.with_name(f"{host.key_path.name}.pub").read_text(encoding="utf-8").strip()
    values = {"image": IMAGE, "public_key": public_key, "ssh_from": "198.51.100.7/32", "network": "127.0.0.0/16"}
    for name, value in values.items():
        tutorial.call("POST", f"{tutorial.path}/variables", 201, name=name, value=value)
    tutorial.call("POST", f"{tutorial.path}/server-rules", 201, **rule(site.team, host, site.key_path(ssh_hosts)))

    plan = tutorial.planned()
    assert (plan["review"], plan["changes_summary"]["add"]) == ("waiting", 9), plan  # the tutorial's eight, and one
    assert cloud.instances(REGION) == [], "nothing is made before somebody has read the plan"
    tutorial.applied(plan)
    there = {tag["Value"] for one in cloud.instances(REGION) for tag in one["Tags"] if tag["Key"] == "Name"}
    assert there == {"web-1", "web-2"}

    took = site.until(lambda: len(tutorial.machines()) == 2, "two servers")
    reached, silent = "aws_instance.web[0]", "aws_instance.web[1]"
    servers = {row["hostname"]: row["server_id"] for row in tutorial.machines().values()}
    first, second = (tutorial.call("GET", f"/servers/{servers[name]}", 200) for name in ("web-1", "web-2"))
    for server, address in ((first, "127.0.0.10"), (second, "127.0.0.11")):
        found = (server["ip_address"], server["environment"], server["tags"], server["ssh_port"], server["is_active"])
        assert found == (address, "staging", ["tutorial"], host.port, True), server
    site.until(lambda: tutorial.machines()[reached]["bootstrap"] == "launched", "the first launch", 120)
    launch = site.team.finished(tutorial.machines()[reached]["launch_id"])
    assert launch["status"] == "success", launch
    (job,) = launch["jobs"]
    assert "changed: [web-1]" in site.team.lines(job["job_id"])
    site.until(lambda: tutorial.machines()[silent]["bootstrap_note"], "what is in the way of the other one")
    other = tutorial.machines()[silent]
    assert (other["bootstrap"], other["launch_id"]) == ("waiting", None), other
    assert "reached" in other["bootstrap_note"] or "refused" in other["bootstrap_note"], other

    tutorial.applied(tutorial.planned(is_destroy=True))
    assert cloud.instances(REGION) == []
    site.until(lambda: not tutorial.machines(), "the end of both servers")
    assert not any(site.team.get(f"/servers/{number}")["is_active"] for number in servers.values())
    assert site.team.get(f"{tutorial.path}/workspaces/default")["resources_count"] == 0

    for path in ("environment", "variables", "providers", "resources", "executions", "workspaces/default/versions"):
        tutorial.call("GET", f"{tutorial.path}/{path}", 200)
    assert any("as *** with ***" in text for text in tutorial.seen), "what prints its environment is masked"
    for secret in (keys.key_id, keys.secret):
        assert not any(secret in text for text in tutorial.seen)
        assert secret.encode() not in dump(app)
        assert secret not in site.stack.logs()
    calls = cloud.calls()
    assert {(call.key_id, call.region) for call in calls} == {(keys.key_id, REGION)}
    refused = {call.action for call in calls if not granted(call.action, json.loads(block("json")))}
    assert not refused, "the tutorial's policy allows what its files need"
    site.verify_audit()
    site.say(f"AWS: 8 resources, 2 servers {took:.1f} s after the apply, first playbook, destroyed; {len(calls)} calls")
