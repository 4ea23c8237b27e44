"""Redis or the database goes away for a while: nothing is lost, nothing breaks, everything recovers by itself."""

from __future__ import annotations

import re
import signal
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from tests import factories
from tests.e2e.client import LOOK, Event
from tests.e2e.conftest import Site
from tests.e2e.ledger import assert_gapless, counting, done
from tests.support.processes import wait_until

pytestmark = pytest.mark.stack
mariadb = pytest.mark.parametrize("database_kind", ["mariadb"], indirect=True)


def signed_in_page(site: Site, path: str) -> str:
    """Sign in with a browser's form and return a page."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with opener.open(f"{site.stack.base_url}/sign-in", timeout=30) as form:
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', form.read().decode())
    assert token is not None
    fields = {"csrf_token": token[1], "username": site.username, "password": factories.PASSWORD, "next": path}
    sent = urllib.request.Request(
        f"{site.stack.base_url}/sign-in", urllib.parse.urlencode(fields).encode(), {"Origin": site.stack.base_url}
    )
    with opener.open(sent, timeout=30) as page:
        assert page.geturl().endswith(path), page.geturl()
        return str(page.read().decode())


@mariadb
def test_without_redis_launches_are_taken_pages_work_and_tails_go_on(site: Site, tmp_path: Path) -> None:
    stack, team, ledger = site.stack, site.team, tmp_path / "ledger"
    stack.start()
    gate = tmp_path / "gate"
    local, other, third = (team.add_local(name) for name in ("local", "other", "third"))
    slow = team.launch(team.upload("Slow", counting(ledger, steps=15, then=f"[ -e {gate} ] || sleep .3")), [local])
    site.lines_at_least(slow, 3)
    stack.redis.refuse_writes(True)  # a full disk, say: it answers, and takes no doorbell
    refused = team.launch(team.upload("Refused", counting(tmp_path / "refused", steps=2)), [third])
    said = "Redis takes no messages"
    site.until(lambda: (team.jobs(refused)["third"]["waiting_because"] or "").startswith(said), "the reason", 30)
    stack.redis.refuse_writes(False)
    assert team.finished(refused)["status"] == "success"
    stack.redis.stop()

    waiting = team.launch(team.upload("Later", counting(tmp_path / "later", steps=2)), [other])
    assert "/sign-out" in signed_in_page(site, "/jobs")
    seen: list[Event] = []
    job = team.jobs(slow)["local"]["job_id"]
    for event in team.follow(job):  # wake-ups are gone: the tail looks by itself
        seen.append(event)
        gate.touch()
    assert seen[-1].name == "end"
    received = [row for event in seen if event.name == "lines" for row in event.data["lines"]]
    assert received == team.rows(job)
    assert team.outcome(slow) == {"local": ("success", None)}
    assert team.outcome(waiting) == {"other": ("pending", None)}

    stack.redis.start()
    seconds = site.until(lambda: team.finished(waiting), "the launch that was made without Redis", 90)
    assert team.outcome(waiting) == {"other": ("success", None)}
    assert_gapless(team, job, ledger, at_most_missing=0)
    site.say(
        f"Redis away: POST 202, tail complete ({len(received)} lines), job ran {seconds:.1f} s after Redis was back"
    )


@mariadb
def test_a_database_that_is_away_stops_no_playbook_and_loses_no_line(site: Site, tmp_path: Path) -> None:
    stack, team, ledger = site.stack, site.team, tmp_path / "ledger"
    server = stack.database.server
    assert server is not None
    stack.start()
    local = team.add_local("local")
    launch = team.launch(team.upload("Count", counting(ledger, steps=40, then="sleep .1")), [local])
    site.lines_at_least(launch, 4)
    job = team.jobs(launch)["local"]["job_id"]

    server.process.kill(signal.SIGSTOP)
    try:
        begun = len(done(ledger))
        wait_until(lambda: len(done(ledger)) >= begun + 15, 120, "the playbook to go on without its database", LOOK)
    finally:
        server.process.kill(signal.SIGCONT)
    team.finished(launch)
    assert team.outcome(launch) == {"local": ("success", None)}
    said = assert_gapless(team, job, ledger, at_most_missing=0)
    site.say(f"database frozen while 15 steps ran: {said}, job green")


@mariadb
def test_a_database_that_is_stopped_gives_503_and_comes_back(site: Site, tmp_path: Path) -> None:
    stack, team, ledger = site.stack, site.team, tmp_path / "ledger"
    server = stack.database.server
    assert server is not None
    stack.start()
    local = team.add_local("local")
    launch = team.launch(team.upload("Count", counting(ledger, steps=50, then="sleep .1")), [local])
    site.lines_at_least(launch, 4)
    run = team.get(f"/launches/{launch}")["runs"][0]["uuid"]
    job = team.jobs(launch)["local"]["job_id"]

    server.process.kill(signal.SIGTERM)
    server.process.wait(60)
    begun = len(done(ledger))
    statuses = set()

    def worked_on() -> bool:
        answer = team.call("GET", f"/jobs/{job}")
        statuses.add(answer.status)
        assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0, answer
        return len(done(ledger)) >= begun + 20

    wait_until(worked_on, 120, "the playbook to go on without its database", LOOK)
    server.restart()
    site.until(lambda: team.call("GET", f"/jobs/{job}").status == 200, "the API to recover", 60)
    team.finished(launch)
    ended = team.get(f"/launches/{launch}")
    assert [found["uuid"] for found in ended["runs"]] == [run]
    assert team.outcome(launch) == {"local": ("success", None)}
    said = assert_gapless(team, job, ledger, at_most_missing=0)
    site.say(f"database stopped while 20 steps ran: only {sorted(statuses)} meanwhile, {said}, job green")


def test_worker_and_keeper_refuse_a_schema_that_is_behind(site: Site) -> None:
    stack = site.stack
    down = stack.flask("db", "downgrade")
    assert down.returncode == 0, down.stderr
    for process in (stack.start_keeper(), stack.launch_worker()):
        code = process.wait(60)
        said = process.output()
        assert code != 0 and "flask db upgrade" in said, (code, said)
    site.say("worker and keeper refuse a schema that is behind and name 'flask db upgrade'")
