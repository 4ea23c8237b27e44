"""Two ansible-cores on one platform: a project chooses its engine, each run says which one it had."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Site
from tests.support.old_engine import VERSION

pytestmark = pytest.mark.stack
BOOK = """- hosts: all
  gather_facts: false
  tasks:
    - name: Say which ansible this is
      ansible.builtin.debug:
        msg: "ansible {{ ansible_version.full }}"
"""


def choose(site: Site, playbook_id: int, engine: str) -> None:
    """Give the playbook's project an engine."""
    project_id = site.team.get(f"/playbooks/{playbook_id}")["project_id"]
    project = next(row for row in site.team.get("/playbook-projects") if row["id"] == project_id)
    found = site.team.call("PATCH", f"/playbook-projects/{project['uuid']}", {"engine": engine})
    assert found.status == 200, found


def finished(site: Site, launch: str) -> dict[str, object]:
    site.until(lambda: site.team.get(f"/launches/{launch}")["status"] in ("success", "failed"), "the launch's end", 120)
    return dict(site.team.get(f"/launches/{launch}"))


def test_the_same_playbook_runs_under_the_engine_of_its_project_and_waits_for_a_worker_that_has_it(
    site: Site, old_engine: Path
) -> None:
    stack, team = site.stack, site.team
    stack.start()  # its worker knows the platform's own engine only
    with_old = {"MILLWRIGHT_ENGINES": json.dumps({"old": str(old_engine)})}
    server = team.add_local("local")
    new_book, old_book = team.upload("With the new engine", BOOK), team.upload("With the old engine", BOOK)
    refused = team.call(
        "PATCH", f"/playbook-projects/{team.get('/playbook-projects')[0]['uuid']}", {"engine": "nobody-has-this"}
    )
    assert refused.status == 422
    first = finished(site, team.launch(new_book, [server]))
    assert first["status"] == "success", first

    stack.settings.update(with_old)
    stack.web.kill()  # type: ignore[union-attr]
    stack.start_web()  # the settings of web and worker name the engine; the running worker still lacks it
    choose(site, old_book, "old")
    waiting = team.launch(old_book, [server])
    site.until(
        lambda: "has the engine 'old'" in (team.get(f"/launches/{waiting}")["waiting_because"] or ""), "the reason"
    )
    stack.start_worker()
    second = finished(site, waiting)
    assert second["status"] == "success", second

    versions = {}
    for name, launch in (("default", first), ("old", second)):
        job = launch["jobs"][0]  # type: ignore[index]
        assert job["engine"] == name
        versions[name] = job["engine_version"]
        log = team.get(f"/jobs/{job['job_id']}/logs")["lines"]
        assert any(f"ansible {job['engine_version']}" in line["x"] for line in log)
    assert versions["old"] == VERSION
    assert versions["default"] != VERSION
    engines = {row["name"]: row for row in team.get("/engines")}
    assert set(engines["old"]["versions"].values()) == {VERSION}
    site.say(f"one playbook, two engines: {versions}")

    checked = stack.flask("engines", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"old: ansible-core {VERSION}" in checked.stdout
    assert checked.stdout.count("works") == 2


def test_a_syntax_check_runs_on_a_worker_and_names_file_and_line(site: Site) -> None:
    site.stack.start()
    team = site.team
    wrong = (
        "- hosts: all\n  tasks:\n    - name: one\n      ansible.builtin.ping:\n    - name: two\n      nosuch_module:\n"
    )
    for name, text, code, said in (("Good", BOOK, None, None), ("Wrong", wrong, "engine_error", "site.yml:5: ")):
        made = team.post("/playbooks", {"name": name, "file_name": "site.yml", "content": text}, expect=201)
        launch = team.post(f"/playbooks/{made['id']}/syntax-check", expect=202)["uuid"]
        ended = finished(site, launch)
        job = ended["jobs"][0]  # type: ignore[index]
        assert (job["status"], job["failure_code"]) == ("failed" if code else "success", code), job
        assert job["error_message"] is None if said is None else job["error_message"].startswith(said), job
        assert job["engine_version"]
    assert team.get("/tickets") == []
