"""kill -9 in the middle of a run, of each process in turn: what happened is said, nothing stays alive or is lost."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import text

from tests.e2e.conftest import Site
from tests.e2e.ledger import assert_gapless, counting, done
from tests.support.processes import Process, wait_until

pytestmark = pytest.mark.stack
mariadb = pytest.mark.parametrize("database_kind", ["mariadb"], indirect=True)
sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)  # the rig of faults has the servers
HONEST_SECONDS = 30  # from the kill to the final status


def running(site: Site, ledger: Path, **more: Any) -> str:
    """Start a counting run on this machine and wait until its log grows."""
    team = site.team
    launch = team.launch(team.upload("Count", counting(ledger, **more)), [team.add_local("local")])
    site.lines_at_least(launch, 8)
    return launch


def executor(site: Site) -> psutil.Process:
    """The pool child that carries the only run: it is the supervisor's parent."""
    worker = psutil.Process(site.stack.workers[-1].pid)
    return next(child for child in worker.children() if child.children())


def assert_lost(site: Site, launch: str, ledger: Path, seconds: float, who: str) -> None:
    team = site.team
    job = team.jobs(launch)["local"]
    assert (job["status"], job["failure_code"], job["log_complete"]) == ("failed", "lost", True), job
    assert "Look at the server" in job["error_message"]
    assert seconds <= HONEST_SECONDS
    site.until(lambda: not site.processes(launch), "the end of every process of the run", 5)
    said = assert_gapless(team, job["job_id"], ledger)
    tickets = team.tickets()
    assert [[hit["job_id"] for hit in ticket["jobs"]] for ticket in tickets] == [[job["job_id"]]]
    site.say(f"kill -9 of {who}: failed/lost after {seconds:.1f} s, no process alive, {said}, 1 ticket")


@sqlite
def test_a_killed_worker_leaves_a_lost_job_with_a_gapless_log_and_one_ticket(site: Site, tmp_path: Path) -> None:
    stack, team, ledger = site.stack, site.team, tmp_path / "ledger"
    stack.start()
    launch = running(site, ledger)
    stack.workers[0].kill(signal.SIGKILL)
    seconds = site.until(lambda: team.finished(launch), "the end", HONEST_SECONDS + 30)
    assert_lost(site, launch, ledger, seconds, "the worker's main process")

    stack.start_worker()
    after = team.launch(
        team.upload("After", counting(tmp_path / "after", steps=2)), [team.jobs(launch)["local"]["server_id"]]
    )
    assert team.finished(after)["status"] == "success"
    site.verify_audit()


@mariadb
def test_a_killed_pool_child_costs_its_own_run_only(site: Site, tmp_path: Path) -> None:
    stack, team, ledger = site.stack, site.team, tmp_path / "ledger"
    stack.start()
    launch = running(site, ledger)
    executor(site).kill()
    seconds = site.until(lambda: team.finished(launch), "the end", HONEST_SECONDS + 30)
    assert_lost(site, launch, ledger, seconds, "a pool child")

    server = team.jobs(launch)["local"]["server_id"]
    after = team.launch(team.upload("After", counting(tmp_path / "after", steps=2)), [server])
    assert team.finished(after)["status"] == "success"
    assert stack.workers[0].running


@mariadb
def test_a_killed_supervisor_is_noticed_and_its_engine_ended(site: Site, tmp_path: Path) -> None:
    stack, team, ledger = site.stack, site.team, tmp_path / "ledger"
    stack.start()
    launch = running(site, ledger)
    supervisor = executor(site).children()[0]
    supervisor.kill()
    seconds = site.until(lambda: team.finished(launch), "the end", HONEST_SECONDS + 30)
    assert_lost(site, launch, ledger, seconds, "the supervisor")


@mariadb
def test_keeper_and_web_may_be_killed_while_a_job_runs(site: Site, tmp_path: Path) -> None:
    stack, team, ledger, gate = site.stack, site.team, tmp_path / "ledger", tmp_path / "gate"
    stack.start()
    launch = running(
        site, ledger, steps=24, then=f"while [ $(wc -l < {ledger}) -ge 16 ] && [ ! -e {gate} ]; do sleep .1; done"
    )
    second = stack.start_keeper()
    wait_until(lambda: "keeper.started" in second.output(), 60, "the second keeper")

    stack.keepers[0].kill(signal.SIGKILL)
    stack.keepers[0].wait()
    last = sign_of_life(site)
    seconds = site.until(lambda: sign_of_life(site) != last, "another keeper to lead", 30)
    site.say(f"kill -9 of the keeper: another leads after {seconds:.1f} s, the job runs on")

    assert stack.web is not None
    kill_whole(stack.web)
    wait_until(lambda: len(done(ledger)) >= 16, 60, "steps while no web process runs")
    stack.start_web()
    assert team.jobs(launch)["local"]["status"] == "running"
    other = team.launch(team.upload("Other", counting(tmp_path / "other", steps=2)), [team.add_local("other")])
    assert team.finished(other)["status"] == "success"
    gate.touch()
    assert team.finished(launch)["status"] == "success", team.outcome(launch)
    said = assert_gapless(team, team.jobs(launch)["local"]["job_id"], ledger, at_most_missing=0)
    site.say(f"kill -9 of gunicorn: the job went on and ended green, {said}; POSTs work after the restart")


def sign_of_life(site: Site) -> str:
    """When a leading keeper last said that it is there: only the leader does."""
    engine = site.stack.database.engine()
    try:
        with engine.connect() as connection:
            return str(connection.scalar(text("SELECT set_at FROM platform_flags WHERE name = 'keeper_seen'")))
    finally:
        engine.dispose()


def kill_whole(process: Process) -> None:
    """kill -9 of a process and its children at one stroke, as an OOM killer or a pulled container would."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in family:
        member.kill()
    psutil.wait_procs(family, timeout=10)


@mariadb
def test_a_worker_told_to_stop_ends_its_run_honestly(site: Site, tmp_path: Path) -> None:
    stack, team, ledger = site.stack, site.team, tmp_path / "ledger"
    stack.settings["MILLWRIGHT_DRAIN_SECONDS"] = "2"
    stack.start()
    launch = running(site, ledger)
    stack.workers[0].kill(signal.SIGTERM)
    seconds = site.until(lambda: team.finished(launch), "the end", 60)
    job = team.jobs(launch)["local"]
    assert (job["status"], job["failure_code"]) == ("failed", "shutdown"), job
    stack.workers[0].wait(30)
    assert site.processes(launch) == []
    assert_gapless(team, job["job_id"], ledger)
    site.say(f"SIGTERM of the worker: failed/shutdown after {seconds:.1f} s (drain 2 s), nothing alive")
