"""From an apply to a playbook's first line on the machine it made: a real sshd stands in for the instance."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.inventory.connection_test import test_server as answer_test
from app.inventory.models import HostKey, Server
from app.jobs.log_models import JobLogLine
from app.jobs.models import Job, Launch
from app.jobs.status import JobStatus
from app.terraform import server_bootstrap
from tests import factories
from tests.support.hosts import SshHost, SshHosts
from tests.terraform.house import Workshop

pytestmark = pytest.mark.hosts
BOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.command: echo set up {{ inventory_hostname }}
"""
TOKEN = "a-token-from-an-output"
OUTPUTS = f"""
output "zone" {{
  value = "eu-1"
}}
output "token" {{
  value     = "{TOKEN}"
  sensitive = true
}}
"""
BOOK_WITH_VALUES = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "in {{ zone }} with {{ token }}"
    - ansible.builtin.shell: echo {{ zone | quote }} {{ token | quote }} > {{ place | quote }}
"""


def write(workshop: Workshop, host: SshHost) -> None:
    value = json.dumps({"name": host.name, "address": host.address, "port": str(host.port)})
    workshop.write(f'resource "terraform_data" "web" {{\n  input = {value}\n}}\n')


def rule(workshop: Workshop, hosts: SshHosts, *, text: str = BOOK, variables: Any = (), **changes: Any) -> Any:
    call = workshop.app.test_client().post
    headers = factories.bearer(workshop.key)

    def send(path: str, **body: Any) -> Any:
        answer = call(f"/api/v1{path}", json=body, headers=headers)
        assert answer.status_code < 300, answer.get_data(as_text=True)
        return answer.json

    book = send("/playbooks", name="Set up", file_name="setup.yml", content=text, variable_specs=list(variables))
    send(f"/playbooks/{book['id']}/approve")
    values = changes.pop("values", {})
    saved = send("/saved-launches", name="First steps", playbook_id=book["id"], ask=["servers"], extra_vars=values)
    wanted = {
        "resource_type": "terraform_data",
        "hostname": "{input.value.name}.example.org",
        "ip_address": "{input.value.address}",
        "ssh_port": "{input.value.port}",
        "ssh_user": getpass.getuser(),
        "ssh_key_path": str(hosts.install_key(workshop.settings.data_dir / "ssh_keys")),
        "python_interpreter": ssh_python(hosts),
        "trusts_first_key": True,
        "bootstrap_uuid": saved["uuid"],
    }
    return workshop.of_project("POST", "/server-rules", 201, json={**wanted, **changes})


def ssh_python(hosts: SshHosts) -> str:
    return str(hosts.made[0].python_interpreter)


def machine() -> Server:
    return next(server for server in factories.rows(Server) if not server.is_controller)


def settle(workshop: Workshop, rounds: int = 4) -> None:
    """What worker and keeper do in turn: answer tests, look at what waits, carry runs."""
    for _ in range(rounds):
        for server in factories.rows(Server):
            if server.test_requested_at is not None:
                answer_test(server.id)
        server_bootstrap.advance()
        workshop.work()


def test_the_saved_launch_runs_once_on_a_new_machine_and_not_on_the_same_one_again(
    workshop: Workshop, ssh_hosts: SshHosts
) -> None:
    host = ssh_hosts.new("web")
    rule(workshop, ssh_hosts)
    write(workshop, host)
    apply = workshop.apply(workshop.plan())
    settle(workshop)
    (row,) = workshop.of_project("GET", "/servers")
    assert (row["bootstrap"], row["execution_id"]) == ("launched", apply["id"]), row
    with system_scope("test"), unit_of_work(writes=False):
        lines = "\n".join(db.session.scalars(select(JobLogLine.content)))
    assert "set up web.example.org" in lines or "changed: [web.example.org]" in lines, lines
    launch = workshop.app.test_client().get(
        f"/api/v1/launches/{row['launch_id']}", headers=factories.bearer(workshop.key)
    )
    assert launch.json and launch.json["status"] == "success", launch.json
    workshop.apply(workshop.plan(execution_type="refresh"), code=409)
    settle(workshop, 1)
    assert workshop.of_project("GET", "/servers")[0]["launch_id"] == row["launch_id"]
    workshop.apply(workshop.plan(is_destroy=True))
    assert machine().is_active is False


def test_without_trust_it_waits_for_somebody_to_accept_the_key(workshop: Workshop, ssh_hosts: SshHosts) -> None:
    host = ssh_hosts.new("web")
    rule(workshop, ssh_hosts, trusts_first_key=False)
    write(workshop, host)
    workshop.apply(workshop.plan())
    settle(workshop)
    (row,) = workshop.of_project("GET", "/servers")
    assert (row["bootstrap"], row["launch_id"]) == ("waiting", None)
    assert "accept the key" in row["bootstrap_note"]
    for key in factories.rows(HostKey):
        path = f"/api/v1/servers/{machine().id}/host-keys/{key.id}/accept"
        answer = workshop.app.test_client().post(path, headers=factories.bearer(workshop.key))
        assert answer.status_code == 200, answer.get_data(as_text=True)
    test = f"/api/v1/servers/{machine().id}/test"
    assert workshop.app.test_client().post(test, headers=factories.bearer(workshop.key)).status_code < 300
    settle(workshop)
    (row,) = workshop.of_project("GET", "/servers")
    assert row["bootstrap"] == "launched", row


def test_a_machine_that_is_never_reached_is_given_up_with_the_reason(
    workshop: Workshop, ssh_hosts: SshHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = ssh_hosts.new("web")
    host.stop()
    rule(workshop, ssh_hosts)
    write(workshop, host)
    workshop.apply(workshop.plan())
    settle(workshop, 1)
    assert workshop.of_project("GET", "/servers")[0]["bootstrap"] == "waiting"
    monkeypatch.setattr(server_bootstrap, "PATIENCE", server_bootstrap.AGAIN * 0)
    settle(workshop, 2)
    (row,) = workshop.of_project("GET", "/servers")
    assert row["bootstrap"] == "failed" and "cannot be reached" in row["bootstrap_note"], row


def test_a_first_launch_is_given_outputs_and_a_sensitive_one_is_seen_nowhere(
    workshop: Workshop, ssh_hosts: SshHosts, tmp_path: Path
) -> None:
    host, kept = ssh_hosts.new("web"), tmp_path / "kept"
    rule(
        workshop,
        ssh_hosts,
        text=BOOK_WITH_VALUES,
        variables=[{"name": "zone"}, {"name": "token", "type": "secret"}, {"name": "place"}],
        values={
            "zone": "terraform://network/default/zone",
            "token": "terraform://network/default/token",
            "place": str(kept),
        },
    )
    write(workshop, host)
    workshop.write(OUTPUTS, "outputs.tf")
    apply = workshop.apply(workshop.plan())
    assert apply["status"] == "success", apply["error_message"]
    settle(workshop)
    (row,) = workshop.of_project("GET", "/servers")
    assert row["bootstrap"] == "launched", row
    with system_scope("test"), unit_of_work(writes=False):
        job = db.session.scalars(select(Job).where(Job.kind == "ansible")).one()
        lines = "\n".join(db.session.scalars(select(JobLogLine.content).where(JobLogLine.job_id == job.id)))
        inputs = str(db.session.execute(select(Launch.inputs, Launch.secret_inputs)).all())
    assert job.status is JobStatus.SUCCESS, lines
    assert kept.read_text(encoding="utf-8").strip() == f"eu-1 {TOKEN}"
    assert "in eu-1 with ***" in lines
    assert TOKEN not in lines + inputs + str(job.extra_vars)
