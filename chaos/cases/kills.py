"""R1 to R3: processes killed at random, how soon it is noticed, and what outlives its run."""

from __future__ import annotations

import signal
import time

import psutil

from chaos.client import FINAL_SECONDS
from chaos.faults import Every, Load, conduct, kill_keeper, kill_pool_child, kill_worker, revive
from chaos.oracles import Verdict, judge
from chaos.payload import real_playbook
from chaos.registry import Size, case
from chaos.rig import ORPHAN_SECONDS, Site

LINES = 40
LEASE = 20  # seconds, in the case of a dead host; 300 by default
PROMISED_SECONDS = 180  # from the last kill to the last final job, however busy the machine is


@case(
    "R1",
    "1,000 jobs; kill -9 of a pool child each second, of a whole worker each 10 s, of the keeper each 15 s",
    "every job final within 180 s of the last kill, none executed twice, each lost one in one ticket",
    quick=True,
)
def kills(site: Site, size: Size) -> Verdict:
    """The storm."""
    total, real = size.of(1_000, 36), size.of(50, 4)
    site.begin(workers=size.of(3, 2))
    servers = site.servers(size.of(200, 18))
    quick = site.stand_in(lines=LINES, pause=0.05)
    slow = site.stand_in(lines=LINES, pause=0.4)
    ansible = site.playbook(real_playbook(site.folder), engine="default")
    books = [ansible] * real + [site.random.choice([quick, quick, slow]) for _ in range(total - real)]
    site.random.shuffle(books)
    load = Load(site, [(book, servers[number % len(servers)]) for number, book in enumerate(books)])
    load.start()
    hits = {"child": 0, "worker": 0, "gave up": 0}

    def child() -> None:
        hits["child"] += kill_pool_child(site)

    def worker() -> None:
        hits["worker"] += kill_worker(site)

    def start_again() -> None:
        hits["gave up"] += revive(site)

    ended = "SELECT COUNT(*) FROM jobs WHERE status IN ('success', 'failed', 'cancelled')"
    storm = conduct(
        site,
        [
            Every(1, child),
            Every(size.of(10, 5), worker),
            Every(15, lambda: kill_keeper(site)),
            Every(0.5, start_again),
        ],
        lambda: site.count(ended) >= total * 0.9,
        size.of(900, 150),
    )
    start_again()
    load.finish(FINAL_SECONDS)
    after = site.all_final(PROMISED_SECONDS)
    verdict = judge(site, payload_lines=None)
    verdict.require(after <= PROMISED_SECONDS, f"the last job was final {after:.0f} s after the last kill")
    verdict.require(verdict.jobs == total, f"{verdict.jobs} jobs instead of {total}")
    hard = hits["child"] >= storm / 4 and hits["worker"] >= max(1, storm // 30)
    verdict.require(hard, f"only {hits} were killed in {storm:.0f} s")
    # A kill of a worker's main process takes its pool children with it.
    verdict.require(
        verdict.lost_jobs <= hits["child"] + 4 * (hits["worker"] + hits["gave up"]),
        f"{verdict.lost_jobs} lost jobs for {hits} kills",
    )
    site.notes.append(
        f"{total} jobs ({real} of the real ansible), {storm:.0f} s of kills ({hits['child']} pool children, "
        f"{hits['worker']} workers; {hits['gave up']} gave up by themselves), "
        f"all final {after:.0f} s after the last one; {verdict.lost_jobs} lost"
    )
    return verdict


def _long_run(site: Site, server: int, **payload: object) -> int:
    """Start a run that goes on until it is ended; returns the job's id once lines of it are stored."""
    book = site.stand_in(lines=100_000, batch=5, pause=0.2, **payload)
    job = site.caller().post_job(book, server)
    site.until(
        lambda: site.count("SELECT log_lines FROM jobs WHERE job_id = %s", job["job_id"]) > 5, 60, "the first lines"
    )
    return site.count("SELECT id FROM jobs WHERE job_id = %s", job["job_id"])


def _lost_after(site: Site, job: int, seconds: float) -> float:
    return site.until(
        lambda: site.count("SELECT COUNT(*) FROM jobs WHERE id = %s AND failure_code = 'lost'", job),
        seconds,
        "the job to be lost",
    )


@case(
    "R2",
    "kill -9 of a pool child, of a worker, of a whole host (its lease set to 20 s)",
    "noticed within 5 s, 10 s, and the lease and 30 s",
)
def detection(site: Site, size: Size) -> Verdict:
    """Three deaths, one after the other."""
    site.begin(workers=1, lease_seconds=str(LEASE))
    servers = site.servers(3)

    job = _long_run(site, servers[0])
    busy = next(child for child in site.platform.pool_children() if child.children())
    busy.kill()
    site.fault("kill -9 of the pool child that carries a run")
    child = _lost_after(site, job, 30)

    job = _long_run(site, servers[1])
    site.platform.slots["w0"].kill(signal.SIGKILL)
    site.fault("kill -9 of the worker that carries a run")
    worker = _lost_after(site, job, 40)

    far = site.folder / "far"
    site.platform.start_slot("far", host_name="far.example.org", data_dir=str(far))
    job = _long_run(site, servers[2])
    site.kill_tree(site.platform.slots["far"])
    for process in site.run_processes():
        process.kill()
    site.fault("kill -9 of everything on a host")
    host = _lost_after(site, job, LEASE + 60)

    verdict = judge(site, check_lines=False)
    verdict.require(child <= 5, f"a killed child was noticed after {child:.1f} s")
    verdict.require(worker <= 10, f"a killed worker was noticed after {worker:.1f} s")
    verdict.require(host <= LEASE + 30, f"a dead host was noticed after {host:.1f} s")
    unsaid = site.count("SELECT COUNT(*) FROM jobs WHERE id = %s AND log_complete", job)
    verdict.require(not unsaid, "the log of a dead host is said to be complete")
    site.notes.append(f"noticed: child {child:.1f} s, worker {worker:.1f} s, host {host:.1f} s (lease {LEASE} s)")
    return verdict


@case(
    "R3",
    "runs that leave processes of other sessions behind and ignore TERM: ended by success, cancel, timeout, kill -9",
    "15 s after the end nothing with the run's marker lives",
)
def orphans(site: Site, size: Size) -> Verdict:
    """Strays of each kind of end."""
    site.begin(workers=1)
    servers = site.servers(4)
    caller = site.caller()
    caller.post_job(site.stand_in(lines=3, strays=4), servers[0])
    cancelled = _long_run(site, servers[1], strays=4, stubborn=True)
    uuid = site.ask("SELECT job_id FROM jobs WHERE id = %s", cancelled)[0]["job_id"]
    caller.sure("POST", f"/jobs/{uuid}/cancel")
    site.fault("cancel")
    caller.post_job(
        site.stand_in(lines=3, strays=4, stubborn=True, gate=site.folder / "never"), servers[2], timeout_seconds=5
    )
    site.fault("timeout")
    killed = _long_run(site, servers[3], strays=4, stubborn=True)
    carrier = next(child for child in site.platform.pool_children() if _carries(child, site, killed))
    carrier.kill()
    site.fault("kill -9 of the pool child")
    site.all_final(120)
    began = time.monotonic()
    site.until(lambda: not site.run_processes(), ORPHAN_SECONDS * 2, "the end of every process")
    took = time.monotonic() - began
    verdict = judge(site)
    verdict.require(took <= ORPHAN_SECONDS, f"the last process ended {took:.1f} s after the last job")
    site.notes.append(f"16 strays in sessions of their own: the last one ended {took:.1f} s after the last job")
    return verdict


def _carries(child: psutil.Process, site: Site, job: int) -> bool:
    return bool(
        site.count(
            "SELECT r.executor_pid = %s FROM runs r JOIN jobs j ON j.run_id = r.id WHERE j.id = %s", child.pid, job
        )
    )
