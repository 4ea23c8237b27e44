"""R10, R11: cancels at every moment, and the same request many times."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections import Counter
from typing import Any

from chaos.oracles import Verdict, judge
from chaos.payload import read_ledger
from chaos.registry import Size, case
from chaos.rig import Site
from tests.support.databases import ROOT

LINES = 30
FINAL_AFTER_CANCEL = 15.0


@case(
    "R10",
    "200 cancels at a random moment from pending to just finished, some of them twice",
    "one final status within 15 s; nothing begins after its cancel was taken as pending; a final job answers 409",
)
def cancels(site: Site, size: Size) -> Verdict:
    """Whoever cancels gets one honest answer."""
    total = size.of(200, 40)
    site.begin(workers=2)
    servers = site.servers(40)
    book = site.stand_in(lines=LINES, batch=3, pause=0.1)
    plan = [(servers[number % len(servers)], site.random.uniform(0, 4.0)) for number in range(total)]
    answers: Counter[str] = Counter()
    slow: list[float] = []
    wrong: list[str] = []
    at_once = threading.Semaphore(6)

    def act(server: int, delay: float, twice: bool) -> None:
        with at_once:
            caller = site.caller()
            job = caller.post_job(book, server)
            time.sleep(delay)
            status, data = caller.once("POST", f"/jobs/{job['job_id']}/cancel")
            answers[str(status)] += 1
            if status not in (200, 202, 409):
                wrong.append(f"a cancel was answered with {status}: {data}")
            if twice:
                again, _data = caller.once("POST", f"/jobs/{job['job_id']}/cancel")
                answers[f"second {again}"] += 1
                if again not in (200, 202, 409):
                    wrong.append(f"a second cancel was answered with {again}")
            began = time.monotonic()
            while caller.sure("GET", f"/jobs/{job['job_id']}")["status"] not in ("success", "failed", "cancelled"):
                time.sleep(0.2)
                if time.monotonic() - began > 90:
                    break
            if status != 409:
                slow.append(time.monotonic() - began)

    threads = [
        threading.Thread(target=act, args=(server, delay, site.random.random() < 0.3), daemon=True)
        for server, delay in plan
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(900)
    site.faults += total
    site.all_final(120)
    verdict = judge(site)
    verdict.breaches += wrong[:5]
    begun = {marker.rpartition(".")[0] for marker in read_ledger(site.folder).begun}
    never = site.ask("SELECT uuid FROM runs WHERE status = 'cancelled' AND began_at IS NULL")
    early = sum(1 for run in never if run["uuid"] in begun)
    verdict.require(not early, f"{early} runs were executed although they were cancelled before they began")
    late = site.count(
        "SELECT COUNT(*) FROM runs WHERE began_at IS NOT NULL AND cancel_requested_at IS NOT NULL"
        " AND began_at > cancel_requested_at + INTERVAL 2 SECOND"  # each was stamped before it waited for the row
    )
    verdict.require(not late, f"{late} runs began after their cancel")
    verdict.require(max(slow, default=0) <= FINAL_AFTER_CANCEL, f"a cancel took {max(slow, default=0):.1f} s")
    states = Counter(str(row["status"]) for row in site.ask("SELECT status FROM jobs"))
    site.notes.append(
        f"answers {dict(sorted(answers.items()))}, ends {dict(states)}, {len(never)} before their beginning; "
        f"the slowest final {max(slow, default=0):.1f} s after its cancel"
    )
    return verdict


@case(
    "R11",
    "50 equal posts at once with one Idempotency-Key, 10 times; the form sent 10 times",
    "one job each, equal answers; the same key with another body is refused",
    quick=True,
)
def same_request(site: Site, size: Size) -> Verdict:
    """A double click, a nervous proxy, a retrying program."""
    rounds, posts = size.of(10, 2), 50
    site.begin(workers=1)
    servers = site.servers(1)
    book = site.stand_in(lines=3)
    wrong: list[str] = []
    for number in range(rounds):
        key = str(uuid.uuid4())
        answers: list[Any] = []

        def post(key: str = key, answers: list[Any] = answers) -> None:
            answers.append(site.caller().post_job(book, servers[0], key)["job_id"])

        threads = [threading.Thread(target=post, daemon=True) for _ in range(posts)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        site.faults += posts - 1
        if len(set(answers)) != 1 or len(answers) != posts:
            wrong.append(f"round {number}: {len(answers)} answers named {len(set(answers))} jobs")
        body = {"playbook_id": book, "server_id": servers[0], "timeout_seconds": 77}
        status, _data = site.caller().once("POST", "/jobs", body, Idempotency_Key=key)
        if status != 422:
            wrong.append(f"the same key with another body was answered with {status}")
    forms = _send_form(site, book, servers[0], 10)
    site.all_final(180)
    verdict = judge(site)
    verdict.breaches += wrong[:5]
    verdict.require(forms == 1, f"the form sent ten times made {forms} launches")
    verdict.require(verdict.jobs == rounds + forms, f"{verdict.jobs} jobs instead of {rounds + forms}")
    return verdict


def _send_form(site: Site, book: int, server: int, times: int) -> int:
    """Open the launch form as a person, send it several times at once; returns how many launches that made."""
    before = site.count("SELECT COUNT(*) FROM launches")
    base, path = site.platform.base_url, f"/playbooks/{book}/launch"
    opener = _signed_in(site)
    with opener.open(base + path, timeout=60) as page:
        fields = _hidden(page.read().decode())
    data = urllib.parse.urlencode({**fields, "server_ids": str(server)}).encode()

    def send() -> None:
        try:
            opener.open(urllib.request.Request(base + path, data, {"Origin": base}), timeout=60).close()
        except urllib.error.HTTPError as error:
            error.close()

    threads = [threading.Thread(target=send, daemon=True) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    site.faults += times - 1
    return site.count("SELECT COUNT(*) FROM launches") - before


def _signed_in(site: Site) -> urllib.request.OpenerDirector:
    """A browser's cookies of a person who has signed in."""
    command = [sys.executable, "-m", "chaos.person"]
    made = subprocess.run(command, cwd=ROOT, env=site.platform.environment, capture_output=True, text=True, check=True)
    person = json.loads(made.stdout.splitlines()[-1])
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    base = site.platform.base_url
    with opener.open(f"{base}/sign-in", timeout=30) as form:
        fields = _hidden(form.read().decode())
    sent = urllib.parse.urlencode({**fields, **person, "next": "/jobs"}).encode()
    opener.open(urllib.request.Request(f"{base}/sign-in", sent, {"Origin": base}), timeout=30).close()
    return opener


def _hidden(page: str) -> dict[str, str]:
    """The form's own fields: CSRF token and the token that makes a double click one launch."""
    found = {}
    for name in ("csrf_token", "token"):
        match = re.search(rf'name="{name}"[^>]*value="([^"]+)"', page)
        if match is not None:
            found[name] = match[1]
    return found
