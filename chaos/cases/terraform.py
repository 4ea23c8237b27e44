"""Terraform under faults: a worker killed in the middle of an apply, two applies, the backend gone at the end."""

from __future__ import annotations

import shutil
import signal
from typing import Any

from app.runners.terraform_binaries import find_binaries
from chaos.oracles import Verdict, judge
from chaos.registry import Size, Skipped, case
from chaos.rig import Site

LOST_SECONDS = 40
CHILDREN = 3
# Each resource leaves a process of its own session behind while it is made, and says so in a file.
CONFIGURATION = """
variable "seconds" {{
  type = number
}}
resource "terraform_data" "quick" {{}}
resource "terraform_data" "slow" {{
  count      = {children}
  depends_on = [terraform_data.quick]
  provisioner "local-exec" {{
    command = "echo ${{count.index}} >> {ledger}; setsid sleep ${{var.seconds}} & sleep ${{var.seconds}}"
  }}
}}
"""


class _Project:
    """One project of a site, by REST."""

    def __init__(self, site: Site, name: str, seconds: int) -> None:
        self.site, self.caller = site, site.caller()
        self.ledger = site.folder / f"{name}.ledger"
        self.ledger.touch()
        wanted = {"name": name, "terraform_version": _version()}
        self.uuid = self.caller.sure("POST", "/terraform/projects", wanted)["id"]
        text = CONFIGURATION.format(children=CHILDREN, ledger=self.ledger)
        self.caller.sure("PUT", f"{self.path}/files/main.tf", {"content": text})
        self.variable = self.caller.sure("POST", f"{self.path}/variables", {"name": "seconds", "value": seconds})["id"]

    @property
    def path(self) -> str:
        return f"/terraform/projects/{self.uuid}"

    def ended(self, execution: Any, seconds: float = 90) -> Any:
        """Wait for an execution's end, and for what follows it."""

        def over() -> bool:
            row = self.get(execution)
            followed = "SELECT COUNT(*) FROM terraform_executions WHERE uuid = %s AND followed_at IS NOT NULL"
            return row["completed_at"] is not None and self.site.count(followed, row["id"]) == 1

        self.site.until(over, seconds, f"the end of {execution['execution_type']}")
        return self.get(execution)

    def get(self, execution: Any) -> Any:
        """Return an execution as it is now."""
        return self.caller.sure("GET", f"/terraform/executions/{execution['id']}")

    def plan(self, **wanted: Any) -> Any:
        """Plan and wait for it."""
        return self.ended(self.caller.sure("POST", f"{self.path}/executions", wanted))

    def apply(self, plan: Any) -> Any:
        """Ask for the apply of a plan."""
        return self.caller.sure("POST", f"/terraform/executions/{plan['id']}/apply", {})

    def begun(self, apply: Any) -> None:
        """Wait until every slow resource is being made."""
        self.site.until(
            lambda: len(self.ledger.read_text().split()) >= CHILDREN, 60, f"the middle of #{apply['number']}"
        )

    def workspace(self) -> Any:
        """Return the default workspace."""
        return self.caller.sure("GET", f"{self.path}/workspaces/default")


def _version() -> str:
    found = [binary for binary in find_binaries() if binary.program == "terraform"]
    if not found or shutil.which("setsid") is None:
        raise Skipped("there is no terraform on this machine")
    return found[0].version


@case(
    "R24",
    "Terraform: kill -9 of the worker in the middle of an apply; two applies of one plan; the backend gone at the end",
    "lost, no orphan, the lock kept, recovered by unlock and refresh; applied once; the state salvaged",
)
def terraform(site: Site, size: Size) -> Verdict:
    """Three projects, one after the other."""
    _version()
    site.begin(workers=1)
    problems = [*_killed(site), *_twice(site), *_backend_gone(site)]
    verdict = judge(site, check_lines=False)
    for problem in problems:
        verdict.require(False, problem)
    return verdict


def _unless(*wanted: tuple[object, str]) -> list[str]:
    return [message for truth, message in wanted if not truth]


def _killed(site: Site) -> list[str]:
    project = _Project(site, "killed", 600)
    apply = project.apply(project.plan())
    project.begun(apply)
    site.platform.slots["w0"].kill(signal.SIGKILL)
    site.fault("kill -9 of the worker in the middle of an apply")
    took = site.until(lambda: project.get(apply)["status"] == "failed", LOST_SECONDS, "the apply to be lost")
    site.until(lambda: not site.run_processes(), 15, "the end of every process of the apply")
    row, lock = project.get(apply), project.workspace()["lock"]
    # The supervisor outlives its worker for a moment: terraform may hand its state over in peace, or be killed first.
    kept = site.count("SELECT COUNT(*) FROM terraform_state_files WHERE source = 'run'")
    tickets = site.count("SELECT COUNT(*) FROM tickets WHERE title LIKE %s", "%killed%")
    found = _unless(
        (row["failure_code"] == "lost", f"the apply ended as {row['failure_code']}"),
        (lock is None or lock["run_uuid"], f"the lock is not the run's: {lock}"),
        (lock is not None or kept, "no lock, and no state of the run either"),
        (tickets == 1, f"{tickets} tickets of the lost apply"),
    )
    site.platform.start_slot("w0")
    project.caller.sure("PATCH", f"{project.path}/variables/{project.variable}", {"value": 0})
    project.caller.sure("POST", f"{project.path}/workspaces/default/unlock")
    refreshed = project.plan(execution_type="refresh")
    again = project.ended(project.apply(project.plan()))
    held = "still locked" if lock else "state handed over in time"
    site.notes.append(f"lost after {took:.1f} s, {held}; unlocked, refreshed, applied again: {again['status']}")
    return found + _unless(
        (refreshed["status"] == "success", f"the refresh after it: {refreshed['error_message']}"),
        (again["status"] == "success", f"the apply after it: {again['error_message']}"),
        (project.workspace()["resources_count"] == CHILDREN + 1, f"the state after it: {project.workspace()}"),
    )


def _twice(site: Site) -> list[str]:
    project = _Project(site, "twice", 1)
    plan = project.plan()
    codes = sorted(project.caller.once("POST", f"/terraform/executions/{plan['id']}/apply", {})[0] for _ in range(2))
    applies = project.caller.sure("GET", f"{project.path}/executions?execution_type=apply")
    ended = [project.ended(apply)["status"] for apply in applies]
    site.notes.append(f"two applies of one plan: {codes}")
    return _unless(
        (codes == [202, 409], f"two applies of one plan were answered {codes}"),
        (ended == ["success"], f"they ended as {ended}"),
    )


def _backend_gone(site: Site) -> list[str]:
    project = _Project(site, "gone", 5)
    apply = project.apply(project.plan())
    project.begun(apply)
    assert site.platform.web is not None
    site.kill_tree(site.platform.web)
    site.fault("the web process gone before the end of an apply")
    statement = "SELECT COUNT(*) FROM jobs WHERE job_id = %s AND completed_at IS NOT NULL"
    site.until(lambda: site.count(statement, apply["job_id"]), 120, "the end of the apply without its backend")
    site.platform.start_web()
    row, space = project.ended(apply), project.workspace()
    newest = project.caller.sure("GET", f"{project.path}/workspaces/default/versions")[0]
    site.notes.append(f"backend gone at the end: {row['failure_code']}, state kept as {newest['source']}")
    return _unless(
        (row["status"] == "failed", f"the apply ended as {row['status']}"),
        (newest["source"] == "salvage", f"the newest version is of {newest['source']}"),
        (space["resources_count"] == CHILDREN + 1, f"the salvaged state has {space['resources_count']} resources"),
        (space["lock"] is None, f"still locked: {space['lock']}"),
    )
