"""Bad targets and bad input: the right status, words that say what to do, nothing half done."""

from __future__ import annotations

from typing import Any

import psutil
import pytest
from sqlalchemy import text

from app.runners.outcome import SSH_ENDED_ADVICE
from tests import factories
from tests.e2e.client import Team
from tests.e2e.conftest import Site
from tests.support.hosts import SshHosts, make_key

pytestmark = pytest.mark.stack
mariadb = pytest.mark.parametrize("database_kind", ["mariadb"], indirect=True)
HELLO = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.command: echo hello\n"


def end(site: Site, launch: str, server: str) -> tuple[str, str, str]:
    """Status, code and message of a job."""
    site.team.finished(launch)
    job = site.team.jobs(launch)[server]
    return job["status"], job["failure_code"], job["error_message"]


@pytest.mark.hosts
@mariadb
def test_each_bad_server_fails_with_its_own_reason(site: Site, ssh_hosts: SshHosts) -> None:
    team = site.team
    site.stack.start()
    hello = team.upload("Salute", HELLO)
    switched_off, off = site.host(ssh_hosts, "off")
    reinstalled, changed = site.host(ssh_hosts, "changed")
    locked, wrong_key = site.host(ssh_hosts, "locked")
    _, no_python = site.host(ssh_hosts, "bare")
    stranger = team.add_server(ssh_hosts.new("stranger"), site.key_path(ssh_hosts))
    _, fine = site.host(ssh_hosts, "fine")

    switched_off.stop()
    reinstalled.change_host_key()
    other = make_key(ssh_hosts.folder / "other_key")
    (locked.folder / "authorized_keys").write_text(other.with_name("other_key.pub").read_text())
    team.call("PATCH", f"/servers/{no_python}", {"python_interpreter": "/nowhere/python3"})

    launch = team.launch(hello, [off, changed, wrong_key, no_python, stranger, fine])
    team.finished(launch)
    jobs = team.jobs(launch)
    found = {name: (job["status"], job["failure_code"]) for name, job in jobs.items()}
    assert found == {
        "off": ("failed", "unreachable"),
        "changed": ("failed", "unreachable"),
        "locked": ("failed", "unreachable"),
        "bare": ("failed", "task_failed"),
        "stranger": ("failed", "unreachable"),
        "fine": ("success", None),
    }
    said = {name: job["error_message"] for name, job in jobs.items()}

    def names(server: str, *causes: str) -> bool:
        """Whether the message names a cause, or says where it is named (ansible's own words are a race)."""
        return any(cause in said[server] for cause in (*causes, SSH_ENDED_ADVICE))

    assert names("off", "refused"), said["off"]
    assert names("changed", "ost key", "HOST IDENTIFICATION"), said["changed"]
    assert names("locked", "Permission denied"), said["locked"]
    assert "/nowhere/python3" in said["bare"] + "\n".join(team.lines(jobs["bare"]["job_id"])), said["bare"]
    assert names("stranger", "ost key"), said["stranger"]
    for name in ("changed", "locked", "stranger"):
        assert not any(line.startswith("changed") for line in team.lines(jobs[name]["job_id"]))
    test = team.test_server(changed)
    assert test["ok"] is False and test["code"] == "host_key_changed", test
    site.say(f"bad servers: {found}")


@mariadb
def test_content_changed_behind_the_platforms_back_is_not_run(site: Site) -> None:
    team = site.team
    site.stack.start()
    local = team.add_local("local")
    hello = team.upload("Salute", HELLO)
    elsewhere = team.upload("Elsewhere", HELLO.replace("hosts: all", "hosts: nobody-*"))
    nothing = team.launch(elsewhere, [local])
    assert end(site, nothing, "local")[:2] == ("failed", "no_hosts")

    database = site.stack.database.root()
    with database.begin() as connection:
        evil = HELLO.replace("echo hello", "touch /tmp/evil").encode()
        old = team.get(f"/playbooks/{hello}")["file_hash"]
        changed = connection.execute(
            text("UPDATE playbook_contents SET data = :data WHERE sha256 = :old"), {"data": evil, "old": old}
        )
        assert changed.rowcount == 1
    database.dispose()
    launch = team.launch(hello, [local])
    status, code, message = end(site, launch, "local")
    assert (status, code) == ("failed", "hash_mismatch")
    assert "Nothing was run" in message and "upload the file again" in message
    job = team.jobs(launch)["local"]
    assert job["started_at"] is None and team.rows(job["job_id"]) == []
    codes = {hit["failure_code"] for ticket in team.tickets() for hit in ticket["jobs"]}
    assert codes == {"hash_mismatch", "no_hosts"}
    site.say(f"changed content: {status}/{code}, nothing run, one ticket; play for nobody: failed/no_hosts")


def test_input_that_cannot_be_used_is_refused_and_the_web_process_lives(site: Site) -> None:
    team = site.team
    site.stack.start_web()
    web = psutil.Process(site.stack.web.pid)  # type: ignore[union-attr]
    before = {child.pid for child in web.children()}
    local, hello = team.add_local("local"), team.upload("Salute", HELLO)
    gone, silent = team.add_local("gone"), team.upload("Silent", HELLO)
    assert team.call("DELETE", f"/servers/{gone}").status == 200
    assert team.call("PATCH", f"/playbooks/{silent}", {"is_active": False}).status == 200
    tenant = factories.make_tenant()
    neighbour = Team(team.base_url, factories.make_key(factories.make_person(tenant.id)))
    theirs, their_playbook = neighbour.add_local("theirs"), neighbour.upload("Theirs", HELLO)

    def post(path: str, body: Any) -> tuple[int, str]:
        found = team.call("POST", path, body)
        return found.status, f"{found.data.get('message')} {found.data.get('errors')}"

    def launch(**body: Any) -> tuple[int, str]:
        return post("/launches", {"playbook_id": hello, "server_ids": [local], **body})

    deep = {"name": "Deep", "file_name": "a.yml", "content": "[" * 200_000}
    cases = {
        "inactive server": (launch(server_ids=[gone]), 409),
        "inactive playbook": (launch(playbook_id=silent), 409),
        "foreign server": (launch(server_ids=[theirs]), 404),
        "foreign playbook": (launch(playbook_id=their_playbook), 404),
        "unknown server": (launch(server_ids=[999_999]), 404),
        "wrong type": (launch(server_ids="all"), 422),
        "unknown field": (launch(colour="red"), 422),
        "nothing chosen": (launch(server_ids=[]), 422),
        "undeclared variable": (launch(extra_vars={"ansible_connection": "local"}), 422),
        "200,000 nested brackets": (post("/playbooks", deep), 422),
    }
    for name, ((status, message), expected) in cases.items():
        assert status == expected, (name, status, message)
        assert len(message) > 20, name
    large = team.call("POST", "/launches", raw=b'{"x":"' + b"y" * 3_000_000 + b'"}')
    assert large.status == 413, large
    json_bomb = team.call("POST", "/launches", raw=b"[" * 200_000)
    assert json_bomb.status in (400, 422), json_bomb
    for theirs_path in (f"/servers/{theirs}", f"/playbooks/{their_playbook}"):
        assert team.call("GET", theirs_path).status == 404
    assert team.get("/launches") == []
    assert {child.pid for child in web.children()} == before
    said = {name: status for name, ((status, _), _expected) in cases.items()}
    site.say(f"bad input: {said}, 3 MB body 413; same web process {sorted(before)}")
