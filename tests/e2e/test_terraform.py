"""Terraform on the whole platform: planned, applied, killed in the middle, recovered; the real worker and keeper."""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.runners.terraform_binaries import find_binaries
from tests.e2e.client import Team
from tests.e2e.conftest import Site
from tests.support.processes import wait_until

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(not find_binaries(), reason="no terraform on this machine"),
]
mariadb = pytest.mark.parametrize("database_kind", ["mariadb"], indirect=True)
MAIN = """
variable "seconds" {{ type = number }}
resource "terraform_data" "made" {{
  count = 2
  provisioner "local-exec" {{
    command = "echo made >> {ledger}; setsid sleep ${{var.seconds}} & sleep ${{var.seconds}}"
  }}
}}
"""


class Project:
    """One project by REST."""

    def __init__(self, team: Team, ledger: Path, seconds: int) -> None:
        self.team, self.ledger = team, ledger
        # A worker listens a moment before it has said what it has; the version would be nobody's.
        wait_until(lambda: bool(team.get("/workers")), 60, "a worker that says what it has")
        made = team.call("POST", "/terraform/projects", {"name": "network"}).data
        self.path = f"/terraform/projects/{made['id']}"
        self.version = made["terraform_version"]
        assert team.call("PUT", f"{self.path}/files/main.tf", {"content": MAIN.format(ledger=ledger)}).status == 200
        wanted = {"name": "seconds", "value": seconds}
        self.variable = team.call("POST", f"{self.path}/variables", wanted).data["id"]

    def ask(self, **wanted: Any) -> Any:
        """Ask for an execution."""
        answer = self.team.call("POST", f"{self.path}/executions", wanted)
        assert answer.status == 202, answer.data
        return answer.data

    def apply(self, plan: Any) -> Any:
        """Ask for the apply of a plan."""
        answer = self.team.call("POST", f"/terraform/executions/{plan['id']}/apply", {})
        assert answer.status == 202, answer.data
        return answer.data

    def ended(self, execution: Any, seconds: float = 60) -> Any:
        """Wait for an execution's end; a plan also for what follows it."""

        found: dict[str, Any] = {}

        def over() -> bool:
            found.update(self.team.get(f"/terraform/executions/{execution['id']}"))
            is_plan = (found["execution_type"], found["status"]) == ("plan", "success")
            return found["completed_at"] is not None and not (is_plan and found["changes_summary"] is None)

        wait_until(over, seconds, f"the end of {execution['execution_type']}")
        return found

    def workspace(self) -> Any:
        """Return the default workspace."""
        return self.team.get(f"{self.path}/workspaces/default")


@mariadb
def test_an_apply_whose_worker_was_killed_is_lost_and_recovered_in_two_steps(site: Site, tmp_path: Path) -> None:
    stack, team, ledger = site.stack, site.team, tmp_path / "ledger"
    ledger.touch()
    stack.start()
    project = Project(team, ledger, 600)
    plan = project.ended(project.ask())
    assert (plan["review"], plan["changes_summary"]["add"]) == ("waiting", 2), plan
    apply = project.apply(plan)
    wait_until(lambda: len(ledger.read_text().split()) == 2, 60, "the middle of the apply")
    assert project.workspace()["lock"]["run_uuid"], "the running apply holds the state"
    launch = team.get(f"/jobs/{apply['job_id']}")["launch_uuid"]
    carried = site.processes(launch)
    stack.workers[0].kill(signal.SIGKILL)
    for process in carried:  # a worker alone would leave a supervisor that still stops terraform in peace
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    began = time.monotonic()
    lost = project.ended(apply)
    seconds = time.monotonic() - began
    assert lost["failure_code"] == "lost", lost
    site.until(lambda: not site.processes(launch), "the end of every process of the run", 10)
    assert project.workspace()["lock"]["run_uuid"], "what a killed apply left behind is looked at first"
    (ticket,) = team.tickets()
    assert [hit["job_id"] for hit in ticket["jobs"]] == [apply["job_id"]]

    stack.start_worker()
    team.call("PATCH", f"{project.path}/variables/{project.variable}", {"value": 0})
    assert team.call("POST", f"{project.path}/workspaces/default/unlock").status == 204
    assert project.ended(project.ask(execution_type="refresh"))["status"] == "success"
    again = project.ended(project.apply(project.ended(project.ask())))
    assert (again["status"], project.workspace()["resources_count"]) == ("success", 2), again
    site.verify_audit()
    site.say(f"kill -9 in the middle of an apply: lost after {seconds:.1f} s, locked by its run, no orphan, recovered")


@mariadb
def test_a_cancelled_apply_hands_its_state_over_and_gives_the_lock_back(site: Site, tmp_path: Path) -> None:
    team, ledger = site.team, tmp_path / "ledger"
    ledger.touch()
    site.stack.start()
    project = Project(team, ledger, 4)
    assert project.version, "the newest that a worker has"
    apply = project.apply(project.ended(project.ask()))
    wait_until(lambda: len(ledger.read_text().split()) == 2, 60, "the middle of the apply")
    assert team.call("POST", f"/jobs/{apply['job_id']}/cancel").status == 202
    ended = project.ended(apply)
    assert (ended["status"], ended["failure_code"]) == ("cancelled", "cancelled"), ended
    space = project.workspace()
    assert (space["resources_count"], space["lock"]) == (2, None), space
    assert team.tickets() == []
    site.say(f"cancel in the middle of an apply: {space['resources_count']} resources in the state, lock given back")
