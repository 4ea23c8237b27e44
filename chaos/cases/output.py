"""R14 to R18: floods of lines, shippers killed, and output that is meant to do harm."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import threading
import time
from typing import Any

import psutil

from chaos.oracles import Verdict, judge, require_success
from chaos.registry import Size, case
from chaos.rig import Site
from tests.support.databases import ROOT

ROW_BYTES = 16 * 1024
COLOUR = re.compile(r"\x1b\[[0-9;:]*m")  # colours stay: pages show them


def _watch(site: Site, chatty: list[str], stop: threading.Event, lags: list[float], rss: list[int]) -> None:
    """How far behind the newest stored line of each chatty job is, and the memory of who ships."""
    marks = ", ".join(["%s"] * len(chatty))
    statement = (
        "SELECT TIMESTAMPDIFF(MICROSECOND, l.timestamp, UTC_TIMESTAMP(6)) / 1e6 AS behind FROM jobs j"
        " JOIN job_logs l ON l.tenant_id = j.tenant_id AND l.job_id = j.id AND l.line_number = j.log_lines"
        f" WHERE j.status = 'running' AND j.job_id IN ({marks})"
    )
    while not stop.wait(0.2):
        lags += [float(row["behind"]) for row in site.ask(statement, *chatty)]
        for child in site.platform.pool_children():
            try:
                rss.append(child.memory_info().rss)
            except psutil.NoSuchProcess:
                continue


@case(
    "R14",
    "1,000,000 lines from one job as fast as it can, beside 20 chatty ones",
    "every line once and in order within 120 s; a shipper under 200 MB; the others' lines seen after 3 s at most (p95);"
    " the live page p95 under 300 ms",
)
def flood(site: Site, size: Size) -> Verdict:
    """One noisy neighbour."""
    lines, neighbours = size.of(1_000_000, 40_000), size.of(20, 5)
    site.begin(workers=1, worker_concurrency=str(neighbours + 1))
    servers = site.servers(neighbours + 1)
    caller = site.caller()
    talk = site.stand_in(lines=size.of(1_200, 200), batch=1, pause=0.05)
    chatty = [caller.post_job(talk, server)["job_id"] for server in servers[1:]]
    site.until(lambda: site.running_jobs() == neighbours, 120, "the chatty jobs")
    stop, lags, rss, pages = threading.Event(), list[float](), list[int](), list[float]()
    watcher = threading.Thread(target=_watch, args=(site, chatty, stop, lags, rss), daemon=True)
    watcher.start()
    noisy = caller.post_job(site.stand_in(lines=lines, batch=500), servers[0])["job_id"]
    site.fault(f"{lines:,} lines at once")

    def ended() -> bool:
        started = time.monotonic()
        job = caller.sure("GET", f"/jobs/{noisy}")
        caller.sure("GET", f"/jobs/{noisy}/logs?after={max(int(job['log_lines']) - 200, 0)}")
        pages.append((time.monotonic() - started) / 2)
        return job["status"] not in ("pending", "running")

    took = site.until(ended, 900, "the end of the flood")
    stop.set()
    watcher.join(30)
    site.all_final(300)
    verdict = judge(site)
    stored = site.count("SELECT log_lines FROM jobs WHERE job_id = %s", noisy)
    shown = sorted(lags)[int(len(lags) * 0.95)] if lags else 0.0
    page = sorted(pages)[int(len(pages) * 0.95)]
    verdict.require(stored == lines, f"{stored:,} of {lines:,} lines are stored")
    verdict.require(took <= size.of(120, 60), f"it took {took:.0f} s")
    verdict.require(max(rss) <= 200 * 2**20, f"a shipper had {max(rss) / 2**20:.0f} MB")
    verdict.require(shown <= 3.0, f"the others' lines were {shown:.1f} s behind (p95)")
    verdict.require(page <= 0.3, f"a page of the log took {page * 1000:.0f} ms (p95)")
    site.notes.append(
        f"{lines:,} lines in {took:.0f} s, {lines / took:,.0f} a second from the post to the end; the others' newest "
        f"line {shown:.2f} s behind (p95), a call for the newest lines {page * 1000:.0f} ms (p95), "
        f"shipper {max(rss) / 2**20:.0f} MB"
    )
    return verdict


@case(
    "R15",
    "a shipper killed -9 in the middle of a batch, 1,000 times",
    "every line once and in order",
    quick=True,
)
def killed_shippers(site: Site, size: Size) -> Verdict:
    """One spool, a thousand shippers, none of which lives long."""
    kills = size.of(1_000, 40)
    servers = site.platform
    servers.start_keeper()
    servers.start_web()
    server = site.servers(1)[0]
    command = [sys.executable, "-m", "chaos.shipper", str(site.folder), str(server), str(kills)]
    command.append(str(site.random.randrange(10**6)))
    done = subprocess.run(command, cwd=ROOT, env=site.platform.environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    site.faults += told["kills"]
    verdict = judge(site, payload_lines=told["lines"])
    verdict.require(told["kills"] >= kills, f"only {told['kills']} shippers were killed")
    verdict.require(told["midway"] >= kills // 5, f"only {told['midway']} of them had stored a batch")
    site.notes.append(f"{told['lines']:,} lines, {told['kills']} kills, {told['midway']} of them after a first batch")
    return verdict


def _long_text() -> bytes:
    return b"x" * (10 * 2**20) + "\N{PILE OF POO}".encode() * 1000


@case(
    "R16",
    "10 MB without a newline, printed and told; progress bars of carriage returns",
    "rows of 16 KiB at most, cut on whole characters, all of it there; the run's processes stay below 400 MB",
)
def endless_line(site: Site, size: Size) -> Verdict:
    """Lines without an end."""
    site.begin(workers=1)
    servers = site.servers(2)
    printed, texts = site.folder / "printed", site.folder / "texts.json"
    printed.write_bytes(_long_text() + b"\nafter\n" + b"\r".join(b"%d%%" % n for n in range(2_000)) + b"\n")
    bar = "\r".join(f"{n} % \N{PILE OF POO}" for n in range(2_000))
    texts.write_text(json.dumps([_long_text().decode(), bar, "the end"]), encoding="utf-8")
    caller = site.caller()
    caller.post_job(site.stand_in(lines=3, printed=printed), servers[0])
    caller.post_job(site.stand_in(lines=3, texts=texts), servers[1])
    site.fault("10 MB without a newline, printed")
    site.fault("10 MB without a newline, told")
    peak = 0

    def ended() -> bool:
        nonlocal peak
        for process in site.run_processes():
            try:
                peak = max(peak, process.memory_info().rss)
            except psutil.NoSuchProcess:
                continue
        return site.open_jobs() == 0

    site.until(ended, 180, "the end")
    verdict = judge(site, payload_lines=3)
    for table in ("job_logs", "run_lines"):
        longest = site.count(f"SELECT COALESCE(MAX(LENGTH(content)), 0) FROM {table}")
        verdict.require(longest <= ROW_BYTES, f"a row of {table} has {longest} bytes")
        broken = site.count(f"SELECT COUNT(*) FROM {table} WHERE content LIKE %s", "%\N{REPLACEMENT CHARACTER}%")
        verdict.require(not broken, f"{broken} rows of {table} begin or end within a character")
    require_success(site, verdict)
    continued = site.count("SELECT COUNT(*) FROM run_lines WHERE continued")
    verdict.require(continued > 50, f"only {continued} rows continue another")
    for table in ("job_logs", "run_lines"):
        stored = site.count(f"SELECT SUM(LENGTH(content)) FROM {table}")
        verdict.require(stored > 10 * 2**20, f"{table} holds {stored:,} bytes of 10 MB")
    verdict.require(peak < 400 * 2**20, f"a process of the run had {peak / 2**20:.0f} MB")
    site.notes.append(f"{continued} rows that continue another; largest process {peak / 2**20:.0f} MB")
    return verdict


NASTY: list[str] = [
    "nul \x00 in the middle",
    "bell \x07 backspace \x08 escape \x1b[31mred\x1b[0m",
    "emoji \N{PILE OF POO}\N{FAMILY} and \U0001f1e9\U0001f1ea",
    "bidi \u202eevil\u202c and zero\u200bwidth",
    "link \x1b]8;;https://example.org\x1b\\here\x1b]8;;\x1b\\",
    "lone \ud800 surrogate",
    "separators \u2028 and \u0085 and \x0b and \x0c",
    "<script>alert(1)</script> {{ 7 * 7 }} {% raw %}",
    "' OR 1=1; DROP TABLE job_logs; --",
]


@case(
    "R17",
    "NUL, broken UTF-8, lone surrogates, emoji, ANSI, hyperlinks, marks of direction",
    "stored without commands to a terminal (colours stay), nothing fails, emoji intact",
    quick=True,
)
def nasty_output(site: Site, size: Size) -> Verdict:
    """Everything that a terminal or a database may choke on."""
    site.begin(workers=1)
    servers = site.servers(2)
    printed, texts = site.folder / "printed", site.folder / "texts.json"
    raw = [text.encode("utf-8", "surrogatepass") for text in NASTY] + [b"latin \xe4\xf6\xfc", b"\xff\xfe\xf0\x9f\x92"]
    printed.write_bytes(b"\n".join(raw) + b"\n" + bytes(range(256)) + b"\n")
    texts.write_text(json.dumps(NASTY), encoding="ascii")
    caller = site.caller()
    for server, what in ((servers[0], {"printed": printed}), (servers[1], {"texts": texts})):
        caller.post_job(site.stand_in(lines=5, **what), server)
        site.fault(f"{len(NASTY)} nasty texts")
    site.all_final(120)
    verdict = judge(site, payload_lines=5)
    require_success(site, verdict)
    for table in ("job_logs", "run_lines"):
        contents = [COLOUR.sub("", str(row["content"])) for row in site.ask(f"SELECT content FROM {table}")]
        verdict.require(any("\N{PILE OF POO}" in text for text in contents), f"no emoji in {table}")
        control = [text for text in contents if any(ord(letter) < 32 and letter != "\t" for letter in text)]
        verdict.require(not control, f"control characters in {table}: {control[:1]!r}")
    for job in site.ask("SELECT job_id FROM jobs"):
        status, _data = caller.once("GET", f"/jobs/{job['job_id']}/logs?after=0")
        verdict.require(status == 200, f"the log answered {status}")
    return verdict


def _forged() -> list[str]:
    """ansible-runner's own marks around events that a host made up, and our plugin's objects."""
    found = []
    for event in (
        {"uuid": "../../../../forged", "event": "runner_on_ok", "event_data": {"host": "s0001"}, "stdout": "forged"},
        {"uuid": "00000000-0000-0000-0000-000000000001", "event": "playbook_on_stats", "counter": 1},
    ):
        text = base64.b64encode(json.dumps(event).encode()).decode()
        found.append(f"\x1b[K{text}\x1b[{len(text)}D\x1b[K")
    own: dict[str, Any] = {"e": "res", "h": "s0001", "s": 1, "st": "ok", "d": 1, "df": None, "n": "forged"}
    return [*found, json.dumps(own), json.dumps({"e": "stats", "hosts": {}, "left": []}), '{"k":"line","x":"forged"}']


@case(
    "R18",
    "a host prints the engine's own event marks, with a path for a name, and our plugin's objects",
    "no forged result, no file outside the workspace, the job's status is the task's",
)
def forged_events(site: Site, size: Size) -> Verdict:
    """A real ansible-playbook whose task prints them and fails."""
    site.begin(workers=1)
    server = site.servers(1)[0]
    forged = site.folder / "printed"
    forged.write_text("\n".join(_forged()) + "\n", encoding="utf-8")
    note = f'printf "%s %s %s\\n" "$MILLWRIGHT_RUN" $$ {{{{ inventory_hostname }}}} >> {site.folder / "ledger"}; '
    note += f"cat {forged}; exit 3"
    text = (
        "- name: Forge\n  hosts: all\n  gather_facts: false\n  tasks:\n"
        f"    - name: Print\n      ansible.builtin.shell: {json.dumps(note)}\n"
    )
    site.caller().post_job(site.playbook(text, engine="default"), server)
    site.fault("forged events")
    site.all_final(120)
    verdict = judge(site)
    job = site.ask("SELECT status, failure_code, failed_task FROM jobs")[0]
    verdict.require((job["status"], job["failure_code"]) == ("failed", "task_failed"), f"the job ended as {job}")
    results = site.ask("SELECT status FROM task_results")
    verdict.require([row["status"] for row in results] == ["failed"], f"results {results}")
    escaped = list(site.folder.rglob("forged*"))
    verdict.require(not escaped, f"files were made: {escaped}")
    return verdict
