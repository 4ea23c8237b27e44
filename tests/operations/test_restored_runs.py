"""A database put back to a moment before runs began: none of them runs a second time, and each is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import Site
from tests.e2e.conftest import site as site
from tests.e2e.ledger import counting, done
from tests.operations.test_round_trip import ops, stop_platform
from tests.support.databases import TestDatabase

pytestmark = [
    pytest.mark.stack,
    pytest.mark.parametrize("database_kind", ["mariadb"], indirect=True),
]
QUICK = ("a", "b", "c")


def test_what_began_before_a_restore_is_not_run_again_and_what_waited_is(
    site: Site, database: TestDatabase, tmp_path: Path
) -> None:
    stack, team = site.stack, site.team
    if database.kind != "sqlite":
        stack.settings["MILLWRIGHT_MIGRATION_DATABASE_URL"] = database.migrator_url
    stack.start()
    ledgers = {name: tmp_path / f"ledger-{name}" for name in (*QUICK, "long", "behind", "after")}
    servers = {name: team.add_local(name) for name in (*QUICK, "d", "e")}

    def launch(name: str, server: str, steps: int) -> str:
        text = counting(ledgers[name], steps=steps, then="sleep .1" if steps > 100 else "true")
        return team.launch(team.upload(name, text), [servers[server]])

    ops(stack, "pause", "before the backup")
    began = {name: launch(name, name, 3) for name in QUICK}
    began["long"] = launch("long", "d", 5000)
    waiting = launch("behind", "d", 3)  # waits for the server that the long one holds
    ops(stack, "backup", str(tmp_path / "backups"))
    (folder,) = (tmp_path / "backups").iterdir()
    assert "Dispatch goes on" in ops(stack, "resume")
    assert all(team.finished(began[name])["status"] == "success" for name in QUICK)
    gone = launch("after", "e", 3)
    assert team.finished(gone)["status"] == "success"
    site.lines_at_least(began["long"], 8, "d")
    assert team.jobs(waiting)["d"]["status"] == "pending"
    stop_platform(stack)
    done_before = {name: done(path) for name, path in ledgers.items()}
    assert done_before["long"] and not done_before["behind"]

    ops(stack, "restore", str(folder), "--replace")
    stack.workers.clear()
    stack.keepers.clear()
    stack.start()
    assert all(team.get(f"/launches/{uuid}")["status"] == "pending" for uuid in began.values())
    assert team.call("GET", f"/launches/{gone}").status == 404
    runs = {name: team.get(f"/launches/{uuid}")["runs"][0]["uuid"] for name, uuid in began.items()}

    said = ops(stack, "resume", "--dry-run")
    assert "4 runs were begun and wait in this database" in said
    assert all(run in said for run in runs.values()) and f"launch {gone}" in said
    assert team.get(f"/launches/{began['a']}")["status"] == "pending"
    said = ops(stack, "resume")
    assert "4 runs ended as lost" in said and "Dispatch goes on" in said

    assert team.finished(waiting)["status"] == "success"
    for name, uuid in began.items():
        (job,) = team.jobs(uuid).values()
        assert (job["status"], job["failure_code"], job["log_complete"]) == ("failed", "lost", False), (name, job)
        assert "not run again" in job["error_message"]
    site.until(lambda: sum(len(ticket["jobs"]) for ticket in team.tickets()) == 4, "a ticket hit for each lost run")
    assert done(ledgers["behind"]) == [1, 2, 3]
    assert {name: done(path) for name, path in ledgers.items() if name != "behind"} == {
        name: steps for name, steps in done_before.items() if name != "behind"
    }
    assert "intact" in site.verify_audit()
    site.say("restore: 4 runs begun and forgotten, 0 run again, 1 that had not begun ran once, 1 lost launch named")
