"""Taking a worker out of service while it works, and following one launch through the logs of every process."""

from __future__ import annotations

import json
import signal
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from app.accounts.models import User
from tests import factories
from tests.dashboard.exposition import lint, parse
from tests.e2e.client import Team
from tests.e2e.conftest import Site
from tests.e2e.ledger import assert_gapless, counting
from tests.support.processes import Process, wait_until
from tests.support.redis import RedisServer

pytestmark = [pytest.mark.stack, pytest.mark.parametrize("database_kind", ["mariadb"], indirect=True)]


@pytest.fixture
def chief(site: Site) -> Team:
    """A program with the key of an administrator of the platform."""
    person = factories.make_person(1)
    factories.set_columns(User, person.id, is_platform_admin=True)
    scopes = ["platform:admin", "worker:view", "job:view"]
    return Team(site.stack.base_url, factories.make_key(person, scopes=scopes))


def gated(ledger: Path, gate: Path) -> str:
    """A playbook that writes 12 steps and then waits for ``gate``."""
    then = f"while [ $(wc -l < {ledger}) -ge 12 ] && [ ! -e {gate} ]; do sleep .1; done"
    return counting(ledger, steps=13, then=then)


def test_a_drained_worker_ends_its_job_takes_nothing_new_and_exits(site: Site, chief: Team, tmp_path: Path) -> None:
    stack, team = site.stack, site.team
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    stack.settings["MILLWRIGHT_DRAIN_SECONDS"] = "60"
    stack.start()
    launch = team.launch(team.upload("Long", gated(ledger, gate)), [team.add_local("local")])
    site.lines_at_least(launch, 8)
    (worker,) = chief.get("/workers")
    assert [run["launch_uuid"] for run in chief.get("/workers")[0]["runs"]] == [launch]
    assert chief.post(f"/workers/{worker['id']}/drain")["state"] == "draining"

    waiting = team.launch(team.upload("Next", counting(tmp_path / "next", steps=2)), [team.add_local("other")])
    said = "No worker is online"
    site.until(lambda: said in (team.jobs(waiting)["other"]["waiting_because"] or ""), "the reason", 30)
    stack.workers[0].kill(signal.SIGTERM)
    gate.touch()
    assert team.finished(launch)["status"] == "success", team.outcome(launch)
    assert stack.workers[0].wait(40) == 0
    assert_gapless(team, team.jobs(launch)["local"]["job_id"], ledger, at_most_missing=0)
    assert team.jobs(waiting)["other"]["status"] == "pending" and not (tmp_path / "next").exists()
    text = urllib.request.urlopen(f"{stack.base_url}/metrics", timeout=10).read().decode()
    assert lint(text) == []
    waits = {sample.labels["reason"]: sample.value for sample in parse(text)["millwright_runs_waiting"].samples}
    assert waits["no_worker"] == 1.0

    stack.start_worker()
    assert team.finished(waiting)["status"] == "success"
    site.say("drain: the running job ended green, nothing new began on the worker, it exited with 0")


def records(process: Process) -> list[dict[str, Any]]:
    """The JSON lines that a process has written."""
    found = []
    for line in process.output(50_000_000).splitlines():
        if line.startswith("{"):
            found.append(json.loads(line))
    return found


def about(process: Process, name: str, value: str) -> list[str]:
    """Events of the lines that carry an id."""
    return [str(line["event"]) for line in records(process) if line.get(name) == value]


def test_a_launch_is_followed_by_its_id_through_web_worker_and_keeper(
    site: Site, redis_server: RedisServer, tmp_path: Path
) -> None:
    stack, team = site.stack, site.team
    stack.start()
    playbook, server = team.upload("Count", counting(tmp_path / "ledger")), team.add_local("local")
    body = {"playbook_id": playbook, "server_ids": [server]}
    made = team.call("POST", "/launches", body, headers={"X-Request-Id": "request-to-follow"})
    launch = str(made.data["uuid"])
    site.lines_at_least(launch, 8)
    stack.workers[0].kill(signal.SIGKILL)
    assert team.finished(launch)["jobs_failed"] == 1
    job = team.jobs(launch)["local"]["job_id"]
    team.get(f"/jobs/{job}")
    assert stack.web is not None
    web, worker, keeper = stack.web, stack.workers[0], stack.keepers[0]
    wait_until(lambda: about(web, "job_id", job), 10, "the line about the job's page")
    (line,) = [line for line in records(web) if line.get("request_id") == "request-to-follow"]
    assert (line["launch_uuid"], line["route"], line["status"]) == (launch, "/api/v1/launches", 202)
    assert line["tenant_id"] == 1 and line["user_id"] and line["ms"] > 0
    assert {"run.claimed", "run.shipping"} <= set(about(worker, "launch_uuid", launch))
    assert "run.reaped" in about(keeper, "launch_uuid", launch) + about(worker, "launch_uuid", launch)
    (shipping,) = [line for line in records(worker) if line["event"] == "run.shipping"]
    assert shipping["job_ids"] == [job] and shipping["launch_uuid"] == launch
    reaped = [line for line in records(keeper) if line["event"] == "run.reaped"]
    assert reaped and reaped[0]["run_uuid"] == shipping["run_uuid"] and reaped[0]["chore"] == "reap this host"
    everything = stack.logs()
    secrets = [value for name, value in stack.settings.items() if name.endswith(("_KEY", "_PEPPER"))]
    assert secrets and not any(secret in everything for secret in [*secrets, team.key, redis_server.password])
