"""R5, R6, R20: the database killed, commits whose answer is lost, deadlocks."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter

import pymysql

from chaos.client import FINAL_SECONDS
from chaos.faults import Load
from chaos.oracles import Verdict, judge, require_success
from chaos.registry import Size, case
from chaos.rig import Site
from tests.support.processes import wait_until
from tests.support.tcp_proxy import Commit, TcpProxy

LINES = 20


@case(
    "R5",
    "the database killed -9 twice, away for 20 to 60 s, with 100 jobs running",
    "no playbook killed, no line lost, no job lost; 503 with Retry-After meanwhile; at work again within 10 s",
    quick=True,
)
def database_away(site: Site, size: Size) -> Verdict:
    """Engines go on, spools keep their lines."""
    runs, each = 4, size.of(25, 5)
    away = (size.of(20, 5), size.of(60, 8))
    site.begin(workers=2)
    servers = site.servers(runs * each)
    gate = site.folder / "gate"
    seconds = sum(away) + 30
    book = site.stand_in(lines=seconds * 4, batch=2, pause=0.5, gate=gate)
    caller = site.caller()
    for number in range(runs):
        caller.launch(book, servers[number * each : (number + 1) * each])
    site.until(lambda: site.running_jobs() == runs * each, 120, "every job to run")
    codes: Counter[int] = Counter()
    back = []
    for pause in away:
        begun = {process.pid for process in site.run_processes()}
        site.rig.server.process.kill(signal.SIGKILL)
        site.rig.server.process.wait()
        site.fault(f"kill -9 of the database, away for {pause} s")
        ends = time.monotonic() + pause
        while time.monotonic() < ends:
            codes[caller.once("GET", "/jobs")[0]] += 1
            time.sleep(0.5)
        gone = begun - {process.pid for process in site.run_processes()}
        assert not gone, f"{len(gone)} processes of runs ended while the database was away"
        site.rig.server.restart()
        began = time.monotonic()
        stored = site.count("SELECT SUM(log_lines) FROM jobs")
        wait_until(lambda: caller.once("GET", "/jobs")[0] == 200, 60, "an answer of 200")
        wait_until(lambda: site.count("SELECT SUM(log_lines) FROM jobs") > stored, 60, "new lines")  # noqa: B023
        back.append(time.monotonic() - began)
    gate.touch()
    site.all_final(240)
    verdict = judge(site, payload_lines=seconds * 4)
    require_success(site, verdict)
    verdict.require(set(codes) <= {503, 200}, f"without a database it answered {dict(codes)}")
    verdict.require(max(back) <= 10, f"lines were stored again only {max(back):.1f} s after the database was back")
    site.notes.append(
        f"{runs * each} jobs running; without a database {dict(codes)}; "
        f"at work again after {', '.join(f'{seconds:.1f} s' for seconds in back)}"
    )
    return verdict


@case(
    "R6",
    "the connection cut between COMMIT and its answer, at random",
    "what was committed counts once, what was not is tried again; nothing is started in doubt",
    quick=True,
)
def commit_unknown(site: Site, size: Size) -> Verdict:
    """Web, worker and keeper reach the database through a proxy that swallows answers of COMMITs."""
    total = size.of(150, 18)
    with TcpProxy("127.0.0.1", site.rig.server.port, mysql=True, seed=site.random.randrange(10**6)) as proxy:
        direct = site.platform.settings["MILLWRIGHT_DATABASE_URL"]
        site.platform.settings["MILLWRIGHT_DATABASE_URL"] = proxy.url(direct)
        site.begin(workers=2)
        servers = site.servers(30)
        book = site.stand_in(lines=LINES, pause=0.05)
        proxy.lose_commits(0.05)
        load = Load(site, [(book, servers[number % len(servers)]) for number in range(total)])
        load.start()
        load.finish(FINAL_SECONDS)
        site.all_final(300)
        proxy.lose_commits(0.0)
        kept, undone = proxy.commits_lost[Commit.KEPT], proxy.commits_lost[Commit.UNDONE]
        site.faults += kept + undone
        verdict = judge(site, payload_lines=LINES)
        site.platform.stop()
    verdict.require(verdict.jobs == total, f"{verdict.jobs} jobs instead of {total}")
    verdict.require(site.faults >= total // 20, f"only {site.faults} commits lost their answer")
    require_success(site, verdict)
    site.notes.append(f"{kept} commits whose answer was lost, {undone} that never reached the server")
    return verdict


@case(
    "R20",
    "50 writers at once, and a stranger that locks their rows in the opposite order",
    "whole transactions are tried again; no answer of 5xx",
)
def deadlocks(site: Site, size: Size) -> Verdict:
    """Deadlocks are normal on a busy server."""
    writers, each = size.of(50, 12), size.of(5, 4)
    site.begin(workers=1)
    servers = site.servers(20)
    book = site.stand_in(lines=3)
    stop = threading.Event()
    before = _deadlocks(site)
    strangers = [threading.Thread(target=_stranger, args=(site, servers, stop), daemon=True) for _ in range(2)]
    errors: list[BaseException] = []

    def write(number: int) -> None:
        caller = site.caller()
        try:
            for turn in range(each):
                chosen = servers[(number + turn) % 20 : (number + turn) % 20 + 4] or servers[:4]
                made = caller.launch(book, list(reversed(chosen)))
                if turn % 3 == 0:
                    caller.once("POST", f"/launches/{made['uuid']}/cancel")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,), daemon=True) for number in range(writers)]
    for thread in [*strangers, *threads]:
        thread.start()
    for thread in threads:
        thread.join(FINAL_SECONDS)
    stop.set()
    for thread in strangers:
        thread.join(30)
    site.all_final(600)
    met = _deadlocks(site) - before
    site.faults += met
    verdict = judge(site)
    verdict.require(not errors, f"{len(errors)} writers gave up: {errors[:1]}")
    verdict.require(not site.tally.statuses[503], f"{site.tally.statuses[503]} answers of 503")
    site.notes.append(f"{writers} writers, {met} deadlocks met")
    return verdict


def _stranger(site: Site, servers: list[int], stop: threading.Event) -> None:
    """Lock rows that launches and claims need, the last one first, for a moment each."""
    connection = site.rig.connect()
    connection.autocommit(False)
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION innodb_lock_wait_timeout = 2")
        while not stop.is_set():
            try:
                for server in reversed(servers):
                    cursor.execute("SELECT id FROM servers WHERE id = %s FOR UPDATE", (server,))
                cursor.execute("SELECT seq FROM audit_heads FOR UPDATE")
                time.sleep(0.02)
            except pymysql.err.OperationalError:
                pass  # chosen as the victim, or it waited too long
            connection.rollback()
            time.sleep(0.05)
    connection.close()


def _deadlocks(site: Site) -> int:
    rows = site.ask("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")  # MariaDB; MySQL keeps it in innodb_metrics
    if rows:
        return int(rows[0]["Value"])
    return site.count(
        "SELECT COALESCE(SUM(COUNT), 0) FROM information_schema.INNODB_METRICS WHERE NAME = 'lock_deadlocks'"
    )
