"""Cancelling at each moment of a job's life, through the REST API."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import Site
from tests.e2e.ledger import assert_gapless, counting, done

pytestmark = [
    pytest.mark.stack,
    pytest.mark.parametrize("database_kind", ["mariadb"], indirect=True),
]


def test_a_job_is_cancelled_at_any_moment_and_only_once(site: Site, tmp_path: Path) -> None:
    stack, team, ledger = site.stack, site.team, tmp_path / "ledger"
    stack.start_web()  # no worker yet: everything stays pending
    local, other = team.add_local("local"), team.add_local("other")
    count = team.upload("Count", counting(ledger))

    never = team.launch(count, [local])
    assert team.call("POST", f"/launches/{never}/cancel").status == 202
    assert team.outcome(never) == {"local": ("cancelled", "cancelled")}
    for path in (f"/launches/{never}/cancel", f"/jobs/{team.jobs(never)['local']['job_id']}/cancel"):
        again = team.call("POST", path)
        assert again.status == 409 and "already ended" in again.data["message"], again

    shared = team.launch(team.upload("Other", counting(tmp_path / "other")), [local, other])
    left_out = team.jobs(shared)["local"]["job_id"]
    assert team.call("POST", f"/jobs/{left_out}/cancel").data["status"] == "cancelled"

    stack.start_keeper()
    stack.start_worker()
    site.lines_at_least(shared, 8, "other")
    assert team.jobs(shared)["local"]["status"] == "cancelled"
    running = team.jobs(shared)["other"]["job_id"]
    first = team.call("POST", f"/jobs/{running}/cancel")
    second = team.call("POST", f"/jobs/{running}/cancel")
    assert (first.status, second.status) in ((202, 202), (202, 409))  # the second may come after the end
    seconds = site.until(lambda: team.finished(shared), "the cancelled run to end", 30)
    assert team.outcome(shared)["other"] == ("cancelled", "cancelled")
    site.until(lambda: not site.processes(shared), "the end of every process", 5)
    assert_gapless(team, running, tmp_path / "other")
    assert team.call("POST", f"/jobs/{running}/cancel").status == 409
    assert not done(ledger)

    both = team.launch(team.upload("Both", counting(tmp_path / "both")), [local, other])
    site.lines_at_least(both, 8)
    refused = team.call("POST", f"/jobs/{team.jobs(both)['local']['job_id']}/cancel")
    assert refused.status == 409 and f"POST /api/v1/launches/{both}/cancel" in refused.data["message"], refused
    assert team.call("POST", f"/launches/{both}/cancel").status == 202
    team.finished(both)
    assert set(team.outcome(both).values()) == {("cancelled", "cancelled")}

    early = team.launch(count, [local])  # rung at once: claimed, prepared or just begun
    assert team.call("POST", f"/launches/{early}/cancel").status == 202
    team.finished(early)
    assert team.outcome(early) == {"local": ("cancelled", "cancelled")}
    site.until(lambda: not site.processes(early), "the end of every process", 5)
    assert team.tickets() == []
    site.say(f"cancel: pending at once, running after {seconds:.1f} s, one of a shared run 409, ended 409, no ticket")
    site.verify_audit()
