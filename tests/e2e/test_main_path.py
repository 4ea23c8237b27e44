"""The main job as another team's automation drives it: servers, playbook, launch, live log, tickets, audit."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.e2e.client import Team
from tests.e2e.conftest import Site
from tests.support.hosts import SshHosts

pytestmark = [
    pytest.mark.stack,
    pytest.mark.hosts,
    pytest.mark.parametrize("database_kind", ["sqlite", "mariadb"], indirect=True),
]
SPECS = [
    {"name": "greeting", "type": "text", "required": True},
    {"name": "count", "type": "number", "default": 3, "minimum": 1, "maximum": 500},
    {"name": "break_on", "type": "text", "default": "nobody"},
]
PLAYBOOK = """
- name: Greet
  hosts: web-1:web-4
  gather_facts: false
  tasks:
    - name: Say it
      ansible.builtin.command: "echo {{ greeting }} {{ item }}"
      loop: "{{ range(1, count | int + 1) | list }}"
- name: One after the other
  hosts: all
  serial: 1
  gather_facts: false
  tasks:
    - name: Work
      ansible.builtin.command: "{{ (inventory_hostname == break_on) | ternary('/bin/false', '/bin/true') }}"
"""


def follow_with_a_cut(team: Team, job_id: str) -> tuple[list[dict[str, Any]], int]:
    """Follow a job, lose the line in the middle, resume; returns every row received and those before the cut."""
    received: list[dict[str, Any]] = []
    last: str | None = None
    live = team.follow(job_id)
    for event in live:
        if event.name == "lines":
            received += event.data["lines"]
            last = event.event_id
            if len(received) >= 5:
                break
    live.close()  # type: ignore[attr-defined]
    before = len(received)
    names = []
    for event in team.follow(job_id, after=last):
        names.append(event.name)
        if event.name == "lines":
            received += event.data["lines"]
    assert names[-1] == "end", names
    return received, before


def test_four_servers_get_true_statuses_complete_logs_and_tickets_by_problem(site: Site, ssh_hosts: SshHosts) -> None:
    team = site.team
    site.stack.start()
    key = site.key_path(ssh_hosts)
    hosts = [ssh_hosts.new(name) for name in ("web-1", "web-2", "web-3", "web-4")]
    ids = {host.name: team.add_server(host, key, tags=["web"]) for host in hosts}
    first = team.test_server(ids["web-1"])
    assert (first["ok"], first["code"]) == (False, "host_key_waiting"), first
    for server in ids.values():
        assert team.trust(server)["ok"]

    text = {"name": "Greet", "file_name": "site.yml", "content": PLAYBOOK, "variable_specs": SPECS}
    made = team.post("/playbooks", text, expect=201)
    values = {"greeting": "hello", "count": 12, "break_on": "web-2"}
    body = {"playbook_id": made["id"], "server_tags": ["web"], "extra_vars": values}
    refused = team.call("POST", "/launches", body)
    assert (refused.status, refused.data["error"]) == (409, "not_approved")
    team.post(f"/playbooks/{made['id']}/approve", {"manifest_hash": made["manifest_hash"]})
    wrong = team.call("POST", "/launches", {**body, "extra_vars": {"count": "many"}})
    assert wrong.status == 422 and set(wrong.data["errors"]) >= {"extra_vars.greeting", "extra_vars.count"}, wrong

    hosts[3].stop()  # web-4 is switched off
    begun = time.monotonic()
    answer = team.call("POST", "/launches", body, headers={"Idempotency-Key": "monday"})
    again = team.call("POST", "/launches", body, headers={"Idempotency-Key": "monday"})
    assert (answer.status, again.status) == (202, 202)
    assert answer.data["uuid"] == again.data["uuid"] and again.headers["Idempotent-Replayed"] == "true"
    other = team.call("POST", "/launches", {**body, "check": True}, headers={"Idempotency-Key": "monday"})
    assert other.status in (409, 422), other
    launch = answer.data["uuid"]

    received, before = follow_with_a_cut(team, team.jobs(launch)["web-1"]["job_id"])
    ended = team.finished(launch)
    seconds = time.monotonic() - begun
    jobs, outcome = team.jobs(launch), team.outcome(launch)
    assert outcome == {
        "web-1": ("success", None),
        "web-2": ("failed", "task_failed"),
        "web-3": ("failed", "not_reached"),
        "web-4": ("failed", "unreachable"),
    }
    assert (ended["status"], ended["jobs_success"], ended["jobs_failed"]) == ("failed", 1, 3)
    assert len(team.get("/launches")) == 1
    assert all(job["log_complete"] for job in jobs.values())
    assert received == team.rows(jobs["web-1"]["job_id"])  # each line once, as stored
    assert 5 <= before < len(received)
    assert (jobs["web-2"]["failed_task"], jobs["web-2"]["failed_module"]) == ("Work", "ansible.builtin.command")
    assert team.rows(jobs["web-3"]["job_id"]) == []
    greeted = [line for line in team.lines(jobs["web-1"]["job_id"]) if line.startswith("changed: [web-1] => (item=")]
    assert len(greeted) == 12
    site.say(
        f"four servers {outcome}, POST to final {seconds:.1f} s; stream cut after {before} of {len(received)} lines"
    )

    tickets = team.tickets()
    hit = sorted(sorted(job["server_name"] for job in ticket["jobs"]) for ticket in tickets)
    assert hit == [["web-2", "web-3"], ["web-4"]], tickets
    assert {ticket["status"] for ticket in tickets} == {"open"}

    hosts[3].start()
    green = team.launch(made["id"], list(ids.values()), extra_vars={**values, "break_on": "nobody", "count": 2})
    assert team.finished(green)["status"] == "success", team.outcome(green)
    assert {ticket["status"] for ticket in team.tickets()} == {"resolved"}
    site.say(f"tickets {[ticket['title'] for ticket in tickets]}, resolved by the next green run")
    site.say(site.verify_audit())
