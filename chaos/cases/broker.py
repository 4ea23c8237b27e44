"""R4, R7, R12, R13: the broker gone, doorbells doubled and forged, the web process killed, two keepers."""

from __future__ import annotations

import signal
import time
from typing import Any

import psutil
from kombu import Connection, Producer  # type: ignore[attr-defined]

from app.core.queue import EXECUTE, PROTOCOL, RUN_QUEUE
from chaos import sabotage
from chaos.client import FINAL_SECONDS, Tally
from chaos.faults import Load
from chaos.oracles import Verdict, judge, require_success
from chaos.registry import Size, case
from chaos.rig import Site
from tests.support.processes import Process, wait_until

LINES = 20
HOLDER = "SELECT COALESCE(IS_USED_LOCK('millwright.keeper'), 0)"


@case(
    "R4",
    "Redis restarted 3 times, emptied 3 times, gone for 60 s, with 200 jobs",
    "nothing lost or doubled; all started within 30 s of its return; posts are taken meanwhile, p99 under 1 s",
)
def redis_away(site: Site, size: Size) -> Verdict:
    """A broker that comes and goes; playbooks and pages do not notice."""
    total, gone = size.of(200, 24), size.of(60, 10)
    redis = site.rig.redis
    site.begin(workers=1)
    servers = site.servers(size.of(40, 12))
    book = site.stand_in(lines=LINES, pause=0.2)
    posts = [(book, servers[number % len(servers)]) for number in range(total)]
    first = Load(site, posts[: total // 2], pause=lambda: site.random.uniform(0.0, 0.3))
    first.start()
    for _ in range(3):
        time.sleep(site.random.uniform(0.5, 2.0))
        redis.client().flushall()
        site.fault("FLUSHALL")
        time.sleep(site.random.uniform(0.5, 2.0))
        redis.process.kill(signal.SIGKILL)
        redis.process.wait()
        site.fault("kill -9 of Redis")
        time.sleep(site.random.uniform(0.2, 1.5))
        redis.start()
    first.finish(FINAL_SECONDS)
    redis.stop()
    site.fault(f"Redis gone for {gone} s")
    away, site.tally = site.tally, Tally()
    began = time.monotonic()
    second = Load(site, posts[total // 2 :], pause=lambda: site.random.uniform(0.0, 0.3))
    second.start()
    page, _data = site.caller().once("GET", "/jobs")
    wait_until(lambda: time.monotonic() - began > gone, gone + 10, "the time without Redis")
    second.finish(FINAL_SECONDS)
    slowest = site.tally.percentile(0.99)
    redis.start()
    waited = _all_seen(site, 120)
    site.all_final(300)
    site.tally.statuses.update(away.statuses)
    verdict = judge(site, payload_lines=LINES)
    verdict.require(verdict.jobs == total, f"{verdict.jobs} jobs instead of {total}")
    verdict.require(page == 200, f"a list of jobs answered {page} without Redis")
    verdict.require(slowest <= 1.0, f"p99 of posts without Redis was {slowest:.2f} s")
    verdict.require(waited <= 30, f"the last doorbell was rung {waited:.0f} s after Redis was back")
    verdict.require(not site.tally.statuses[503], f"{site.tally.statuses[503]} answers of 503")
    require_success(site, verdict)
    site.notes.append(f"p99 of a post without Redis {slowest:.2f} s; all rung {waited:.0f} s after its return")
    return verdict


def _all_seen(site: Site, seconds: float) -> float:
    """Wait until nothing waits that could start: the worker is busy, or nothing is pending."""

    def seen() -> bool:
        carried = site.count("SELECT COUNT(*) FROM runs WHERE status IN ('claimed', 'running')")
        return carried >= 3 or not site.count("SELECT COUNT(*) FROM runs WHERE status = 'pending'")

    return site.until(seen, seconds, "the doorbells after Redis came back")


def _ring(site: Site, run_id: object, times: int, protocol: object = PROTOCOL) -> None:
    """Send doorbells as anybody who reaches the broker could."""
    with Connection(site.rig.redis.url) as connection:  # type: ignore[no-untyped-call]
        producer: Any = Producer(connection)  # type: ignore[no-untyped-call]
        for number in range(times):
            identity = f"chaos-{number}-{time.monotonic_ns()}"
            producer.publish(
                [[], {"run_id": run_id, "protocol": protocol}, {}],
                routing_key=RUN_QUEUE,
                exchange="",
                headers={"id": identity, "task": EXECUTE, "lang": "py", "root_id": identity, "parent_id": None},
                correlation_id=identity,
                serializer="json",
            )


@case(
    "R7",
    "each doorbell sent five times more; doorbells of final runs, of no run, of a wrong kind and version",
    "each run once, the rest dropped",
)
def doorbells(site: Site, size: Size) -> Verdict:
    """Whoever reaches the broker can ring, and no more than that."""
    total = size.of(60, 15)
    site.begin(workers=2)
    servers = site.servers(10)
    book = site.stand_in(lines=LINES, pause=0.1)
    caller = site.caller()
    for number in range(total):
        made = caller.post_job(book, servers[number % len(servers)])
        run = site.count("SELECT run_id FROM jobs WHERE job_id = %s", made["job_id"])
        _ring(site, run, 5)
        site.fault("five more doorbells")
    for forged in (10**15, -1, "1 OR 1=1", None, [1], {"a": 1}, 1.5):
        _ring(site, forged, 2)
        site.fault("a forged doorbell")
    _ring(site, 1, 2, protocol=99)
    site.all_final(300)
    for run in range(1, total + 1):
        _ring(site, run, 1)
    site.fault("doorbells of final runs")
    queue = site.rig.redis.client()
    site.until(lambda: queue.llen(RUN_QUEUE) == 0, 60, "the workers to take every doorbell")
    again = caller.post_job(book, servers[0])
    site.until(
        lambda: site.count("SELECT COUNT(*) FROM jobs WHERE job_id = %s AND status = 'success'", again["job_id"]),
        60,
        "a job after all that",
    )
    verdict = judge(site, payload_lines=LINES)
    alive = all(process.running for process in site.platform.slots.values())
    verdict.require(alive, "a worker died of a forged doorbell")
    require_success(site, verdict)
    return verdict


@case(
    "R12",
    "the web process killed between COMMIT and doorbell",
    "the job starts within 35 s",
)
def no_doorbell(site: Site, size: Size) -> Verdict:
    """The keeper's sweep finds what nobody rang for."""
    site.begin(workers=1)
    servers = site.servers(1)
    book = site.stand_in(lines=LINES)
    assert site.platform.web is not None
    site.kill_tree(site.platform.web)
    site.platform.extra.update(sabotage.crash("app.core.queue:ring"))
    site.platform.start_web()
    status, _data = site.caller().once("POST", "/jobs", {"playbook_id": book, "server_id": servers[0]})
    began = time.monotonic()
    site.fault("kill -9 of the web process after its COMMIT, before the doorbell")
    site.until(lambda: site.count("SELECT COUNT(*) FROM jobs WHERE status <> 'pending'"), 60, "the job to start")
    took = time.monotonic() - began
    site.all_final(60)
    site.platform.extra.clear()
    verdict = judge(site, payload_lines=LINES)
    verdict.require(status == 0, f"the request was answered with {status}: the web process did not die")
    verdict.require(verdict.jobs == 1, f"{verdict.jobs} jobs instead of 1")
    verdict.require(took <= 35, f"the job started after {took:.0f} s")
    site.notes.append(f"the job started {took:.1f} s after the web process died")
    return verdict


@case(
    "R13",
    "three keepers; the leading one killed, three times",
    "one leads, another takes over within 10 s, nothing is dispatched twice",
)
def keepers(site: Site, size: Size) -> Verdict:
    """Leadership goes over."""
    site.begin(workers=1, keepers=3)
    servers = site.servers(12)
    book = site.stand_in(lines=LINES, pause=0.3)
    load = Load(site, [(book, server) for server in servers for _ in range(size.of(6, 2))])
    load.start()
    takeovers = []
    for process in site.platform.keepers:
        wait_until(lambda p=process: "keeper.started" in p.beginning(), 60, "the keepers")  # type: ignore[misc]
    for _ in range(3):
        site.until(lambda: _leader(site) is not None, 30, "a leading keeper")
        leader = _leader(site)
        assert leader is not None
        holder = site.count(HOLDER)
        leader.kill(signal.SIGKILL)
        leader.wait()
        site.platform.keepers.remove(leader)
        site.fault("kill -9 of the leading keeper")
        began = time.monotonic()
        site.until(
            lambda old=holder: site.count(HOLDER) not in (0, old),  # type: ignore[misc]
            30,
            "another keeper",
        )
        takeovers.append(time.monotonic() - began)
        fresh = site.platform.launch_keeper()
        wait_until(lambda p=fresh: "keeper.started" in p.beginning(), 60, "the next keeper")  # type: ignore[misc]
    load.finish(FINAL_SECONDS)
    site.all_final(300)
    verdict = judge(site, payload_lines=LINES)
    verdict.require(max(takeovers) <= 10, f"a takeover took {max(takeovers):.1f} s")
    site.notes.append("takeovers after " + ", ".join(f"{seconds:.1f} s" for seconds in takeovers))
    return verdict


def _leader(site: Site) -> Process | None:
    """The keeper whose connection holds the lock, by the port of its socket."""
    holder = site.count(HOLDER)
    row = next((row for row in site.ask("SHOW PROCESSLIST") if row["Id"] == holder), None)
    if row is None:
        return None
    port = int(str(row["Host"]).rpartition(":")[2])
    for process in site.platform.keepers:
        try:
            ports = {link.laddr.port for link in psutil.Process(process.pid).net_connections(kind="tcp")}
        except psutil.NoSuchProcess:
            continue
        if port in ports:
            return process
    return None
