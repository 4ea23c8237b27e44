"""A plan and the apply of it, of 500 resources, through a real platform, against the bare command line.

Ours runs from sending the request until the execution has ended, for the plan and for the apply; with everything that
the platform keeps of them. "The commands alone" are terraform's own init, plan and apply inside of that, as the runs'
results keep their times: how much the platform slows terraform itself, without starting a run. The baselines are
``terraform init``, ``plan -out`` and ``apply`` of the same files, with the local backend and with a bare HTTP backend
that keeps the state in memory; the better one counts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from app.runners.terraform_binaries import find_binaries
from bench.jobs import SECONDS, Platform, platform
from bench.rows import Row, make_row
from tests.e2e.client import Team
from tests.support.state_backend import StateBackend

RESOURCES = 500
PLAN, APPLY, BOTH = "terraform: plan", "terraform: apply", "terraform: plan and apply of 500"
COMMANDS = "terraform: plan and apply of 500, the commands alone"
COUNTED = {"terraform init", "terraform plan", "terraform apply"}
FILES = f'resource "terraform_data" "many" {{\n  count = {RESOURCES}\n  input = count.index\n}}\n'
POLL = 0.1  # seconds between two looks at an execution; more looks would slow what they look at


def _execute(running: Platform, path: str, body: Any) -> tuple[Any, float]:
    """Ask for an execution and wait for its end, and for what follows a plan; returns it and the seconds."""
    began = time.monotonic()
    made = running.client.ask(path, body=body)
    while True:
        row = running.client.ask(f"/terraform/executions/{made['id']}")
        is_plan = row["execution_type"] == "plan" and row["status"] == "success"
        if row["completed_at"] and not (is_plan and row["review"] == "none"):
            break
        if time.monotonic() - began > SECONDS:
            raise RuntimeError("the measured execution does not end")
        time.sleep(POLL)
    if row["status"] != "success":
        raise RuntimeError(f"the measured execution ended as {row['status']}: {row['error_message']}")
    return row, time.monotonic() - began


def _commands(running: Platform, execution: Any) -> float:
    """Return the seconds that terraform's commands took inside of an execution, an apply's second init left out."""
    job = running.client.ask(f"/jobs/{execution['job_id']}")
    results = running.client.ask(f"/launches/{job['launch_uuid']}/results")
    cells = results["rows"][0]["cells"]
    wanted = COUNTED if execution["execution_type"] == "plan" else COUNTED - {"terraform init"}
    took = [cells[str(task["seq"])]["duration_ms"] for task in results["tasks"] if task["name"] in wanted]
    return float(sum(took)) / 1000


def _bare(binary: Path, folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    """The same without the platform: seconds of init and plan, and of the apply."""

    def run(*words: str) -> float:
        began = time.monotonic()
        subprocess.run([str(binary), *words], cwd=folder, env=environment, check=True, capture_output=True)
        return time.monotonic() - began

    planned = run("init", "-input=false") + run("plan", "-input=false", "-out=saved")
    return planned, run("apply", "-input=false", "saved")


def _baselines(binary: Path, folder: Path) -> tuple[float, float]:
    """The better of the two backends."""
    found = []
    base = {"PATH": os.defpath, "HOME": str(folder), "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    for name in ("local", "http"):
        place = folder / name
        place.mkdir()
        (place / "main.tf").write_text(FILES, encoding="utf-8")
        if name == "local":
            found.append(_bare(binary, place, base))
            continue
        (place / "backend.tf").write_text('terraform {\n  backend "http" {}\n}\n', encoding="utf-8")
        with StateBackend() as backend:
            address = backend.address
            names = ("TF_HTTP_ADDRESS", "TF_HTTP_LOCK_ADDRESS", "TF_HTTP_UNLOCK_ADDRESS")
            found.append(_bare(binary, place, {**base, **dict.fromkeys(names, address)}))
    return min(found, key=sum)


def five_hundred() -> list[Row]:
    """One project, after a small one that warms up."""
    binary = next((found for found in find_binaries() if found.program == "terraform"), None)
    if binary is None or shutil.which("sh") is None:
        raise RuntimeError("there is no terraform on this machine")
    with platform() as running:
        team = Team(running.stack.base_url, running.key)
        project = running.client.ask("/terraform/projects", body={"name": "many"})
        path = f"/terraform/projects/{project['id']}"
        team.call("PUT", f"{path}/files/main.tf", {"content": 'resource "terraform_data" "one" {}\n'})
        warm, _seconds = _execute(running, f"{path}/executions", {})
        _execute(running, f"/terraform/executions/{warm['id']}/apply", {})
        team.call("PUT", f"{path}/files/main.tf", {"content": FILES})
        plan, planned = _execute(running, f"{path}/executions", {})
        apply, applied = _execute(running, f"/terraform/executions/{plan['id']}/apply", {})
        commands = _commands(running, plan) + _commands(running, apply)
        bare_plan, bare_apply = _baselines(binary.path, running.folder)
    return [
        make_row(PLAN, planned, bare_plan, "s"),
        make_row(APPLY, applied, bare_apply, "s"),
        make_row(COMMANDS, commands, bare_plan + bare_apply, "s", aim="ratio 1.05"),
        make_row(BOTH, planned + applied, bare_plan + bare_apply, "s", aim="ratio 1.05"),
    ]


ROWS = {BOTH: five_hundred}
