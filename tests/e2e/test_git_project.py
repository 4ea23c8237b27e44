"""A project from git through the whole platform: made, synced by the worker, discovered, approved, launched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import Site
from tests.support.git_repositories import Repository
from tests.support.hosts import SshHosts
from tests.support.processes import wait_until

pytestmark = [pytest.mark.stack, pytest.mark.hosts]
SITE = """
- name: Greet from git
  hosts: all
  gather_facts: false
  roles:
    - motd
"""
ROLE = "- name: Say it\n  ansible.builtin.command: echo \"{{ motd_text }} {{ lookup('file', 'word.txt') }}\"\n"


def synced(site: Site, base: str) -> dict[str, object]:
    """Wait for the end of the newest sync, return it with its log."""

    def done() -> dict[str, object] | None:
        newest = site.team.get(f"{base}/syncs")[0]
        return newest if newest["finished_at"] else None

    newest = wait_until(done, 60, "the end of the sync", 0.2)
    found: dict[str, object] = site.team.get(f"{base}/syncs/{newest['uuid']}")
    return found


def test_a_project_from_git_runs_with_its_role_from_requirements_and_a_new_commit_needs_an_approval(
    site: Site, ssh_hosts: SshHosts, git_root: Path
) -> None:
    site.stack.settings["MILLWRIGHT_GIT_LOCAL_ROOT"] = str(git_root)
    site.stack.start()
    role = Repository(git_root / "role-motd")
    role.commit({"tasks/main.yml": ROLE, "defaults/main.yml": "motd_text: hello\n", "files/word.txt": "world"})
    role.git("tag", "1.0.0")
    plays = Repository(git_root / "plays")
    wanted = f"roles:\n  - {{name: motd, src: 'git+file://{role.path}', version: 1.0.0}}\n"
    commit = plays.commit({"site.yml": SITE, "requirements.yml": wanted})
    team = site.team
    made = team.post("/playbook-projects", {"source": "git", "name": "Plays", "git_url": plays.url}, expect=201)
    base = f"/playbook-projects/{made['uuid']}"
    first = synced(site, base)
    assert (first["status"], first["commit_hash"]) == ("success", commit), first["log"]
    assert [offer["path"] for offer in team.get(f"{base}/playbooks")] == ["site.yml"]
    (book,) = team.post(f"{base}/playbooks", {"paths": ["site.yml"]}, expect=201)
    team.post(f"/playbooks/{book['id']}/approve", {"manifest_hash": book["manifest_hash"]})
    _host, server = site.host(ssh_hosts, "web-1")
    launch = team.launch(book["id"], [server])
    assert team.finished(launch)["status"] == "success", team.outcome(launch)
    job = team.jobs(launch)["web-1"]
    assert any("changed" in line for line in team.lines(job["job_id"]))

    plays.commit({"extra.txt": "x"})
    team.post(f"{base}/sync", expect=202)
    assert synced(site, base)["status"] == "success"
    refused = team.call("POST", "/launches", {"playbook_id": book["id"], "server_ids": [server]})
    assert (refused.status, refused.data["error"]) == (409, "not_approved")
    site.say("a project from git with a role from requirements.yml ran over ssh through the real worker")
