"""R8, R9: clocks that jump, and a host that is cut off."""

from __future__ import annotations

import time
from pathlib import Path

from chaos.client import FINAL_SECONDS
from chaos.faults import Load, kill_pool_child
from chaos.oracles import Verdict, judge
from chaos.registry import Size, Skipped, case
from chaos.rig import Site
from tests.support.processes import wait_until
from tests.support.tcp_proxy import TcpProxy

LINES = 40
# libfaketime 0.9.10 answers each clock_nanosleep of CPython with EINVAL, whatever it is told about monotonic time; its
# select sleeps as it should.
SLEEP = """import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds) and None
"""
LEASE, FENCE = 30, 10  # seconds, in the case of the cut; 300 and 240 in the documented profile of several hosts


def _faketime() -> str:
    for folder in (Path("/usr/lib"), Path("/usr/lib64")):
        for found in sorted(folder.glob("*/faketime/libfaketimeMT.so.1")):
            return str(found)
    raise Skipped("libfaketime is not installed (Debian: apt-get install faketime)")


@case(
    "R8",
    "the clocks of web, workers and keeper jump two hours forth and back while jobs run and children are killed",
    "nothing is lost for it, nothing runs twice, no job ends before it began",
)
def jumping_clocks(site: Site, size: Size) -> Verdict:
    """Only the database's clock counts, and monotonic time."""
    library = _faketime()
    clock = site.folder / "clock"
    clock.write_text("+0", encoding="utf-8")
    mended = site.folder / "python"
    mended.mkdir()
    (mended / "sitecustomize.py").write_text(SLEEP, encoding="utf-8")
    site.platform.extra.update(
        {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": str(mended),
        }
    )
    total = size.of(60, 16)
    site.begin(workers=2, lease_seconds="15")
    servers = site.servers(12)
    book = site.stand_in(lines=LINES, batch=2, pause=0.2)
    load = Load(site, [(book, servers[number % len(servers)]) for number in range(total)])
    load.start()
    kills = 0
    for jump in ("+2h", "-2h", "+119m", "+0", "-2h", "+2h")[: size.of(6, 3)]:
        site.until(lambda: site.running_jobs() or not load.is_alive(), 60, "running jobs")
        clock.write_text(jump, encoding="utf-8")
        site.fault(f"clocks jump to {jump}")
        kills += kill_pool_child(site)
        pause = time.monotonic() + size.of(8, 4)
        wait_until(lambda end=pause: time.monotonic() > end, 20, "the next jump")  # type: ignore[misc]
    load.finish(FINAL_SECONDS)
    site.all_final(300)
    site.platform.extra.clear()
    verdict = judge(site, payload_lines=LINES)
    verdict.require(verdict.jobs == total, f"{verdict.jobs} jobs instead of {total}")
    verdict.require(verdict.lost_jobs <= kills, f"{verdict.lost_jobs} lost jobs for {kills} kills")
    site.notes.append(f"{kills} kills, {verdict.lost_jobs} lost jobs")
    return verdict


@case(
    "R9",
    "a worker's host cut off from the database for longer than its lease (fence 10 s, lease 30 s)",
    "it stops its run by itself before the lease is over; the late result is refused and kept as an audit entry",
)
def cut_off(site: Site, size: Size) -> Verdict:
    """Two hosts; one of them sees nobody for a while."""
    with TcpProxy("127.0.0.1", site.rig.server.port, mysql=True) as proxy:
        site.begin(workers=0, lease_seconds=str(LEASE), self_fence_seconds=str(FENCE))
        far = {"host_name": "far.example.org", "data_dir": str(site.folder / "far")}
        direct = site.platform.settings["MILLWRIGHT_DATABASE_URL"]
        site.platform.start_slot("far", database_url=proxy.url(direct), **far)
        servers = site.servers(1)
        book = site.stand_in(lines=100_000, batch=2, pause=0.2)
        job = site.caller().post_job(book, servers[0])
        site.until(lambda: site.count("SELECT SUM(log_lines) FROM jobs") > 10, 60, "the first lines")
        proxy.cut()
        began = time.monotonic()
        site.fault("the worker's host is cut off")
        stopped = site.until(lambda: not site.run_processes(), LEASE + 30, "the run to be stopped by its own host")
        reaped = site.until(lambda: site.open_jobs() == 0, LEASE + 60, "the reaper") + stopped
        after = site.caller().post_job(site.stand_in(lines=5), servers[0])
        wait_until(lambda: time.monotonic() - began > reaped + 5, 30, "some more time alone")
        proxy.restore()
        site.until(
            lambda: site.count("SELECT COUNT(*) FROM audit_logs WHERE event = 'run:late_result'"),
            60,
            "the audit entry of the late result",
        )
        site.until(
            lambda: site.count("SELECT COUNT(*) FROM jobs WHERE job_id = %s AND status = 'success'", after["job_id"]),
            60,
            "the next job on that server",
        )
        status = site.ask("SELECT failure_code, log_complete FROM jobs WHERE job_id = %s", job["job_id"])[0]
        verdict = judge(site, check_lines=False)
        site.platform.stop()
    verdict.require(stopped < reaped and stopped < LEASE, f"it stopped by itself only after {stopped:.0f} s")
    verdict.require(status["failure_code"] == "lost", f"the job is {status['failure_code']}")
    verdict.require(not status["log_complete"], "the log is said to be complete")
    site.notes.append(f"the cut-off host stopped its run after {stopped:.1f} s, the reaper came after {reaped:.1f} s")
    return verdict
