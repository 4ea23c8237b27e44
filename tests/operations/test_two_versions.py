"""A worker of the version before beside the keeper, the pages and the schema of this one: nothing is lost.

The old worker is the real one: the tree of the last commit before the newest expansion of the schema, from git.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.standalone import platform
from tests.e2e.conftest import Site
from tests.e2e.conftest import site as site
from tests.e2e.ledger import assert_gapless, counting, done
from tests.support.databases import ROOT, TestDatabase, grant, run_flask
from tests.support.environment import process_environment
from tests.support.processes import Process, start, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.parametrize("database_kind", ["mariadb"], indirect=True)]
OLD_SCHEMA = "0019"
NEXT = "migrations/versions/0020_operations.py"  # the first migration that the old version does not know


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


@pytest.fixture
def old_tree(tmp_path: Path) -> Path:
    """The code of the version before."""
    try:
        added = git("log", "--diff-filter=A", "--format=%H", "--", NEXT).decode().split()
        packed = git("archive", "--format=tar", f"{added[-1]}^")
    except (subprocess.CalledProcessError, FileNotFoundError, IndexError):
        pytest.skip("the history of the repository is not here")
    folder = tmp_path / "old"
    folder.mkdir()
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def to_schema(database: TestDatabase, site: Site, command: str, revision: str) -> None:
    settings = {**site.stack.settings, "MILLWRIGHT_DATABASE_URL": database.migrator_url}
    ended = run_flask(process_environment(settings), "db", command, revision)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    if command == "upgrade":
        grant(database)


@pytest.fixture
def old_worker(site: Site, database: TestDatabase, old_tree: Path) -> Iterator[Process]:
    """The old version's worker, started on its own schema; then the schema goes on to this version's."""
    stack = site.stack
    to_schema(database, site, "downgrade", OLD_SCHEMA)
    try:
        worker = old_one(site, old_tree, "old")
        wait_until(lambda: "ready." in worker.output() or not worker.running, 90, "the old worker")
        assert worker.running, worker.output()
    finally:
        to_schema(database, site, "upgrade", "head")
    assert stack.workers == [worker]
    yield worker


def old_one(site: Site, tree: Path, name: str) -> Process:
    stack = site.stack
    environment = {**stack.environment, "PYTHONPATH": os.fspath(tree)}
    argv = platform.worker_command(f"{name}-{stack.marker}")
    worker = start(argv, name=name, log=stack.folder / f"{name}.log", env=environment, cwd=tree)
    stack._started.append(worker)
    stack.workers.append(worker)
    return worker


def test_an_old_worker_beside_the_new_keeper_and_schema_loses_nothing(
    site: Site, old_worker: Process, tmp_path: Path
) -> None:
    stack, team = site.stack, site.team
    stack.start_keeper()
    stack.start_web()
    ledger = tmp_path / "whole"
    whole = team.launch(team.upload("Whole", counting(ledger, steps=25)), [team.add_local("local")])
    assert team.finished(whole)["status"] == "success", team.outcome(whole)
    job = team.jobs(whole)["local"]
    assert job["log_complete"]
    said = assert_gapless(team, job["job_id"], ledger, at_most_missing=0)

    text = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.fail: msg=no\n"
    failing = team.upload("Fails", text)
    failed = team.launch(failing, [job["server_id"]])
    assert team.finished(failed)["status"] == "failed"
    assert [hit["job_id"] for hit in team.tickets()[0]["jobs"]] == [team.jobs(failed)["local"]["job_id"]]

    ledger = tmp_path / "cancelled"
    cancelled = team.launch(team.upload("Cancelled", counting(ledger)), [job["server_id"]])
    site.lines_at_least(cancelled, 8)
    team.post(f"/launches/{cancelled}/cancel", expect=202)
    assert team.finished(cancelled)["status"] == "cancelled"

    ledger = tmp_path / "cut"
    cut = team.launch(team.upload("Cut", counting(ledger)), [job["server_id"]])
    site.lines_at_least(cut, 8)
    old_worker.kill(signal.SIGKILL)
    assert team.finished(cut)["status"] == "failed"
    lost = team.jobs(cut)["local"]
    assert (lost["failure_code"], lost["log_complete"]) == ("lost", True)
    assert_gapless(team, lost["job_id"], ledger)
    site.until(lambda: not site.processes(cut), "the end of every process of the run", 10)
    site.say(f"an old worker beside a new keeper and schema: {said}; failure, cancel and kill -9 told right")


def test_an_old_and_a_new_worker_share_the_work_and_run_everything_once(
    site: Site, old_worker: Process, tmp_path: Path
) -> None:
    stack, team = site.stack, site.team
    stack.start_keeper()
    stack.start_web()
    stack.start_worker()
    ledgers = [tmp_path / f"ledger-{number}" for number in range(8)]
    launches = [
        team.launch(team.upload(f"P{number}", counting(ledger, steps=3)), [team.add_local(f"s{number}")])
        for number, ledger in enumerate(ledgers)
    ]
    assert [team.finished(launch)["status"] for launch in launches] == ["success"] * 8
    assert [done(ledger) for ledger in ledgers] == [[1, 2, 3]] * 8
    assert "intact" in site.verify_audit()
